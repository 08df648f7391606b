"""Problems and paths."""

from __future__ import annotations

from meshsim.api.schema.reading import Family, Problem, Reading, kind_of, path_text


def test_paths() -> None:
    assert path_text(None) == ""
    assert path_text((((None, "spec"), "http"), 0)) == "spec.http[0]"
    assert path_text(((None, 0), "a")) == "[0].a"


def test_problems_are_collected() -> None:
    reading = Reading(Family.CRD)
    reading.problem((None, "spec"), "wrong", "right")
    assert reading.problems == [Problem("spec", "wrong", "right")]


def test_kinds_of_values() -> None:
    values = (None, True, 1, 0.5, "a", {}, [])
    words = ["null", "a boolean", "a number", "a number", "text", "a mapping", "a list"]
    assert [kind_of(value) for value in values] == words
