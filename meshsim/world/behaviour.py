"""What pods do with requests: the `workloads` of a scenario as handlers and calls of the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import CallSpec, Distribution, HandlerSpec, Shape
from meshsim.scenario import Call, Style, Workload, call_groups
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
    """Engine call and what it asks for, of all operations."""
    workers: int
    hold: bool
    workload: Workload | None = None
    operations: tuple[int, ...] = ()
    """Handler of each operation of the workload."""

    def handler_of(self, method: str, path: str) -> int:
        """Handler of a request."""
        operation = self.workload.operation_of(method, path) if self.operations and self.workload is not None else -1
        return self.handler if operation < 0 else self.operations[operation]


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
    made = [_handler(engine, workload, operation) for operation in range(-1, len(workload.operations))]
    return Behaviour(
        made[0][0],
        tuple(call for _, calls in made for call in calls),
        workload.serve.concurrency or 0,
        workload.serve.style is Style.THREADS,
        workload,
        tuple(handler for handler, _ in made[1:]),
    )


def _handler(engine: Engine, workload: Workload, operation: int) -> tuple[int, list[tuple[int, Call]]]:
    """The handler of an operation, or (-1) of all other requests, and its calls."""
    work = workload.work(operation)
    calls = [
        (engine.add_call(CallSpec(group=group, probability=call.probability, fail_parent=not call.optional)), call)
        for group, members in enumerate(call_groups(work.calls))
        for call in members
    ]
    handler = engine.add_handler(
        HandlerSpec(
            service=INSTANT if work.time is None else to_distribution(work.time),
            error_rate=work.errors.rate if work.errors else 0.0,
            error_status=work.errors.status if work.errors else 500,
            calls=tuple(number for number, _ in calls),
        )
    )
    return handler, calls
