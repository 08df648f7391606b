"""Typed reading of one mapping."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.errors import InputError
from meshsim.units import MILLISECOND

FIELDS = Fields(
    {
        "text": "a",
        "number": 5,
        "big": "9007199254740993",
        "real": 0.5,
        "on": True,
        "off": False,
        "none": None,
        "span": "250ms",
        "inner": {"a": {"b": 1}},
        "items": [{"a": 1}, None, "x"],
        "texts": ["a", 1],
        "numbers": [1, "2", None],
        "map": {"a": "b", 8080: 1, "c": None, "d": True},
        "messages": {"x": {"a": 1}, "y": None},
    },
    "spec",
)


def test_scalars() -> None:
    assert FIELDS.text("text") == "a"
    assert FIELDS.text("number") == "5"
    assert FIELDS.text("on") == "true"
    assert FIELDS.text("none", "x") == "x"
    assert FIELDS.integer("number") == 5
    assert FIELDS.integer("big") == 9_007_199_254_740_993
    assert FIELDS.integer("missing", 7) == 7
    assert FIELDS.integer("on", 7) == 7
    assert FIELDS.optional_integer("missing") is None
    assert FIELDS.optional_integer("number") == 5
    assert FIELDS.number("real") == 0.5
    assert FIELDS.number("on") == 0.0
    assert FIELDS.flag("on")
    assert not FIELDS.flag("text")
    assert FIELDS.optional_flag("off") is False
    assert FIELDS.optional_flag("missing") is None
    assert FIELDS.duration("span") == 250 * MILLISECOND
    assert FIELDS.duration("missing") is None


def test_presence_means_given_and_not_null() -> None:
    assert "off" in FIELDS
    assert "none" not in FIELDS
    assert "missing" not in FIELDS
    assert not Fields(None)
    assert not Fields({})


def test_paths_of_inner_messages() -> None:
    assert FIELDS.fields("inner").fields("a").path == "spec.inner.a"
    assert FIELDS.at("text") == "spec.text"
    assert Fields({}).at("a") == "a"
    assert [item.path for item in FIELDS.items("items")] == ["spec.items[0]", "spec.items[1]", "spec.items[2]"]
    assert [bool(item) for item in FIELDS.items("items")] == [True, False, False]
    assert FIELDS.fields_map("messages")["x"].at("a") == "spec.messages.x.a"
    assert not FIELDS.fields_map("messages")["y"]


def test_lists_and_maps() -> None:
    assert FIELDS.texts("texts") == ("a", "1")
    assert FIELDS.integers("numbers") == (1, 2)
    assert FIELDS.text_map("map") == {"a": "b", "8080": "1", "c": "", "d": "true"}
    for getter in (FIELDS.texts, FIELDS.items, FIELDS.integers):
        assert getter("text") == ()
    assert FIELDS.text_map("text") == {}
    assert FIELDS.fields_map("text") == {}


def test_equality_is_by_content() -> None:
    assert Fields({"a": 1}, "x") == Fields({"a": 1}, "y")
    assert Fields({"a": 1}) != {"a": 1}
    assert list(Fields({"b": 1, "a": 2})) == ["b", "a"]
    with pytest.raises(TypeError):
        hash(FIELDS)


@pytest.mark.parametrize("value", ["", "x", "1.5", float("inf")])
def test_a_text_that_is_no_number_is_an_error_of_the_input(value: object) -> None:
    with pytest.raises(InputError, match=r"no whole number: .*\[spec.count\]"):
        Fields({"count": value}, "spec").integer("count")
