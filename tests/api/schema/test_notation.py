"""The notation of field tables."""

from __future__ import annotations

import pytest

from meshsim.api.schema.notation import parse_table
from meshsim.api.schema.reading import Family, Reading
from meshsim.api.schema.types import Choice, Count, ListOf, MapOf


def test_all_forms() -> None:
    messages = parse_table(
        """
A                                  # a comment
  f g! h?: text(1..3)
  i: [[{int32(0..)}](..2)] unique(x y)
  j: {B}(1..) keys porttext
  k: <ONE "" TWO> = "ONE"
  >=1 f g
B: A
  self: B
"""
    )
    a, b = messages["A"], messages["B"]
    assert list(a.fields) == ["f", "g", "h", "i", "j", "k"]
    assert a.fields["g"].required
    assert a.fields["h"].nullable
    assert a.fields["k"].default == "ONE"
    assert isinstance(a.fields["i"].type, ListOf)
    assert a.fields["i"].type.unique == ("x", "y")
    assert isinstance(a.fields["j"].type, MapOf)
    assert a.fields["j"].type.keys is not None
    assert a.fields["k"].type == Choice(("ONE", "", "TWO"))
    assert a.groups[0].limit is Count.AT_LEAST_ONE
    assert list(b.fields) == [*a.fields, "self"]
    assert b.fields["self"].type is b


def test_messages_of_other_tables_are_known() -> None:
    first = parse_table("A\n  x: text\n")
    second = parse_table("B\n  a: A\n", first)
    assert second["B"].fields["a"].type is first["A"]
    reading = Reading(Family.CRD)
    second["B"].read({"a": {"y": 1}}, None, reading)
    assert reading.problems[0].path == "a.y"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("A\n  x: Nope\n", "unknown message Nope"),
        ("A\n  x text\n", "not in the notation"),
        ("A\nA\n", "described twice"),
        ("  x: text\n", "outside a message"),
        ("A\n  x: [text\n", "expected ']'"),
        ("A\n  x: text text\n", "left over"),
        ("A\n  x: text\n  <=1 x y\n", "does not have"),
    ],
)
def test_mistakes_in_a_table_are_found(table: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_table(table)
