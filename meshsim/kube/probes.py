"""Probes of the kubelet, simulated only while their result is about to change.

Rules: k8s.io/kubernetes pkg/kubelet/prober/worker.go and prober_manager.go. A worker ticks once a period; a status
update of a container that is started but not ready triggers a run at once and restarts the ticks from there; ticks
before the initial delay do nothing; thresholds count equal results in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from meshsim.api import Fields
from meshsim.kernel import Environment
from meshsim.units import SECOND, Nanos


class ProbeKind(Enum):
    """Which of a container's three probes."""

    STARTUP = "startupProbe"
    READINESS = "readinessProbe"
    LIVENESS = "livenessProbe"


class ProbeSpec(NamedTuple):
    """A probe's settings with the API server's defaults."""

    initial_delay: Nanos
    period: Nanos
    timeout: Nanos
    success_threshold: int
    failure_threshold: int


def probe_spec(container: Fields, kind: ProbeKind) -> ProbeSpec | None:
    """The settings of a container's probe, ``None`` when it has none (defaults: core/v1 SetDefaults_Probe)."""
    if kind.value not in container:
        return None
    given = container.fields(kind.value)
    return ProbeSpec(
        given.integer("initialDelaySeconds") * SECOND,
        (given.integer("periodSeconds") or 10) * SECOND,
        (given.integer("timeoutSeconds") or 1) * SECOND,
        given.integer("successThreshold") or 1,
        given.integer("failureThreshold") or 3,
    )


class Target(NamedTuple):
    """What a probe meets at an instant."""

    running: bool
    answers: bool
    hung: bool
    """No answer at all: the probe waits for its timeout instead of being refused."""
    started_at: Nanos


@dataclass(slots=True, eq=False)
class Prober:
    """One probe of one container; `result` is what the kubelet believes, ``None`` while it knows nothing (startup)."""

    env: Environment
    spec: ProbeSpec
    look: Callable[[], Target]
    on_result: Callable[[bool], None]
    """Called when the result flips."""
    result: bool | None
    origin: Nanos = 0
    """Ticks fall on this instant plus whole periods."""
    streak: int = 0
    """Equal results in a row."""
    last: bool | None = None
    active: bool = False
    _due: Nanos = -1

    def start(self, origin: Nanos | None = None) -> None:
        """Begin probing, with a first run at once unless the ticks have an origin in the past."""
        self.active = True
        self.streak = 0
        if origin is None:
            self.origin = self.env.instant
            self._run_at(self.env.instant)
        else:
            self.origin = origin
            self.wake()

    def stop(self, result: bool) -> None:
        """Stop probing; the kubelet believes `result` from now on."""
        self.active = False
        self.result = result
        self.streak = 0
        self._due = -1

    def wake(self) -> None:
        """Something about the container changed: look again at the next tick."""
        if self.active and self._due < 0 and self._contradicts():
            self._run_at(self._next_tick())

    def _contradicts(self) -> bool:
        target = self.look()
        return (target.running and target.answers and not target.hung) is not self.result

    def _next_tick(self) -> Nanos:
        periods = (self.env.instant - self.origin) // self.spec.period + 1
        return self.origin + periods * self.spec.period

    def _run_at(self, when: Nanos) -> None:
        self._due = when
        self.env.call_at(when, lambda: self._tick(when))

    def _tick(self, when: Nanos) -> None:
        if not self.active or self._due != when:
            return
        self._due = -1
        target = self.look()
        elapsed = (self.env.instant - target.started_at) // SECOND * SECOND
        if target.running and elapsed < self.spec.initial_delay:
            self._run_at(self._next_tick())
            return
        healthy = target.running and target.answers and not target.hung
        if target.running and target.hung:
            when = self._due = self.env.instant + min(self.spec.timeout, self.spec.period)
            self.env.call_at(when, lambda: self._timed_out(when))
            return
        self._judge(healthy)

    def _timed_out(self, when: Nanos) -> None:
        if self.active and self._due == when:
            self._due = -1
            self._judge(False)

    def _judge(self, healthy: bool) -> None:
        self.streak = self.streak + 1 if healthy is self.last else 1
        self.last = healthy
        threshold = self.spec.success_threshold if healthy else self.spec.failure_threshold
        if healthy is not self.result and self.streak >= threshold:
            self.result = healthy
            self.on_result(healthy)
        if self.active and self._due < 0 and (healthy is not self.result or self._contradicts()):
            self._run_at(self._next_tick())
