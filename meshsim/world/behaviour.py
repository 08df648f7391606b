"""What pods do with requests: the `workloads` of a scenario as handlers and calls of the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import CallSpec, Distribution, HandlerSpec, Shape
from meshsim.scenario import Call, Style, Workload
from meshsim.units import Distribution as TimeDistribution
from meshsim.units import Family

_SHAPES: Final = {
    Family.FIXED: Shape.FIXED,
    Family.EXPONENTIAL: Shape.EXPONENTIAL,
    Family.LOGNORMAL: Shape.LOGNORMAL,
    Family.GAMMA: Shape.GAMMA,
    Family.PARETO: Shape.PARETO,
    Family.UNIFORM: Shape.UNIFORM,
    Family.EMPIRICAL: Shape.EMPIRICAL,
}
INSTANT: Final = Distribution(Shape.FIXED, 0)


def to_distribution(time: TimeDistribution) -> Distribution:
    """The engine's form of a distribution written in a scenario."""
    shape = _SHAPES[time.family]
    if time.family is Family.LOGNORMAL:
        return Distribution(shape, time.first, math.log(time.factor))
    if time.family is Family.UNIFORM:
        return Distribution(shape, time.first, float(time.second))
    if time.family is Family.EMPIRICAL:
        return Distribution(shape, time.first, quantiles=tuple(time.quantiles))
    return Distribution(shape, time.first, time.factor)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One workload entry in the engine."""

    handler: int
    calls: tuple[tuple[int, Call], ...]
    """Engine call and what it asks for."""
    workers: int
    hold: bool


class Behaviours:
    """Behaviours by pod labels; a pod that no entry matches answers at once."""

    def __init__(self, engine: Engine, workloads: tuple[Workload, ...]) -> None:
        self._workloads = workloads
        self._made = [_make(engine, workload) for workload in workloads]
        idle = HandlerSpec(service=INSTANT, error_rate=0.0, error_status=500, calls=())
        self.default = Behaviour(engine.add_handler(idle), (), 0, False)

    def of(self, pod: ApiObject) -> Behaviour:
        """What a pod does: the first entry whose labels it has."""
        for workload, behaviour in zip(self._workloads, self._made, strict=True):
            here = workload.namespace in (None, pod.namespace)
            if here and all(pod.labels.get(key) == value for key, value in workload.match.items()):
                return behaviour
        return self.default


def _make(engine: Engine, workload: Workload) -> Behaviour:
    calls = [
        (engine.add_call(CallSpec(group=group, probability=call.probability, fail_parent=not call.optional)), call)
        for group, members in enumerate(workload.call_groups)
        for call in members
    ]
    serve = workload.serve
    handler = engine.add_handler(
        HandlerSpec(
            service=INSTANT if serve.time is None else to_distribution(serve.time),
            error_rate=serve.errors.rate if serve.errors else 0.0,
            error_status=serve.errors.status if serve.errors else 500,
            calls=tuple(number for number, _ in calls),
        )
    )
    return Behaviour(handler, tuple(calls), serve.concurrency or 0, serve.style is Style.THREADS)
