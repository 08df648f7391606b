"""Rules of Gateway: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("Gateway", '{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}', ""),
    ("Gateway", "{servers: []}", "at least one server"),
    ("Gateway", '{servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"]}]}', "needs tls settings"),
    (
        "Gateway",
        ('{servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE}}]}'),
        "needs a private key",
    ),
    (
        "Gateway",
        (
            '{servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], '
            "tls: {mode: SIMPLE, credentialName: shop-cert}}]}"
        ),
        "",
    ),
    ("Gateway", "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop]}]}", "is a short name"),
    ("Gateway", '{servers: [{port: {number: 0, name: http, protocol: HTTP}, hosts: ["*"]}]}', "from 1 to 65535"),
    ("Gateway", '{servers: [{port: {number: 80, name: http, protocol: SPDY}, hosts: ["*"]}]}', "not a protocol"),
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
@pytest.mark.parametrize("kind", ["Gateway"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
