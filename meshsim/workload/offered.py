"""How many requests reach each service at least, by the open-loop traffic of a scenario and the calls it causes.

Which version a request goes to is decided by routes that change during a run, so only what holds for every version
counts: the result is a lower bound at the time all traffic is on.
"""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.api.rules.names import covers
from meshsim.scenario import Asked, CallGraph, Inventory, LoadedScenario, ServiceKey, Traffic, error_rate
from meshsim.workload.profiles import mean_rate


def offered_load(loaded: LoadedScenario, inventory: Inventory, graph: CallGraph) -> Mapping[Asked, float]:
    """Requests a second that ask each service for each of its operations at least; those without any are left out."""
    load: dict[Asked, float] = {}
    for traffic in loaded.scenario.traffic:
        stop = loaded.scenario.duration if traffic.stop is None else traffic.stop
        rate = mean_rate(traffic, stop - traffic.start)
        if rate is None:
            continue  # who waits for answers is slowed down by a slow service instead of piling up
        target = _target(traffic, loaded, inventory)
        if target is not None:
            asked = graph.asked(target, traffic.request.method, traffic.request.path)
            load[asked] = load.get(asked, 0.0) + rate
    for asked in graph.order():
        members = range(len(graph.services.get(asked.service, ())))
        for callee in graph.callees(asked):
            calls = min(_calls_of(graph, asked, member, callee) for member in members)
            if calls and load.get(asked):
                load[callee] = load.get(callee, 0.0) + load[asked] * calls
    return load


def _calls_of(graph: CallGraph, asked: Asked, member: int, callee: Asked) -> float:
    """Mean number of calls by which one such request to pods of a template asks for something."""
    workload = graph.services[asked.service][member].workload
    if workload is None:
        return 0.0
    calls = sum(edge.call.probability * edge.call.times for edge, to in graph.calls(asked, member) if to == callee)
    return calls * (1.0 - error_rate(workload.work(asked.operations[member]).errors))


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
