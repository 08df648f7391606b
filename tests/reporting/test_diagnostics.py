"""Errors show the line and point at the place."""

from __future__ import annotations

from pathlib import Path

from meshsim.errors import Finding, InputError, InputErrors, Position, Severity
from meshsim.reporting.columns import Style
from meshsim.reporting.diagnostics import Diagnostics, each_error

PLAIN = Diagnostics(Style(False))


def test_the_caret_stands_under_the_column(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("first: 1\nsecond: {too: x}\n")
    error = InputError("unknown field 'too'", Position(str(file), 2, 10), "did you mean 'to'?", "second.too")
    lines = PLAIN.error(error)
    assert lines[0] == f"{file}:2:10: error: unknown field 'too' (did you mean 'to'?)  [second.too]"
    assert lines[1] == "     2 | second: {too: x}"
    assert lines[2].index("^") - lines[1].index("{") == 1


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("x" * 500 + "!" + "y" * 500)
    lines = PLAIN.error(InputError("m", Position(str(file), 1, 501)))
    assert len(lines[1]) < 130
    assert lines[1][lines[2].index("^")] == "!"


def test_without_a_file_or_a_place_there_is_no_excerpt() -> None:
    assert PLAIN.error(InputError("m", Position("nowhere.yaml", 3, 1))) == ["nowhere.yaml:3:1: error: m"]
    assert PLAIN.error(InputError("m")) == ["error: m"]


def test_several_errors_are_several_blocks() -> None:
    both = InputErrors((InputError("a"), InputError("b")))
    assert PLAIN.error(both) == ["error: a", "error: b"]
    assert [str(error) for error in each_error(both)] == ["a", "b"]


def test_findings_carry_their_severity() -> None:
    finding = Finding("MSH1", Severity.WARNING, "odd", Position("a.yaml", 1, 2), "why", "Service a/b")
    assert PLAIN.findings([finding]) == ["a.yaml:1:2: warning: odd (why)  [MSH1 Service a/b]"]
