"""An isotope topology to a scenario: what istio/tools deploys on a cluster, and what its services do there.

Objects as `isotope/convert/pkg/kubernetes` makes them: namespace `service-graph` with sidecars, a Deployment and a
Service on port 8080 each, and fortio as `client` without a sidecar. Behaviour as `isotope/service/pkg/srv`: a request
fails with 500 at the error rate before its script begins; a step ends with the last of its commands; an answer other
than 200 to a call ends the script with 500.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshsim.imports.imported import MANIFESTS, SCENARIO, Imported, dns_label
from meshsim.imports.isotope_topology import (
    NAMESPACE,
    CallCommand,
    MockService,
    Protocol,
    SleepCommand,
    Step,
    Topology,
    calls_of,
    read_topology,
)
from meshsim.imports.manifests import Manifest, deployment, namespace, service, text_of
from meshsim.imports.yaml_text import Noted, Value, dump
from meshsim.units import Nanos, format_duration, format_percent, format_rate, format_size

PORT: Final = 8080
_CLIENT: Final = "client"
_IMAGE: Final = "istio.gcr.io/performance-test"
_GRPC: Final = {"method": "POST", "path": "/fgrpc.PingServer/Ping"}
"""What fortio asks of gRPC servers."""


@dataclass(frozen=True, slots=True)
class Load:
    """What clients send to each entrypoint; topologies do not say it."""

    rate: float
    """Requests a second."""
    duration: Nanos


def import_isotope(path: Path, load: Load) -> Imported:
    """The scenario of a topology file; raises `InputErrors`."""
    topology = read_topology(path)
    name = dns_label(path.name.partition(".")[0])
    entries = _entrypoints(topology)
    count = len(topology.services)
    document: dict[str, Value] = {
        "apiVersion": "meshsim/v1alpha1",
        "kind": "Scenario",
        "name": name,
        "description": f"The {count} services of the isotope topology {path.name}.",
        "duration": Noted(format_duration(load.duration), "not in the topology: --duration"),
        "resources": [MANIFESTS],
        "workloads": [_workload(item, topology) for item in topology.services.values()],
        "traffic": [_traffic(item, load) for item in entries],
    }
    files = {
        SCENARIO: dump(document),
        MANIFESTS: text_of(_manifests(topology), f"Services of the isotope topology {path.name}."),
    }
    return Imported(name, files, topology.complaints.done())


def _entrypoints(topology: Topology) -> list[MockService]:
    """The services that clients call; where none is marked, those that no service calls."""
    marked = [item for item in topology.services.values() if item.entrypoint]
    if marked:
        return marked
    called = {command.service for item in topology.services.values() for command in calls_of(item)}
    uncalled = [item for item in topology.services.values() if item.name not in called]
    names = ", ".join(item.name for item in uncalled)
    topology.complaints.warn(
        "services", f"no service has isEntrypoint: clients call those that no other calls: {names}"
    )
    return uncalled


def _traffic(entry: MockService, load: Load) -> Value:
    request: dict[str, Value] = {"host": f"{entry.name}.{entry.namespace}:{PORT}"}
    if entry.protocol is Protocol.GRPC:
        request |= _GRPC
    return {
        "name": f"{_CLIENT}-{entry.name}"[:63],
        "from": {"match": {"app": _CLIENT}},
        "request": request,
        "rate": Noted(format_rate(load.rate), "not in the topology: --rate"),
    }


def _workload(item: MockService, topology: Topology) -> Value:
    made: dict[str, Value] = {"match": {"name": item.name}}
    if item.namespace != NAMESPACE:
        made["namespace"] = item.namespace
    serve: dict[str, Value] = {}
    slept = sum(_slept(step, topology) for step in item.script)
    if slept:
        serve["time"] = Noted(format_duration(slept), "its sleeps, which come before its calls here")
    if item.error_rate:
        serve["errors"] = {"rate": format_percent(item.error_rate, 10), "status": 500}
    if item.response_size:
        serve["size"] = format_size(item.response_size)
    if serve:
        made["serve"] = serve
    calls = [call for step in item.script for call in _calls(step, item, topology)]
    if calls:
        made["calls"] = calls
    return made


def _slept(step: Step, topology: Topology) -> Nanos:
    """How long the sleeps of a step last.

    DEVIATION: a sleep beside calls of the same step is added to them; in isotope the step lasts as long as the longer
    of both.
    """
    sleeps = [command for command in step if isinstance(command, SleepCommand)]
    if sleeps and len(sleeps) < len(step):
        message = "a sleep beside calls is added to their time, in isotope both run at the same time"
        topology.complaints.warn(sleeps[0].path, message)
    return max((command.span for command in sleeps), default=0)


def _calls(step: Step, caller: MockService, topology: Topology) -> Sequence[Value]:
    calls = [_call(command, caller, topology) for command in step if isinstance(command, CallCommand)]
    return [{"parallel": calls}] if len(calls) > 1 else calls


def _call(command: CallCommand, caller: MockService, topology: Topology) -> Value:
    callee = topology.services[command.service]
    host = callee.name if callee.namespace == caller.namespace else f"{callee.name}.{callee.namespace}"
    to = f"{host}:{PORT}"
    more: dict[str, Value] = {}
    if callee.protocol is Protocol.GRPC:
        more |= _GRPC
    if command.size:
        more["size"] = format_size(command.size)
    if command.probability < 1:
        more["probability"] = format_percent(command.probability)
    return {"to": to, **more} if more else to


def _manifests(topology: Topology) -> list[Manifest]:
    services = list(topology.services.values())
    clusters = sorted({item.cluster for item in services if item.cluster})
    if len(clusters) > 1:
        topology.complaints.warn("services", f"the clusters {', '.join(clusters)} are put into one")
    made: list[Manifest] = [namespace(name) for name in dict.fromkeys(item.namespace for item in services)]
    for item in services:
        labels = {"name": item.name}
        port_name = "http-web" if item.protocol is Protocol.HTTP else "grpc-web"
        made.append(deployment(item.name, item.namespace, labels, image=_IMAGE, port=PORT, replicas=item.replicas))
        made.append(service(item.name, item.namespace, labels, PORT, port_name))
        made.extend(_policies(item))
    made.append(deployment(_CLIENT, "default", {"app": _CLIENT}, image="fortio/fortio", port=PORT))
    return made


def _policies(item: MockService) -> list[Manifest]:
    """So many policies that allow nobody who exists, and one that allows all (`kubernetes/rbac.go`); the ServiceRoles
    that isotope writes are gone from Istio, AuthorizationPolicies say the same."""
    if not item.rbac_policies:
        return []
    nobody = [f"rbac-{number}" for number in range(1, item.rbac_policies + 1)]
    rules: list[tuple[str, Mapping[str, Value]]] = [
        (name, {"from": [{"source": {"principals": [f"cluster.local/ns/{item.namespace}/sa/{name}"]}}]})
        for name in nobody
    ]
    return [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": f"{item.name}-{name}", "namespace": item.namespace},
            "spec": {"selector": {"matchLabels": {"name": item.name}}, "action": "ALLOW", "rules": [rule]},
        }
        for name, rule in (*rules, ("all", {}))
    ]
