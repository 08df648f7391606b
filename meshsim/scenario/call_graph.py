"""Who calls whom: the services of a scenario, the pods behind each, and the calls those make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meshsim.scenario.inventory import Inventory, PodTemplate
from meshsim.scenario.load import Call, Parallel, Workload
from meshsim.scenario.load import Sequence as Sequential
from meshsim.scenario.matching import WorkloadIndex


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
    operation: int
    """Operation that makes it, -1 for all other requests."""


class CallEdge(NamedTuple):
    """One call a pod makes for a request."""

    call: Call
    callee: ServiceKey | None
    """``None`` for a host outside of kube (a ServiceEntry's)."""
    path: str
    operation: int = -1
    """Operation of the caller's workload, -1 for what it does for all other requests."""


@dataclass(frozen=True, slots=True)
class Member:
    """Pods of one template behind a service, and what they do."""

    template: PodTemplate
    entry: int | None
    """Index in `workloads`; ``None`` for pods that answer at once."""
    edges: tuple[CallEdge, ...]
    workload: Workload | None = None


class Asked(NamedTuple):
    """A service asked for something: what the pods behind it do depends on the request."""

    service: ServiceKey
    operations: tuple[int, ...]
    """Operation of each member that takes the request, -1 for what it does for all others."""


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

    def asked(self, service: ServiceKey, method: str = "GET", path: str = "") -> Asked:
        """What a request to a service asks of the pods behind it; without a path, what none of the operations takes."""
        members = self.services.get(service, ())
        found = (m.workload.operation_of(method, path) if m.workload is not None and path else -1 for m in members)
        return Asked(service, tuple(found))

    def order(self) -> list[Asked]:
        """Everything that is asked, after all that asks for it; the graph must have no circles."""
        return self._walk()[0][::-1]

    def callees(self, asked: Asked) -> list[Asked]:
        """What any pod behind a service asks for then, each once."""
        return list(dict.fromkeys(callee for _, callee in self._calls(asked)))

    def calls(self, asked: Asked, member: int) -> Iterator[tuple[CallEdge, Asked]]:
        """The calls of one member, and what they ask for."""
        for edge in self.services[asked.service][member].edges:
            if edge.operation == asked.operations[member] and edge.callee is not None:
                yield edge, self.asked(edge.callee, edge.call.method, edge.call.path)

    def circles(self) -> list[Circle]:
        """Every circle that a walk along the calls meets, one for each call that closes one."""
        return self._walk()[1]

    def _walk(self) -> tuple[list[Asked], list[Circle]]:
        """Depth first along the calls: services after all they call, and the circles; chains may be long."""
        left: dict[Asked, None] = {}
        circles: dict[str, Circle] = {}
        for first in self._everything():
            way = {first: self._calls(first)} if first not in left else {}
            while way:
                asked, calls = next(reversed(way.items()))
                edge, callee = next(((edge, callee) for edge, callee in calls if callee not in left), (None, None))
                if edge is None or callee is None:
                    left[asked] = None
                    del way[asked]
                elif callee in way:
                    around = list(way)
                    services = tuple(item.service for item in (*around[around.index(callee) :], callee))
                    circles.setdefault(edge.path, Circle(services, edge.path))
                else:
                    way[callee] = self._calls(callee)
        return list(left), list(circles.values())

    def _everything(self) -> list[Asked]:
        """What every service does for requests that no operation takes, and all that calls ask for."""
        found = dict.fromkeys(self.asked(service) for service in self.services)
        for members in self.services.values():
            for member in members:
                for edge in member.edges:
                    if edge.callee is not None:
                        found.setdefault(self.asked(edge.callee, edge.call.method, edge.call.path))
        return list(found)

    def _calls(self, asked: Asked) -> Iterator[tuple[CallEdge, Asked]]:
        for member in range(len(self.services.get(asked.service, ()))):
            yield from self.calls(asked, member)


def references(index: int, workload: Workload) -> Iterator[Reference]:
    """The calls of an entry of `workloads`, by operation, those of parallel steps and sequences too."""
    for operation in range(-1, len(workload.operations)):
        work = workload.work(operation)
        for path, call in _calls_in(f"workloads[{index}].{work.where}", work.calls):
            yield Reference(path, call, operation)


def _calls_in(path: str, steps: Sequence[Call | Parallel | Sequential]) -> Iterator[tuple[str, Call]]:
    for number, step in enumerate(steps):
        here = f"{path}[{number}]"
        if isinstance(step, Parallel):
            yield from _calls_in(f"{here}.parallel", step.parallel)
        elif isinstance(step, Sequential):
            yield from _calls_in(f"{here}.sequence", step.sequence)
        else:
            yield here, step


def build_call_graph(inventory: Inventory, workloads: Sequence[Workload]) -> CallGraph:
    """The call graph of everything that exists at some time of a scenario."""
    services: dict[ServiceKey, tuple[Member, ...]] = {}
    entries = WorkloadIndex(workloads)
    for (namespace, name), selector in inventory.services.items():
        templates = inventory.pods(selector, namespace) if selector else []
        members = [_member(template, entries, workloads, inventory) for template in templates]
        services[ServiceKey(namespace, name)] = tuple(members)
    return CallGraph(services)


def _member(
    template: PodTemplate, entries: WorkloadIndex, workloads: Sequence[Workload], inventory: Inventory
) -> Member:
    """What pods do: the first entry that matches them counts."""
    index = entries.find(template.labels, template.namespace)
    if index is None:
        return Member(template, None, ())
    edges = tuple(
        CallEdge(call, _callee(call, template.namespace, inventory), path, operation)
        for path, call, operation in references(index, workloads[index])
    )
    return Member(template, index, edges, workloads[index])


def _callee(call: Call, namespace: str, inventory: Inventory) -> ServiceKey | None:
    found = inventory.resolve(call.host, namespace)
    return ServiceKey(*found) if found is not None else None
