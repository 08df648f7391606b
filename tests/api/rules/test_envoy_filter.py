"""Rules of EnvoyFilter: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("EnvoyFilter", "{configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {}}}]}", ""),
    ("EnvoyFilter", "{configPatches: [{patch: {operation: MERGE, value: {}}}]}", "what it applies to"),
    (
        "EnvoyFilter",
        ("{configPatches: [{applyTo: CLUSTER, match: {listener: {name: a}}, patch: {operation: MERGE, value: {}}}]}"),
        "is matched by 'cluster'",
    ),
    ("EnvoyFilter", "{configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE}}]}", "needs a value"),
]


@pytest.mark.parametrize(("kind", "spec", "expected"), CASES)
def test_rule(spec_errors: Callable[[str, str], list[str]], kind: str, spec: str, expected: str) -> None:
    found = spec_errors(kind, spec)
    if expected:
        assert any(expected in line for line in found), found
        assert all(line.startswith("m.yaml:4:") for line in found)
    else:
        assert found == []


@pytest.mark.needs_shared
@pytest.mark.parametrize("kind", ["EnvoyFilter"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
