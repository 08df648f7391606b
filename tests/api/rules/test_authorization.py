"""Rules of AuthorizationPolicy: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("AuthorizationPolicy", "{rules: [{from: [{source: {namespaces: [shop]}}]}]}", ""),
    ("AuthorizationPolicy", "{action: DENY}", "never applies"),
    ("AuthorizationPolicy", "{action: CUSTOM, rules: [{}]}", "needs provider.name"),
    ("AuthorizationPolicy", "{rules: [{from: [{source: {}}]}]}", "at least one condition"),
    ("AuthorizationPolicy", "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}", "not a CIDR block"),
    ("AuthorizationPolicy", "{rules: [{to: [{operation: {ports: [http]}}]}]}", "not a port number"),
    ("AuthorizationPolicy", '{rules: [{to: [{operation: {paths: ["/a/{**}/b/{*}"]}}]}]}', "must be the last wildcard"),
    (
        "AuthorizationPolicy",
        "{rules: [{when: [{key: source.namespce, values: [a]}]}]}",
        "did you mean 'source.namespace'?",
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
@pytest.mark.parametrize("kind", ["AuthorizationPolicy"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
