"""How many requests reach each service at least, by the open-loop traffic of a scenario and the calls it causes.

Which version a request goes to is decided by routes that change during a run, so only what holds for every version
counts: the result is a lower bound at the time all traffic is on.
"""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.api.rules.names import covers
from meshsim.scenario import CallGraph, Inventory, LoadedScenario, Member, ServiceKey, Traffic, Workload
from meshsim.workload.profiles import mean_rate


def offered_load(loaded: LoadedScenario, inventory: Inventory, graph: CallGraph) -> Mapping[ServiceKey, float]:
    """Requests a second that reach each service at least; services without any are left out."""
    load: dict[ServiceKey, float] = {}
    for traffic in loaded.scenario.traffic:
        stop = loaded.scenario.duration if traffic.stop is None else traffic.stop
        rate = mean_rate(traffic, stop - traffic.start)
        if rate is None:
            continue  # who waits for answers is slowed down by a slow service instead of piling up
        target = _target(traffic, loaded, inventory)
        if target is not None:
            load[target] = load.get(target, 0.0) + rate
    for key in graph.order():
        for callee in graph.callees(key):
            calls = min(_calls_of(member, callee, loaded.scenario.workloads) for member in graph.services[key])
            if calls and load.get(key):
                load[callee] = load.get(callee, 0.0) + load[key] * calls
    return load


def _calls_of(member: Member, callee: ServiceKey, workloads: tuple[Workload, ...]) -> float:
    """Mean number of calls that one request to these pods makes to a service."""
    if member.entry is None:
        return 0.0
    errors = workloads[member.entry].serve.errors
    calls = sum(edge.call.probability for edge in member.edges if edge.callee == callee)
    return calls * (1.0 - (errors.rate if errors is not None else 0.0))


def _target(traffic: Traffic, loaded: LoadedScenario, inventory: Inventory) -> ServiceKey | None:
    """The one service that traffic goes to, ``None`` when it goes to several or none that is known."""
    host = traffic.request.hostname
    found: dict[ServiceKey | None, None] = {}
    if traffic.from_ is not None:
        for pod in inventory.pods(traffic.from_.match, traffic.from_.namespace):
            named = inventory.resolve(host, pod.namespace)
            found.setdefault(ServiceKey(*named) if named is not None else None)
    for item in loaded.all_objects():
        if item.kind == "VirtualService" and any(covers(pattern, host) for pattern in item.spec.texts("hosts")):
            for route in item.spec.items("http"):
                for destination in route.items("route"):
                    named = inventory.resolve(destination.fields("destination").text("host"), item.namespace)
                    found.setdefault(ServiceKey(*named) if named is not None else None)
    return next(iter(found)) if len(found) == 1 else None
