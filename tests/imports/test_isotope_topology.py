"""The format of istio/tools isotope, by its own documentation and sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.isotope_topology import CallCommand, Protocol, SleepCommand, read_topology

File = Callable[[str, str], Path]

# The full example of isotope/README.md at istio/tools 0f5d640b.
FULL = """\
apiVersion: v1alpha1
kind: MockServiceGraph
defaults:
  type: grpc
  requestSize: 1 KB
  responseSize: 16 KB
services:
- name: a
  errorRate: 0.01%
  script:
  - sleep: 100ms
- name: b
  type: grpc
- name: c
  script:
  - call:
      service: a
      size: 10K
  - call: b
- name: d
  script:
  - - call: a
    - call: c
  - sleep: 10ms
  - call: b
"""


def test_the_example_of_its_readme(file: File) -> None:
    services = read_topology(file("full.yaml", FULL)).services
    assert list(services) == ["a", "b", "c", "d"]
    assert services["a"].error_rate == pytest.approx(0.0001)
    assert services["a"].script == ((SleepCommand(100_000_000, "services[0].script[0]"),),)
    assert {item.response_size for item in services.values()} == {16 * 1024}
    assert {item.protocol for item in services.values()} == {Protocol.GRPC}
    assert [[(c.service, c.size) for c in step if isinstance(c, CallCommand)] for step in services["c"].script] == [
        [("a", 10 * 1024)],
        [("b", 1024)],
    ]
    assert [len(step) for step in services["d"].script] == [2, 1, 1]


def test_defaults_are_those_of_isotope(file: File) -> None:
    (service,) = read_topology(file("one.yaml", "services: [{name: a}]\n")).services.values()
    assert (service.replicas, service.protocol, service.error_rate, service.script) == (1, Protocol.HTTP, 0.0, ())
    assert (service.namespace, service.entrypoint, service.rbac_policies, service.response_size) == (
        "service-graph",
        False,
        0,
        0,
    )


def test_a_script_may_be_a_default(file: File) -> None:
    text = "defaults: {numReplicas: 3, script: [{sleep: 5ms}]}\nservices: [{name: a}, {name: b, script: []}]\n"
    services = read_topology(file("it.yaml", text)).services
    assert [item.replicas for item in services.values()] == [3, 3]
    assert [len(item.script) for item in services.values()] == [1, 0]


@pytest.mark.parametrize(("written", "chance"), [("0", 1.0), ("30", 0.3), ("100", 1.0)])
def test_no_probability_means_always(file: File, written: str, chance: float) -> None:
    text = f"services: [{{name: a, script: [{{call: {{service: b, probability: {written}}}}}]}}, {{name: b}}]\n"
    ((command,),) = read_topology(file("it.yaml", text)).services["a"].script
    assert isinstance(command, CallCommand)
    assert command.probability == chance


@pytest.mark.parametrize(
    ("size", "count"), [("128", 128), ("1 KB", 1024), ("16kib", 16384), ("10k", 10240), ("2MB", 2 << 20), ("80B", 80)]
)
def test_sizes_are_read_as_docker_reads_them(file: File, size: str, count: int) -> None:
    (service,) = read_topology(file("it.yaml", f"services: [{{name: a, responseSize: {size}}}]\n")).services.values()
    assert service.response_size == count


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: []\n", "1:11: error: expected a list of services"),
        ("services:\n- {name: A}\n", "2:10: error: a service needs a 'name'"),
        ("services:\n- {name: a}\n- {name: a}\n", "3:10: error: the service 'a' is there already"),
        ("services:\n- {name: abc, script: [call: abd]}\n", "there is no service 'abd' to call (did you mean 'abc'?)"),
        ("services:\n- {name: a, script: [call: a]}\n", "circle and would never end: a -> a"),
        ("services:\n- {name: a, script: [[[call: a]]]}\n", "2:23: error: concurrent commands cannot be nested"),
        ("services:\n- {name: a, script: [walk: a]}\n", "unknown command 'walk' (there are 'call' and 'sleep')"),
        ("services:\n- {name: a, script: [sleep: 3]}\n", "2:29: error: expected a duration such as 10ms, got 3"),
        ("services:\n- {name: a, errorRate: 2}\n", "2:24: error: expected a share such as 0.1% or 0.001, got 2"),
        ("services:\n- {name: a, type: tcp}\n", "expected http or grpc, got 'tcp'"),
        ("defaults: {numReplicas: -1}\nservices: [{name: a}]\n", "1:25: error: expected a whole number, got -1"),
        ("defaults: 3\nservices: [{name: a}]\n", "expected a mapping of default values"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(file: File, text: str, said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        read_topology(file("it.yaml", text))
    assert said in str(caught.value)


def test_circles_over_several_services(file: File) -> None:
    text = "services:\n- {name: a, script: [call: b]}\n- {name: b, script: [call: c]}\n- {name: c, script: [call: b]}\n"
    with pytest.raises(InputErrors, match="b -> c -> b") as caught:
        read_topology(file("it.yaml", text))
    assert len(caught.value.errors) == 1


def test_unknown_keys_are_warned_of(file: File) -> None:
    found = read_topology(file("it.yaml", "services: [{name: a, numReplica: 3}]\n")).complaints.findings
    assert [(finding.message, finding.hint) for finding in found] == [
        ("unknown key 'numReplica', it is left out", "did you mean 'numReplicas'?")
    ]
