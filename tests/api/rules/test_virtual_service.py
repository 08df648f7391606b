"""Rules of VirtualService: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("VirtualService", "{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}", ""),
    (
        "VirtualService",
        '{hosts: ["*"], http: [{route: [{destination: {host: reviews}}]}]}',
        "for gateways, not for the mesh",
    ),
    (
        "VirtualService",
        ('{hosts: ["*"], gateways: [edge/public], http: [{route: [{destination: {host: reviews}}]}]}'),
        "",
    ),
    (
        "VirtualService",
        ('{hosts: ["*.shop.example", a.shop.example], http: [{route: [{destination: {host: reviews}}]}]}'),
        "overlap",
    ),
    (
        "VirtualService",
        "{hosts: [reviews], gateways: [a/b/c], http: [{route: [{destination: {host: reviews}}]}]}",
        "not the name of a gateway",
    ),
    ("VirtualService", "{hosts: [reviews]}", "one of http, tls and tcp"),
    (
        "VirtualService",
        (
            "{hosts: [reviews], http: [{route: [{destination: {host: a}, weight: 0}, "
            "{destination: {host: b}, weight: 0}]}]}"
        ),
        "add up to 0",
    ),
    (
        "VirtualService",
        "{hosts: [reviews], http: [{route: [{destination: {host: a}, weight: -1}]}]}",
        "must not be negative",
    ),
    (
        "VirtualService",
        (
            '{hosts: ["*.shop.example"], tls: [{match: [{sniHosts: [other.example]}], '
            "route: [{destination: {host: a}}]}]}"
        ),
        "covers the SNI host",
    ),
    (
        "VirtualService",
        ("{hosts: [db], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], route: [{destination: {host: a}}]}]}"),
        "not a CIDR block",
    ),
    ("VirtualService", "{gateways: [edge], http: [{route: [{destination: {host: a}}]}]}", "is a delegate"),
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
@pytest.mark.parametrize("kind", ["VirtualService"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
