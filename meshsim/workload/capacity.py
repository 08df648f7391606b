"""Whether the pods behind a service can carry what clients ask of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.api.resources import QUOTA_PERIOD, cpu_quota
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
    asked = offered_load(loaded, inventory, graph)
    load = {key: sum(rate for item, rate in asked.items() if item.service == key) for key in graph.services}
    findings: list[Finding] = []
    for key, rate in load.items():
        shares = {item.operations: part / rate for item, part in asked.items() if item.service == key and rate}
        capacity = sum(_capacity(member, loaded, _mixed(shares, n)) for n, member in enumerate(graph.services[key]))
        if graph.services[key] and rate > capacity:
            able = format_rate(round(capacity, 1))
            message = f"{key} is asked for {format_rate(rate)}, its pods together can do {able}"
            entries = [member.entry for member in graph.services[key] if member.entry is not None]
            position = loaded.position(f"workloads[{entries[0]}].serve")
            findings.append(Finding("MSH0201", Severity.WARNING, message, position, _HINT, f"Service {key}"))
    return findings


def _mixed(shares: Mapping[tuple[int, ...], float], member: int) -> Mapping[int, float]:
    """Share of each operation of a member in all that is asked of its service."""
    mixed: dict[int, float] = {}
    for operations, share in shares.items():
        mixed[operations[member]] = mixed.get(operations[member], 0.0) + share
    return mixed


def _capacity(member: Member, loaded: LoadedScenario, mixed: Mapping[int, float]) -> float:
    """Requests a second of this mixture of operations that the pods of a template can do at most."""
    workload = member.workload
    if workload is None:
        return math.inf
    times = ((workload.work(operation).time, share) for operation, share in mixed.items())
    fastest = min((point.factor for point in workload.serve.slowdown), default=1.0)
    mean = fastest * sum(share * mean_time(time) for time, share in times if time is not None)
    if mean == 0:
        return math.inf
    workers = workload.serve.concurrency or math.inf
    processors = _processors(member.template, loaded) / workload.serve.cpu if workload.serve.cpu else math.inf
    return _replicas(member.template, loaded) * min(workers, processors) * SECOND / mean


def _processors(template: PodTemplate, loaded: LoadedScenario) -> float:
    """The most processors that the limits of a template's containers leave a pod at any time."""
    quotas = [cpu_quota(_containers(item)) / QUOTA_PERIOD for item in loaded.all_objects() if _is(item, template)]
    return max((quota or math.inf for quota in quotas), default=math.inf)


def _containers(item: ApiObject) -> Sequence[Fields]:
    pod = item.spec if item.kind == "Pod" else item.spec.fields("template").fields("spec")
    return pod.items("containers")


def _replicas(template: PodTemplate, loaded: LoadedScenario) -> int:
    """The most pods there are of a template at any time."""
    counts = [_written(item) for item in loaded.all_objects() if _is(item, template)]
    counts += [item.spec.integer("maxReplicas") for item in loaded.all_objects() if _scales(item, template)]
    for action in loaded.actions:
        scale = action.entry.scale
        if scale is not None and (scale.deployment or scale.statefulset) == template.name:
            counts.append(scale.replicas)
    return max(counts, default=1)


def _scales(item: ApiObject, template: PodTemplate) -> bool:
    """Whether an object is an autoscaler of a template's workload."""
    target = item.spec.fields("scaleTargetRef")
    return (
        item.kind == "HorizontalPodAutoscaler"
        and item.namespace == template.namespace
        and (target.text("kind"), target.text("name")) == (template.kind, template.name)
    )


def _is(item: ApiObject, template: PodTemplate) -> bool:
    return (item.kind, item.namespace, item.name) == (template.kind, template.namespace, template.name)


def _written(item: ApiObject) -> int:
    return item.spec.integer("replicas", 1) if item.kind != "Pod" else 1
