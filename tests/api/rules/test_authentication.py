"""Rules of PeerAuthentication, RequestAuthentication: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("PeerAuthentication", "{mtls: {mode: STRICT}}", ""),
    ("PeerAuthentication", "{portLevelMtls: {8080: {mode: STRICT}}}", "needs a selector"),
    ("PeerAuthentication", "{selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: STRICT}}}", ""),
    (
        "PeerAuthentication",
        "{selector: {matchLabels: {app: a}}, portLevelMtls: {http: {mode: STRICT}}}",
        "port number from 1 to 65535",
    ),
    ("RequestAuthentication", '{jwtRules: [{issuer: me, jwksUri: "https://a.example/keys"}]}', ""),
    ("RequestAuthentication", "{jwtRules: [{}]}", "needs issuer or jwksUri"),
    ("RequestAuthentication", '{jwtRules: [{issuer: me, jwksUri: "ftp://a.example"}]}', "not a URL"),
    ("RequestAuthentication", '{jwtRules: [{issuer: me, jwks: "{}"}]}', "no known type"),
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
@pytest.mark.parametrize("kind", ["PeerAuthentication", "RequestAuthentication"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
