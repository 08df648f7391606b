"""The types a field can have."""

from __future__ import annotations

import pytest

from meshsim.api.schema.notation import parse_table
from meshsim.api.schema.reading import Family, Reading
from meshsim.api.schema.types import AsBuiltIn, Bounds, camel_case, describe

TABLE = """
Root
  name!: text(1..5)
  count: int32(0..10)
  mode: <SIMPLE MUTUAL>
  items: [Item](1..2) unique(id)
  words: [text] unique()
  labels: {text}(..2) keys dnslabel
  maybe?: int32
  weight: int32 = 1
  aLong bLong: text
  <=1 aLong bLong
Item
  id: int32
  exact prefix: text
  =1 exact prefix
"""
ROOT = parse_table(TABLE)["Root"]


def _read(value: object, family: Family = Family.CRD) -> tuple[object, list[str]]:
    reading = Reading(family)
    stored = ROOT.read(value, None, reading)
    return stored, [f"{p.path}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in reading.problems]


def test_a_good_value_is_stored_with_defaults() -> None:
    value = {"name": "a", "items": [{"id": 1, "exact": "x"}], "labels": {"a": "b"}}
    stored, problems = _read(value)
    assert problems == []
    assert stored == {**value, "weight": 1}
    assert "weight" not in value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "name: the field 'name' is required"),
        ({"name": ""}, "name: must not be empty"),
        ({"name": "abcdef"}, "name: must be at most 5 characters long, this is 6"),
        ({"name": "a", "count": 11}, "count: must be at most 10, this is 11"),
        ({"name": "a", "mode": "simple"}, "mode: 'simple' is not a choice here (did you mean 'SIMPLE'?)"),
        ({"name": "a", "mode": "OTHER"}, "mode: 'OTHER' is not a choice here (one of SIMPLE, MUTUAL)"),
        ({"name": "a", "items": []}, "items: must have at least 1 item(s), this has 0"),
        ({"name": "a", "items": {}}, "items: must be a list, this is a mapping (write it as a list: - ...)"),
        ({"name": "a", "items": [None]}, "items[0]: must not be null"),
        ({"name": "a", "words": ["x", "x"]}, "words[1]: repeats item [0] ('x')"),
        ({"name": "a", "labels": {"A": "b"}}, "labels.A: must be a DNS label"),
        ({"name": "a", "labels": {"a": None}}, "labels.a: must not be null"),
        ({"name": "a", "labels": {"a": "", "b": "", "c": ""}}, "labels: must have at most 2 entry(s), this has 3"),
        ({"name": "a", "nmae": 1}, "nmae: unknown field 'nmae' (did you mean 'name'?)"),
        ({"name": "a", "zzz": 1}, "zzz: unknown field 'zzz' (known here: aLong, bLong, count"),
        ({"name": "a", "aLong": "", "bLong": ""}, "bLong: 'aLong' and 'bLong' exclude each other"),
        ({"name": "a", "items": [{"id": 1}]}, "items[0]: one of exact, prefix is required"),
        ({"name": "a", "count": None}, "count: must not be null (leave the field out)"),
        ([], ": must be a mapping, this is a list"),
    ],
)
def test_problems(value: object, expected: str) -> None:
    _, problems = _read(value)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_unique_by_field() -> None:
    items = [{"id": 1, "exact": "a"}, {"id": 1, "exact": "b"}]
    assert _read({"name": "a", "items": items})[1] == ["items[1]: repeats item [0] (id 1)"]


def test_nulls_are_left_out_where_kubernetes_does() -> None:
    assert _read({"name": "a", "maybe": None}) == ({"name": "a", "weight": 1}, [])
    assert _read({"name": "a", "count": None, "labels": {"x": None}}, Family.BUILT_IN)[1] == []


def test_snake_case_is_protobufs() -> None:
    reading = Reading(Family.PROTOBUF)
    assert ROOT.read({"name": "a", "a_long": "x"}, None, reading) == {"name": "a", "aLong": "x", "weight": 1}
    assert reading.renamed == [("a_long", "aLong")]
    assert "unknown field 'a_long'" in _read({"name": "a", "a_long": "x"})[1][0]
    assert camel_case("http1_max_pending_requests") == "http1MaxPendingRequests"


def test_metadata_is_read_as_kubernetes_does_in_every_kind() -> None:
    reading = Reading(Family.CRD)
    AsBuiltIn(ROOT).read({"name": "a", "count": None}, None, reading)
    assert reading.problems == []
    assert reading.family is Family.CRD


def test_words_of_messages() -> None:
    assert Bounds(1, 2).refuse(0) == "at least 1"
    assert Bounds(None, 2).refuse(3) == "at most 2"
    assert Bounds().refuse(3) is None
    assert describe("x" * 100) == "'" + "x" * 57 + "...'"
    assert describe(True) == "a boolean"
    assert describe(5) == "5"
