"""Who calls whom: the services of a scenario, the pods behind each, and the calls those make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meshsim.scenario.inventory import Inventory, PodTemplate
from meshsim.scenario.load import Call, Parallel, Workload


class ServiceKey(NamedTuple):
    """A Kubernetes Service."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}.{self.namespace}"


class Reference(NamedTuple):
    """A call of a workload: where it stands in the scenario, such as ``workloads[0].calls[1]``, and whom it asks."""

    path: str
    call: Call


class CallEdge(NamedTuple):
    """One call a pod makes for a request."""

    call: Call
    callee: ServiceKey | None
    """``None`` for a host outside of kube (a ServiceEntry's)."""
    path: str


@dataclass(frozen=True, slots=True)
class Member:
    """Pods of one template behind a service, and what they do."""

    template: PodTemplate
    entry: int | None
    """Index in `workloads`; ``None`` for pods that answer at once."""
    edges: tuple[CallEdge, ...]


class Circle(NamedTuple):
    """Calls that come back to where they started: such a request would never end."""

    way: tuple[ServiceKey, ...]
    """Services in the order of the calls; the first is also the last."""
    path: str
    """The call that closes it."""

    def __str__(self) -> str:
        apart = len({key.namespace for key in self.way}) > 1
        return " -> ".join(str(key) if apart else key.name for key in self.way)


@dataclass(frozen=True, slots=True)
class CallGraph:
    """The services by key, in the order of the manifests, each with the pods its selector selects."""

    services: Mapping[ServiceKey, tuple[Member, ...]]

    def order(self) -> list[ServiceKey]:
        """Every service after all that call it; the graph must have no circles."""
        return self._walk()[0][::-1]

    def callees(self, key: ServiceKey) -> list[ServiceKey]:
        """The services that any pod behind a service calls, each once."""
        return list(dict.fromkeys(edge.callee for edge in self._edges(key) if edge.callee is not None))

    def circles(self) -> list[Circle]:
        """Every circle that a walk along the calls meets, one for each call that closes one."""
        return self._walk()[1]

    def _walk(self) -> tuple[list[ServiceKey], list[Circle]]:
        """Depth first along the calls: services after all they call, and the circles; chains may be long."""
        left: dict[ServiceKey, None] = {}
        circles: dict[str, Circle] = {}
        for first in self.services:
            way = {first: self._edges(first)} if first not in left else {}
            while way:
                key, edges = next(reversed(way.items()))
                edge = next((edge for edge in edges if edge.callee not in left), None)
                if edge is None:
                    left[key] = None
                    del way[key]
                elif edge.callee in way:
                    names = list(way)
                    circle = (*names[names.index(edge.callee) :], edge.callee)
                    circles.setdefault(edge.path, Circle(circle, edge.path))
                elif edge.callee is not None:
                    way[edge.callee] = self._edges(edge.callee)
        return list(left), list(circles.values())

    def _edges(self, key: ServiceKey) -> Iterator[CallEdge]:
        for member in self.services.get(key, ()):
            yield from member.edges


def references(index: int, workload: Workload) -> Iterator[Reference]:
    """The calls of an entry of `workloads`, those of parallel steps too."""
    for step_number, step in enumerate(workload.calls):
        path = f"workloads[{index}].calls[{step_number}]"
        if isinstance(step, Parallel):
            for number, call in enumerate(step.parallel):
                yield Reference(f"{path}.parallel[{number}]", call)
        else:
            yield Reference(path, step)


def build_call_graph(inventory: Inventory, workloads: Sequence[Workload]) -> CallGraph:
    """The call graph of everything that exists at some time of a scenario."""
    services: dict[ServiceKey, tuple[Member, ...]] = {}
    for (namespace, name), selector in inventory.services.items():
        templates = inventory.pods(selector, namespace) if selector else []
        members = [_member(template, workloads, inventory) for template in templates]
        services[ServiceKey(namespace, name)] = tuple(members)
    return CallGraph(services)


def _member(template: PodTemplate, workloads: Sequence[Workload], inventory: Inventory) -> Member:
    """What pods do: the first entry that matches them counts."""
    for index, workload in enumerate(workloads):
        if template.matches(workload.match, workload.namespace):
            edges = tuple(
                CallEdge(call, _callee(call, template.namespace, inventory), path)
                for path, call in references(index, workload)
            )
            return Member(template, index, edges)
    return Member(template, None, ())


def _callee(call: Call, namespace: str, inventory: Inventory) -> ServiceKey | None:
    found = inventory.resolve(call.host, namespace)
    return ServiceKey(*found) if found is not None else None
