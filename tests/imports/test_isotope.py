"""Topologies become scenarios that load, with the services, calls and rates of the topology."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.imports.imported import write_imported
from meshsim.imports.isotope import Load, import_isotope
from meshsim.scenario import LoadedScenario, load_scenario
from meshsim.units import SECOND

File = Callable[[str, str], Path]
LOAD = Load(50.0, 30 * SECOND)


def imported(path: Path, folder: Path) -> LoadedScenario:
    """The scenario of a topology, written and read again."""
    written = write_imported(import_isotope(path, LOAD), folder, overwrite=False)
    return load_scenario(written[0])


SCRIPTED = """\
defaults: {requestSize: 1 KB, numRbacPolicies: 2}
services:
- name: front
  isEntrypoint: true
  numReplicas: 2
  errorRate: 0.5%
  script:
  - sleep: 10ms
  - - call: left
    - call: {service: right, probability: 30}
  - - sleep: 4ms
    - sleep: 7ms
  - call: {service: left, size: 3K}
- name: left
  type: grpc
  responseSize: 16 KB
- name: right
  namespace: other
"""


def test_scripts_are_calls_in_order_and_own_time(file: File, tmp_path: Path) -> None:
    loaded = imported(file("it.yaml", SCRIPTED), tmp_path / "out")
    front, left, right = loaded.scenario.workloads
    assert [[call.to for call in group] for group in front.call_groups] == [
        ["left:8080", "right.other:8080"],
        ["left:8080"],
    ]
    assert front.call_groups[0][1].probability == pytest.approx(0.3)
    assert front.call_groups[0][0].method == "POST"
    assert str(front.serve.time) == "17ms"
    assert [(item.rate, item.status) for item in front.serve.errors] == [(pytest.approx(0.005), 500)]
    assert [[call.size for call in group] for group in front.call_groups] == [[1024, 1024], [3072]]
    assert (front.serve.size, left.serve.size) == (0, 16384)
    assert not any(call.optional for group in front.call_groups for call in group)
    assert (left.calls, right.namespace) == ((), "other")


def test_clients_call_the_entrypoints(file: File, tmp_path: Path) -> None:
    (traffic,) = imported(file("it.yaml", SCRIPTED), tmp_path / "out").scenario.traffic
    assert (traffic.rate, traffic.request.host) == (50.0, "front.service-graph:8080")


def test_without_an_entrypoint_those_that_nobody_calls(file: File, tmp_path: Path) -> None:
    path = file("it.yaml", SCRIPTED.replace("  isEntrypoint: true\n", ""))
    assert [t.request.hostname for t in imported(path, tmp_path / "out").scenario.traffic] == ["front.service-graph"]
    (finding,) = import_isotope(path, LOAD).findings
    assert "no service has isEntrypoint" in finding.message


def test_policies_let_everybody_in_after_some_that_match_nobody(file: File, tmp_path: Path) -> None:
    loaded = imported(file("it.yaml", SCRIPTED), tmp_path / "out")
    policies = [item for item in loaded.objects if item.kind == "AuthorizationPolicy"]
    assert [item.name for item in policies if item.name.startswith("left-")] == [
        "left-rbac-1",
        "left-rbac-2",
        "left-all",
    ]
    assert len(policies) == 9


def test_a_sleep_beside_calls_is_warned_of(file: File) -> None:
    text = "services: [{name: a, isEntrypoint: true, script: [[sleep: 5ms, call: b]]}, {name: b}]\n"
    (finding,) = import_isotope(file("it.yaml", text), LOAD).findings
    assert finding.message.startswith("a sleep beside calls is added to their time")


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "services", "calls"),
    [
        ("1-service", 1, 0),
        ("canonical", 4, 5),
        ("chain-2-services-different-namespace", 2, 1),
        ("chain-2-services-different-cluster", 2, 1),
        ("10-svc_1000-end", 10, 9),
        ("tree-13-services", 13, 12),
        ("tree-111-services", 111, 110),
    ],
)
def test_topologies_of_istio_load(name: str, services: int, calls: int, tmp_path: Path, shared: Path) -> None:
    path = shared / "data" / "isotope-topologies" / f"{name}.yaml"
    loaded = imported(path, tmp_path)
    assert len(loaded.scenario.workloads) == services
    assert sum(len(group) for item in loaded.scenario.workloads for group in item.call_groups) == calls
