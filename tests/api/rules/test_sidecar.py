"""Rules of Sidecar: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("Sidecar", '{egress: [{hosts: ["./*"]}]}', ""),
    ("Sidecar", "{}", "needs one of ingress"),
    ("Sidecar", "{egress: [{hosts: [reviews]}]}", "namespace/host"),
    ("Sidecar", '{egress: [{hosts: ["./*"]}, {hosts: ["a/*"]}]}', "must be the last"),
    (
        "Sidecar",
        ('{ingress: [{port: {number: 80, name: http, protocol: HTTP}, defaultEndpoint: "10.0.0.1:8080"}]}'),
        "is not 127.0.0.1:port",
    ),
    (
        "Sidecar",
        ("{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.example, port: {number: 80}}}}"),
        "ALLOW_ANY only",
    ),
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
@pytest.mark.parametrize("kind", ["Sidecar"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
