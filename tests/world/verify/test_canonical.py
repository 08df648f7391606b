"""The comparer finds planted differences of every kind and forgives only order that cannot matter."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest

from meshsim.world.verify.canonical import canonical, mismatches

LISTENER = {
    "name": "0.0.0.0_80",
    "filter_chains": [
        {"name": "b", "filter_chain_match": {"destination_port": 2}, "filters": [{"name": "x"}, {"name": "y"}]},
        {"name": "a", "filter_chain_match": {"destination_port": 1}, "filters": []},
    ],
    "bind_to_port": False,
    "timeout": 1,
}
ROUTES = {
    "name": "80",
    "virtual_hosts": [
        {"name": "v", "domains": ["b", "a"], "routes": [{"match": {"prefix": "/1"}}, {"match": {"prefix": "/"}}]},
        {"name": "u", "domains": ["c"], "routes": []},
    ],
}


def _found(want: object, got: object) -> list[str]:
    return [m.path for m in mismatches(canonical(want), canonical(got))]


def test_equal_values_do_not_differ() -> None:
    assert _found(LISTENER, copy.deepcopy(LISTENER)) == []


@pytest.mark.parametrize(
    ("base", "path"),
    [(LISTENER, ("filter_chains",)), (ROUTES, ("virtual_hosts",)), (ROUTES, ("virtual_hosts", 0, "domains"))],
)
def test_order_that_cannot_matter_is_forgiven(base: dict[str, object], path: tuple[str | int, ...]) -> None:
    other = copy.deepcopy(base)
    target: object = other
    for step in path:
        target = target[step]  # type: ignore[index]
    target.reverse()  # type: ignore[attr-defined]
    assert _found(base, other) == []


@pytest.mark.parametrize(
    ("base", "path"),
    [(LISTENER, ("filter_chains", 0, "filters")), (ROUTES, ("virtual_hosts", 0, "routes"))],
)
def test_order_that_matters_is_not(base: dict[str, object], path: tuple[str | int, ...]) -> None:
    other = copy.deepcopy(base)
    target: object = other
    for step in path:
        target = target[step]  # type: ignore[index]
    target.reverse()  # type: ignore[attr-defined]
    assert _found(base, other) != []


def test_planted_differences_are_found_where_they_are() -> None:
    changed = copy.deepcopy(LISTENER)
    changed["timeout"] = 2
    assert _found(LISTENER, changed) == ["/timeout"]
    missing = copy.deepcopy(LISTENER)
    del missing["bind_to_port"]
    assert _found(LISTENER, missing) == ["/bind_to_port"]
    extra = {**LISTENER, "more": 0}
    assert _found(LISTENER, extra) == ["/more"]
    longer = copy.deepcopy(ROUTES)
    longer["virtual_hosts"].append({"name": "w"})  # type: ignore[attr-defined]
    assert _found(ROUTES, longer) == ["/virtual_hosts#"]
    assert _found({"a": 1}, {"a": "1"}) == ["/a"]
    assert _found({"a": True}, {"a": 1}) == ["/a"]


@pytest.mark.needs_shared
def test_agrees_with_the_definition_beside_the_recordings(oracle: Path) -> None:
    spec = importlib.util.spec_from_file_location("recorded_canonical", oracle / "canonical.py")
    assert spec is not None
    assert spec.loader is not None
    definition = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(definition)
    for value in (LISTENER, ROUTES):
        assert canonical(value) == definition.canonical(value)
