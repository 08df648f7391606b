from __future__ import annotations

from dataclasses import dataclass

import pytest

from meshsim.controlplane.visibility import Exports, exported_to


@pytest.mark.parametrize(
    ("export_to", "viewer", "want"),
    [
        ({"*"}, "other", True),
        ({"."}, "own", True),
        ({"."}, "other", False),
        ({"other"}, "other", True),
        ({"other"}, "own", False),
        ({"~"}, "own", False),
        ({"~", "*"}, "own", False),
    ],
)
def test_exported_to(export_to: set[str], viewer: str, want: bool) -> None:
    assert exported_to(frozenset(export_to), "own", viewer) is want


@dataclass(frozen=True)
class Item:
    name: str
    namespace: str


def _seen(namespace: str, *items: tuple[str, str, str, bool]) -> str:
    exports = Exports((Item(name, own), frozenset(to.split(",")), leads) for name, own, to, leads in items)
    return "".join(item.name for item in exports.seen_by(namespace))


def test_private_then_named_then_public() -> None:
    items = [
        ("a", "x", "*", False),
        ("b", "x", "y", False),
        ("c", "y", ".", False),
        ("d", "x", "~", False),
        ("e", "x", ".,z", False),
    ]
    assert [_seen(namespace, *items) for namespace in "xyzw"] == ["ea", "cba", "ea", "a"]


def test_some_public_ones_lead_in_their_own_namespace() -> None:
    items = [("a", "x", "*", False), ("b", "x", "*", True), ("c", "y", "*", True)]
    assert [_seen(namespace, *items) for namespace in "xyz"] == ["bac", "cab", "abc"]


def test_an_object_exported_to_its_own_namespace_by_name_is_seen_there() -> None:
    assert [_seen(namespace, ("a", "x", "x", False)) for namespace in "xy"] == ["a", ""]


def test_namespaces_to_which_nothing_is_particular_share_what_they_see() -> None:
    exports = Exports([(Item("a", "x"), frozenset("*"), False), (Item("b", "x"), frozenset("."), False)])
    assert exports.seen_by("y") is exports.seen_by("z")
    assert exports.seen_by("x") is not exports.seen_by("y")
