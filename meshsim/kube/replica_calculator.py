"""How many pods a metric asks for.

Rules: k8s.io/kubernetes pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go (1.33).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from meshsim.api import ApiObject, parse_timestamp
from meshsim.kube.documents import is_terminating
from meshsim.kube.pods import condition
from meshsim.units import SECOND, Nanos

INITIALIZATION: Final = 300 * SECOND
"""--horizontal-pod-autoscaler-cpu-initialization-period."""
INITIAL_READINESS: Final = 30 * SECOND
"""--horizontal-pod-autoscaler-initial-readiness-delay."""


_Ratio: TypeAlias = Callable[[Mapping[str, int]], tuple[float, int]]
"""Ratio to the target, and the metric, of the values of pods."""
_Missing: TypeAlias = Callable[[str], int]
"""What counts for a pod without a sample when pods are taken away."""


class Sample(NamedTuple):
    """A metric of one pod."""

    value: int
    """In thousandths."""
    time: Nanos
    """When it was taken, in Unix time, and over how long."""
    window: Nanos


class Tolerances(NamedTuple):
    """How far off a metric may be without anything happening."""

    up: float
    down: float

    def allow(self, ratio: float) -> bool:
        """Whether a ratio to the target is near enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Proposal(NamedTuple):
    """The number of pods that a metric asks for."""

    replicas: int
    value: int
    """What it is now: percent of the requests, or thousandths a pod."""


@dataclass(frozen=True, slots=True)
class Calculator:
    """One metric of an autoscaler at one instant."""

    pods: Sequence[ApiObject]
    """All pods that the workload's selector selects."""
    current: int
    """Replicas asked for now."""
    now: Nanos
    """Unix time."""
    tolerances: Tolerances

    def by_utilization(
        self, samples: Mapping[str, Sample], requests: Mapping[str, int], target: int, cpu: bool
    ) -> Proposal | None:
        """So that pods use `target` percent of what they ask for; `None` where no pod has a sample that counts."""

        def ratio(values: Mapping[str, int]) -> tuple[float, int]:
            known = {name: value for name, value in values.items() if name in requests}
            asked = sum(requests[name] for name in known)
            percent = sum(known.values()) * 100 // asked if asked else 0
            return percent / target, percent

        return self._propose(samples, cpu, ratio, lambda name: requests.get(name, 0), False)

    def by_average(self, samples: Mapping[str, Sample], target: int, cpu: bool = False) -> Proposal | None:
        """So that pods have `target` thousandths each."""

        def ratio(values: Mapping[str, int]) -> tuple[float, int]:
            average = sum(values.values()) // len(values)
            return average / target, average

        return self._propose(samples, cpu, ratio, lambda _: target, True)

    def _propose(
        self, samples: Mapping[str, Sample], cpu: bool, ratio: _Ratio, missing_value: _Missing, at_target: bool
    ) -> Proposal | None:
        """`at_target`: whether pods without a sample count 0 too where the others are just at the target."""
        ready, unready, missing = self._group(samples, cpu)
        values = {name: samples[name].value for name in ready}
        if not values:
            return None
        first, value = ratio(values)
        fill_unready = bool(unready) and first > 1.0
        if not fill_unready and not missing:
            if self.tolerances.allow(first):
                return Proposal(self.current, value)
            return Proposal(math.ceil(first * len(ready)), value)
        if first < 1.0:
            values.update((name, missing_value(name)) for name in missing)
        elif first > 1.0 or at_target:
            values.update((name, 0) for name in missing)
        if fill_unready:
            values.update((name, 0) for name in unready)
        second, _ = ratio(values)
        if self.tolerances.allow(second) or (first < 1.0 < second) or (second < 1.0 < first):
            return Proposal(self.current, value)
        replicas = math.ceil(second * len(values))
        if (second < 1.0 and replicas > self.current) or (second > 1.0 and replicas < self.current):
            return Proposal(self.current, value)
        return Proposal(replicas, value)

    def _group(self, samples: Mapping[str, Sample], cpu: bool) -> tuple[list[str], list[str], list[str]]:
        """Names of pods whose sample counts, of those that are not ready, and of those without a sample."""
        ready: list[str] = []
        unready: list[str] = []
        missing: list[str] = []
        for pod in self.pods:
            phase = pod.status.text("phase", "Pending")
            if is_terminating(pod) or phase == "Failed":
                continue
            if phase == "Pending":
                unready.append(pod.name)
            elif pod.name not in samples:
                missing.append(pod.name)
            elif cpu and self._is_unready(pod, samples[pod.name]):
                unready.append(pod.name)
            else:
                ready.append(pod.name)
        return ready, unready, missing

    def _is_unready(self, pod: ApiObject, sample: Sample) -> bool:
        """Whether the CPU of a pod does not count: it starts, or has never been ready."""
        state = condition(pod, "Ready")
        started = pod.status.value("startTime")
        if not state.text("status") or started is None:
            return True
        begin = parse_timestamp(started)
        since = parse_timestamp(state.value("lastTransitionTime"))
        is_false = state.text("status") == "False"
        if begin + INITIALIZATION > self.now:
            return is_false or sample.time < since + sample.window
        return is_false and begin + INITIAL_READINESS > since
