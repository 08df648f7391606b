"""What is written reads back as the same values, whatever they look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.api import parse_documents
from meshsim.imports.yaml_text import Noted, dump, scalar


def read(text: str) -> object:
    """The value of a text as meshsim reads it."""
    found = parse_documents(text, "it.yaml")
    assert not found.errors, found.errors
    return found.documents[0].value


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co", "Cn")), max_size=20)
SCALARS = st.one_of(
    TEXTS,
    st.sampled_from(["yes", "NO", "1e3", "0x1f", "12:30", "1.5", "8ms", "50/s", "a:80", "- a", "# a", "~", "null"]),
    st.integers(-(10**9), 10**9),
    st.booleans(),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_values_come_back(document: dict[str, Any]) -> None:
    assert read(dump(document)) == document


@given(st.dictionaries(st.sampled_from("abcd"), VALUES.map(lambda value: Noted(value, "seen 3 times")), min_size=1))
def test_notes_change_nothing(document: dict[str, Any]) -> None:
    text = dump(document)
    assert read(text) == {key: noted.value for key, noted in document.items()}
    assert text.count("# seen 3 times") >= len(document)


@pytest.mark.parametrize(("value", "written"), [("yes", '"yes"'), ("8ms", "8ms"), ("50/s", "50/s"), ("a:80", "a:80")])
def test_quotes_only_where_they_are_needed(value: str, written: str) -> None:
    assert scalar(value) == written


def test_short_mappings_stand_on_one_line_and_notes_behind_their_value() -> None:
    document = {
        "match": {"app": "a"},
        "serve": {"time": Noted("5ms", "of 12 spans"), "errors": {"rate": "1%", "status": 500}},
        "calls": [{"parallel": ["b:80", {"to": "c:80", "path": "/"}]}, Noted("d:80", "last")],
    }
    assert dump(document) == (
        "match: {app: a}\n"
        "serve:\n"
        "  time: 5ms  # of 12 spans\n"
        "  errors: {rate: 1%, status: 500}\n"
        "\n"
        "calls:\n"
        "  - parallel:\n"
        "      - b:80\n"
        "      - {to: c:80, path: /}\n"
        "  - d:80  # last\n"
    )


def test_a_long_note_stands_above() -> None:
    text = dump({"time": Noted("5ms", "word " * 40)})
    assert text.splitlines()[-1] == "time: 5ms"
    assert all(len(line) <= 120 for line in text.splitlines())


def test_nothing_is_too_long_to_be_written() -> None:
    document = {"time": Noted("empirical(p0 1ms, " * 20, "seen"), "list": ["x" * 200], "map": {"a": "y" * 200}}
    assert read(dump(document)) == {"time": "empirical(p0 1ms, " * 20, "list": ["x" * 200], "map": {"a": "y" * 200}}


def test_long_lists_of_scalars_are_filled() -> None:
    rates = [f"{number}.5/s" for number in range(60)]
    text = dump({"rates": rates})
    assert read(text) == {"rates": rates}
    assert len(text.splitlines()) < 8
    assert all(len(line) < 116 for line in text.splitlines())
