"""Rules of ServiceEntry, WorkloadEntry, WorkloadGroup: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    (
        "ServiceEntry",
        ("{hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}"),
        "",
    ),
    ("ServiceEntry", '{hosts: ["*"]}', "not allowed"),
    (
        "ServiceEntry",
        "{hosts: [a.example], ports: [{number: 80, name: a}, {number: 80, name: b}]}",
        "two ports with the number 80",
    ),
    (
        "ServiceEntry",
        "{hosts: [a.example], addresses: [10.0.0.0/8], resolution: DNS}",
        "CIDR block is for resolution NONE or STATIC",
    ),
    (
        "ServiceEntry",
        (
            "{hosts: [a.example], ports: [{number: 80, name: http}], resolution: STATIC, "
            "endpoints: [{address: 10.0.0.1, ports: {htpp: 8080}}]}"
        ),
        "no port 'htpp'",
    ),
    ("ServiceEntry", "{hosts: [a.example], resolution: NONE, endpoints: [{address: 10.0.0.1}]}", "takes no endpoints"),
    ("WorkloadEntry", "{address: 10.0.0.1}", ""),
    ("WorkloadEntry", '{address: "unix://relative"}', "not an absolute path"),
    ("WorkloadGroup", "{template: {}, probe: {}}", "needs one of httpGet"),
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
@pytest.mark.parametrize("kind", ["ServiceEntry", "WorkloadEntry", "WorkloadGroup"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
