"""Rules of Telemetry, WasmPlugin, TrafficExtension, ProxyConfig: cases by hand, and all recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CASES = [
    ("Telemetry", "{tracing: [{randomSamplingPercentage: 10}]}", ""),
    ("Telemetry", "{tracing: [{randomSamplingPercentage: 101}]}", "at most 100"),
    ("Telemetry", '{accessLogging: [{filter: {expression: "response.code >= 400"}}]}', ""),
    ("Telemetry", '{accessLogging: [{filter: {expression: "response.code >="}}]}', "ends too early"),
    ("Telemetry", "{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}}}]}]}", "needs a value"),
    ("WasmPlugin", '{url: "oci://registry.example/filter:1"}', ""),
    ("WasmPlugin", '{url: "ftp://registry.example/filter"}', "not the place of a module"),
    ("TrafficExtension", "{}", "one of wasm, lua is required"),
    ("ProxyConfig", "{concurrency: 2}", ""),
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
@pytest.mark.parametrize("kind", ["Telemetry", "WasmPlugin", "TrafficExtension", "ProxyConfig"])
def test_agrees_with_the_real_validators(disagreements: Callable[[str], list[str]], kind: str) -> None:
    assert disagreements(kind) == []
