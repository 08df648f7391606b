"""Rules of DestinationRule: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("DestinationRule", "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}", ""),
    ("DestinationRule", "{host: reviews, subsets: [{name: v1}, {name: v1}]}", "two subsets 'v1'"),
    ("DestinationRule", "{host: reviews, trafficPolicy: {}}", "at least one field"),
    (
        "DestinationRule",
        "{host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}",
        "must not be negative",
    ),
    (
        "DestinationRule",
        "{host: reviews, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
        "from 0 to 100",
    ),
    ("DestinationRule", "{host: reviews, trafficPolicy: {tls: {mode: MUTUAL}}}", "mode MUTUAL needs"),
    (
        "DestinationRule",
        (
            "{host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
            "maglev: {tableSize: 65536}}}}}"
        ),
        "prime size",
    ),
    (
        "DestinationRule",
        (
            "{host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
            "maglev: {tableSize: 65537}}}}}"
        ),
        "",
    ),
    (
        "DestinationRule",
        "{host: reviews, trafficPolicy: {portLevelSettings: [{tls: {mode: SIMPLE}}]}}",
        "needs the port",
    ),
    ("DestinationRule", "{host: bad_host}", "not a host name"),
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
@pytest.mark.parametrize("kind", ["DestinationRule"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
