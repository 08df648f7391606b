"""What pods do with requests: the `workloads` of a scenario as handlers and calls of the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from meshsim.api import ApiObject
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import CallSpec, CpuSpec, Distribution, HandlerSpec, PodSpec, Shape, StepSpec
from meshsim.scenario import Call, Sequence, Serve, Style, Workload, call_groups
from meshsim.scenario.matching import WorkloadIndex
from meshsim.units import Distribution as TimeDistribution
from meshsim.units import Family, Nanos

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
    workload: Workload | None = None
    operations: tuple[int, ...] = ()
    """Handler of each operation of the workload."""

    def handler_of(self, method: str, path: str) -> int:
        """Handler of a request."""
        operation = self.workload.operation_of(method, path) if self.operations and self.workload is not None else -1
        return self.handler if operation < 0 else self.operations[operation]

    def pod_spec(self, proxy: int, group: int, cpu_limit: Nanos) -> PodSpec:
        """A pod of a series' group that does this; `cpu_limit`: CPU time it may use in each 100 ms, 0 = any."""
        serve = self.workload.serve if self.workload is not None else Serve()
        return PodSpec(
            proxy=proxy,
            workload=group,
            workers=serve.concurrency or 0,
            hold_while_calling=serve.style is Style.THREADS,
            queue=serve.queue.limit if serve.queue is not None else None,
            full_status=serve.queue.status if serve.queue is not None else 503,
            cpu=CpuSpec(share=serve.cpu, quota=cpu_limit) if serve.cpu is not None else None,
            curve=tuple((point.busy, point.factor) for point in serve.slowdown),
        )


class Behaviours:
    """Behaviours by pod labels; a pod that no entry matches answers at once."""

    def __init__(self, engine: Engine, workloads: tuple[Workload, ...]) -> None:
        self._entries = WorkloadIndex(workloads)
        self._made = [_Making(engine).make(workload) for workload in workloads]
        self.default = Behaviour(engine.add_handler(_IDLE), ())

    def of(self, pod: ApiObject) -> Behaviour:
        """What a pod does: the first entry whose labels it has."""
        entry = self._entries.find(pod.labels, pod.namespace)
        return self._made[entry] if entry is not None else self.default


_IDLE: Final = HandlerSpec(service=INSTANT, error_rate=0.0, error_status=500, calls=())


class _Making:
    """One workload entry on its way into the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls: list[tuple[int, Call]] = []

    def make(self, workload: Workload) -> Behaviour:
        first, *others = [self._handler(workload, operation) for operation in range(-1, len(workload.operations))]
        return Behaviour(first, tuple(self._calls), workload, tuple(others))

    def _handler(self, workload: Workload, operation: int) -> int:
        """The handler of an operation, or (-1) of all other requests."""
        work = workload.work(operation)
        *others, last = [(failures.rate, failures.status) for failures in work.errors] or [(0.0, 500)]
        return self._engine.add_handler(
            HandlerSpec(
                service=INSTANT if work.time is None else to_distribution(work.time),
                error_rate=last[0],
                error_status=last[1],
                errors=tuple(others),
                calls=(),
                steps=self._steps(call_groups(work.calls)),
                size=workload.serve.size,
            )
        )

    def _steps(self, groups: tuple[tuple[Call | Sequence, ...], ...]) -> tuple[StepSpec, ...]:
        """Groups one after the other; a call alone that is made several times is as many groups."""
        steps: list[StepSpec] = []
        group = 0
        for members in groups:
            only = members[0] if len(members) == 1 else None
            if isinstance(only, Call):
                number = self._call(only)
                steps += [StepSpec(group + turn, number) for turn in range(only.times)]
                group += only.times
            else:
                steps += [self._member(group, member) for member in members]
                group += 1
        return tuple(steps)

    def _member(self, group: int, member: Call | Sequence) -> StepSpec:
        """One of several things done at the same time."""
        if isinstance(member, Call) and member.times == 1:
            return StepSpec(group, self._call(member))
        inner = ((member,),) if isinstance(member, Call) else call_groups(member.sequence)
        return StepSpec(group, branch=self._engine.add_handler(replace(_IDLE, steps=self._steps(inner))))

    def _call(self, call: Call) -> int:
        retries, errors = call.retries, call.errors
        backoff = retries.backoff if retries is not None else None
        number = self._engine.add_call(
            CallSpec(
                group=0,
                probability=call.probability,
                fail_parent=not call.optional,
                error_rate=errors.rate if errors is not None else 0.0,
                error_status=errors.status if errors is not None else 500,
                timeout=call.timeout or 0,
                retries=retries.attempts if retries is not None else 0,
                backoff=to_distribution(backoff) if backoff is not None else None,
            )
        )
        self._calls.append((number, call))
        return number
