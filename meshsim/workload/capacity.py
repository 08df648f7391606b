"""Whether the pods behind a service can carry what clients ask of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from meshsim.api import ApiObject
from meshsim.errors import Finding, Severity
from meshsim.scenario import Inventory, LoadedScenario, Member, PodTemplate, build_call_graph
from meshsim.units import SECOND, Distribution, Family, format_rate
from meshsim.workload.offered import offered_load

_HINT: Final = "give it more replicas or concurrency, or send less"


def mean_time(time: Distribution) -> float:
    """The mean of a time distribution in nanoseconds; infinite for a Pareto tail of index 1 or less."""
    if time.family is Family.LOGNORMAL:
        return time.first * math.exp(math.log(time.factor) ** 2 / 2)
    if time.family is Family.PARETO:
        return time.first * time.factor / (time.factor - 1) if time.factor > 1 else math.inf
    if time.family is Family.UNIFORM:
        return (time.first + time.second) / 2
    if time.family is Family.EMPIRICAL:
        steps = pairwise(time.quantiles)
        return sum((after.share - before.share) * (before.value + after.value) / 2 for before, after in steps)
    return float(time.first)


def check_capacity(loaded: LoadedScenario) -> list[Finding]:
    """A warning for each service that is asked for more than all its pods together can do.

    Such a service answers later and later, and what is measured then is the length of the run. Only what is certain is
    said: the load is a lower bound, the capacity (own service time, waiting for calls left out) an upper bound.
    """
    inventory = Inventory.of(loaded.all_objects())
    graph = build_call_graph(inventory, loaded.scenario.workloads)
    load = offered_load(loaded, inventory, graph)
    findings: list[Finding] = []
    for key, rate in load.items():
        capacity = sum(_capacity(member, loaded) for member in graph.services[key])
        if graph.services[key] and rate > capacity:
            able = format_rate(round(capacity, 1))
            message = f"{key} is asked for {format_rate(rate)}, its pods together can do {able}"
            entries = [member.entry for member in graph.services[key] if member.entry is not None]
            position = loaded.position(f"workloads[{entries[0]}].serve")
            findings.append(Finding("MSH0201", Severity.WARNING, message, position, _HINT, f"Service {key}"))
    return findings


def _capacity(member: Member, loaded: LoadedScenario) -> float:
    """Requests a second that the pods of a template can do at most."""
    if member.entry is None:
        return math.inf
    serve = loaded.scenario.workloads[member.entry].serve
    if serve.time is None or serve.concurrency is None or mean_time(serve.time) == 0:
        return math.inf
    return _replicas(member.template, loaded) * serve.concurrency * SECOND / mean_time(serve.time)


def _replicas(template: PodTemplate, loaded: LoadedScenario) -> int:
    """The most pods there are of a template at any time."""
    counts = [_written(item) for item in loaded.all_objects() if _is(item, template)]
    for action in loaded.actions:
        scale = action.entry.scale
        if scale is not None and (scale.deployment or scale.statefulset) == template.name:
            counts.append(scale.replicas)
    return max(counts, default=1)


def _is(item: ApiObject, template: PodTemplate) -> bool:
    return (item.kind, item.namespace, item.name) == (template.kind, template.namespace, template.name)


def _written(item: ApiObject) -> int:
    return item.spec.integer("replicas", 1) if item.kind != "Pod" else 1
