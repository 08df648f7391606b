"""Who calls whom: the services of a scenario, the pods behind each, and the calls those make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from meshsim.api import locate_value
from meshsim.errors import InputError
from meshsim.scenario import Call, Inventory, LoadedScenario, Parallel, PodTemplate, Workload


class ServiceKey(NamedTuple):
    """A Kubernetes Service."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}.{self.namespace}"


class Edge(NamedTuple):
    """One call a workload makes for a request."""

    call: Call
    callee: ServiceKey | None
    """``None`` for a host outside of kube (a ServiceEntry's)."""
    path: str
    """Where the call stands in the scenario, such as ``workloads[0].calls[1]``."""


@dataclass(frozen=True, slots=True)
class Member:
    """Pods of one template behind a service, and what they do."""

    template: PodTemplate
    entry: int | None
    """Index in `workloads`; ``None`` for pods that answer at once."""
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class CallGraph:
    """The services by key, in the order of the manifests, each with the pods its selector selects."""

    services: Mapping[ServiceKey, tuple[Member, ...]]

    def order(self) -> list[ServiceKey]:
        """Every service after all that call it."""
        callers_first: list[ServiceKey] = []
        done: set[ServiceKey] = set()

        def visit(key: ServiceKey) -> None:
            if key in done:
                return
            done.add(key)
            for callee in self.callees(key):
                visit(callee)
            callers_first.append(key)

        for key in self.services:
            visit(key)
        return callers_first[::-1]

    def callees(self, key: ServiceKey) -> list[ServiceKey]:
        """The services that any pod behind a service calls, each once."""
        found: dict[ServiceKey, None] = {}
        for member in self.services.get(key, ()):
            for edge in member.edges:
                if edge.callee is not None:
                    found.setdefault(edge.callee)
        return list(found)


def build_call_graph(loaded: LoadedScenario) -> CallGraph:
    """The call graph of everything that exists at some time of a scenario.

    Raises `InputError` when calls go round in a circle (such a request would never end) or lead to a host that neither
    a Service nor a ServiceEntry has; the message names the circle or host and the position is that of the call.
    """
    inventory = Inventory.of(loaded.all_objects())
    workloads = loaded.scenario.workloads
    services: dict[ServiceKey, tuple[Member, ...]] = {}
    for (namespace, name), selector in inventory.services.items():
        templates = inventory.pods(selector, namespace) if selector else []
        members = [_member(template, workloads, inventory, loaded) for template in templates]
        services[ServiceKey(namespace, name)] = tuple(members)
    graph = CallGraph(services)
    _refuse_circles(graph, loaded)
    return graph


def _member(
    template: PodTemplate, workloads: tuple[Workload, ...], inventory: Inventory, loaded: LoadedScenario
) -> Member:
    for index, workload in enumerate(workloads):
        if template.matches(workload.match, workload.namespace):
            edges = tuple(
                Edge(call, _callee(call, path, template.namespace, inventory, loaded), path)
                for path, call in _calls(f"workloads[{index}]", workload)
            )
            return Member(template, index, edges)
    return Member(template, None, ())


def _calls(path: str, workload: Workload) -> Iterator[tuple[str, Call]]:
    for index, step in enumerate(workload.calls):
        if isinstance(step, Parallel):
            for inner, call in enumerate(step.parallel):
                yield f"{path}.calls[{index}].parallel[{inner}]", call
        else:
            yield f"{path}.calls[{index}]", step


def _callee(call: Call, path: str, namespace: str, inventory: Inventory, loaded: LoadedScenario) -> ServiceKey | None:
    found = inventory.resolve(call.host, namespace)
    if found is not None:
        return ServiceKey(*found)
    if inventory.is_known_outside(call.host):
        return None
    message = f"no Service or ServiceEntry has the host '{call.host}' (seen from {namespace})"
    raise InputError(message, locate_value(loaded.origin, path), "", path)


def _refuse_circles(graph: CallGraph, loaded: LoadedScenario) -> None:
    done: set[ServiceKey] = set()

    def walk(key: ServiceKey, way: list[ServiceKey]) -> None:
        if key in done:
            return
        way.append(key)
        for member in graph.services.get(key, ()):
            for edge in member.edges:
                if edge.callee is None:
                    continue
                if edge.callee in way:
                    circle = " -> ".join(str(step) for step in [*way[way.index(edge.callee) :], edge.callee])
                    message = f"these calls go round in a circle and would never end: {circle}"
                    position = locate_value(loaded.origin, edge.path)
                    raise InputError(message, position, "leave one of the calls out", edge.path)
                walk(edge.callee, way)
        way.pop()
        done.add(key)

    for key in graph.services:
        walk(key, [])
