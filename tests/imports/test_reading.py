"""Documents of other tools: what is wrong is said with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputError, InputErrors
from meshsim.imports.reading import Complaints, read_document

File = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this file has nothing in it"),
        ("a: 1\n---\nb: 2\n", "this file has several documents"),
        ("- a\n", "it.yaml:1:1: error: a thing is a mapping, this is not"),
        ("a: [1\n", "not valid YAML"),
    ],
)
def test_what_is_no_document(file: File, text: str, message: str) -> None:
    with pytest.raises(InputErrors, match=message.replace("[", r"\[")):
        read_document(file("it.yaml", text), "a thing")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputErrors, match=r"none\.yaml"):
        read_document(tmp_path / "none.yaml", "a thing")


def test_complaints_have_places(file: File) -> None:
    document, origin = read_document(file("it.yaml", "size: big\nsise: 3\n"), "a thing")
    complaints = Complaints(origin)
    complaints.unknown_keys("", document, ("size",))

    def refuse(value: object) -> int:
        raise InputError(f"{value} is no number", None, "write one")

    assert complaints.parsed("size", document["size"], refuse, 7) == 7
    (finding,) = complaints.findings
    assert (finding.position.line, finding.hint) == (2, "did you mean 'size'?") if finding.position else False
    with pytest.raises(InputErrors) as caught:
        complaints.done()
    (error,) = caught.value.errors
    assert str(error).endswith("it.yaml:1:7: error: big is no number (write one)  [size]")
