"""Resources in parts."""

from __future__ import annotations

from meshsim.xds.bodies import Bodies, BodyTable
from meshsim.xds.delta_response import ReceivedBody

_SHARED = Bodies([ReceivedBody("a", b"1"), ReceivedBody("b", b"22")])
_OWN = (ReceivedBody("c", b"333"),)


def test_joined_resources_are_those_of_both_parts_in_order() -> None:
    joined = Bodies.joined(_SHARED, _OWN)
    assert joined == (*_SHARED, *_OWN)
    assert joined.names == ("a", "b", "c")
    assert joined.size == 6
    assert list(joined.table.items()) == [("a", b"1"), ("b", b"22"), ("c", b"333")]
    assert joined.distinct


def test_the_table_of_a_shared_part_is_one_object() -> None:
    one, other = Bodies.joined(_SHARED, _OWN).table, Bodies.joined(_SHARED, ()).table
    assert one.parts[0] is other.parts[0] is _SHARED.table
    assert one.parts[1] == {"c": b"333"}
    assert BodyTable.of(one) is one


def test_a_name_in_two_parts_is_not_distinct_and_leaves_one_table() -> None:
    joined = Bodies.joined(_SHARED, [ReceivedBody("a", b"9")])
    assert not joined.distinct
    assert joined.table == {"a": b"9", "b": b"22"}
    assert joined.table.parts == (joined.table,)


def test_keys_are_equal_for_equal_entries_in_equal_parts() -> None:
    def table() -> BodyTable:
        return BodyTable.of({"a": b"1", "b": b"22"})

    assert table().key == table().key
    assert hash(table().key) == hash(table().key)
    assert table().key != BodyTable.of({"b": b"22", "a": b"1"}).key, "another order"
    assert table().key != BodyTable.of({"a": b"1", "b": b"2"}).key
    again = Bodies(_SHARED)
    assert Bodies.joined(again, _OWN).table.key == Bodies.joined(_SHARED, _OWN).table.key
    whole = Bodies([*_SHARED, *_OWN]).table
    assert whole.key != Bodies.joined(_SHARED, _OWN).table.key
