"""Equal tables become one object; others, and small ones, stay what they are."""

from __future__ import annotations

from meshsim.xds.sharing import ByIdentity, share

NAMES = [f"n{i}" for i in range(100)]


def test_equal_tables_are_one() -> None:
    first = share(dict.fromkeys(NAMES, "1"))
    assert share(dict.fromkeys(NAMES, "1")) is first


def test_other_values_names_or_order_are_another() -> None:
    first = share(dict.fromkeys(NAMES, "1"))
    for other in (dict.fromkeys(NAMES, "2"), dict.fromkeys(NAMES[1:], "1"), dict.fromkeys(NAMES[::-1], "1")):
        assert share(other) is other
        assert list(share(dict(other))) == list(other)
    assert first == dict.fromkeys(NAMES, "1")


def test_small_tables_and_more_than_are_remembered() -> None:
    small = {"a": "1"}
    assert share(small) is small
    tables = [share(dict.fromkeys(NAMES, number)) for number in range(600)]
    assert tables == [dict.fromkeys(NAMES, number) for number in range(600)]


def test_a_value_may_stand_for_itself_alone() -> None:
    one, other = {"a": "1"}, {"a": "1"}
    assert ByIdentity(one) == ByIdentity(one)
    assert hash(ByIdentity(one)) == hash(ByIdentity(one))
    assert ByIdentity(one) != ByIdentity(other)
    assert ByIdentity(one) != one
