"""What is fitted: the times of a testbed, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from meshsim.units import MICROSECOND, MILLISECOND

REPORTING: Final = "mixer"
"""The telemetry that event loops report in batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """What telemetry of one kind makes of a sidecar: CPU time in nanoseconds, medians."""

    inbound: float = 60.0 * MICROSECOND
    """A pass of the server's sidecar: a request, and again its answer."""
    outbound: float = 60.0 * MICROSECOND
    """A pass of the client's sidecar."""
    report: float = 0.0
    """A report of a batch of answers, 0 = none are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Everything a testbed needs; times in nanoseconds. The values are where a fit begins."""

    latency: float = 75.0 * MICROSECOND
    """Network, one way, of which `jitter` is the mean of an exponential part on top."""
    jitter: float = 25.0 * MICROSECOND
    service: float = 40.0 * MICROSECOND
    """CPU time of the server for one answer, median and sigma of a lognormal distribution."""
    service_spread: float = 0.3
    server_wake: float = 700.0 * MICROSECOND
    """What an answer of a server that has slept long takes longer; half of it after `half` of idle time."""
    server_wake_spread: float = 0.3
    """Sigma of its lognormal factor."""
    half: float = 7.5 * MILLISECOND
    """Idle time after which half of what long idle times cost is to be paid, of servers and event loops alike."""
    spread: float = 0.5
    """Sigma of the lognormal CPU times of proxies."""
    wake_least: float = 60.0 * MICROSECOND
    """CPU time of an event loop for waking up at all."""
    cold: float = 7.5
    """What comes to it after a long idle time, in passes: the more code runs, the more of it has left the caches."""
    flushed: float = 0.3
    """Share of a pass that an event loop spends at the end of its turn."""
    tls: float = 40.0 * MICROSECOND
    """What mTLS adds to each pass of the server's sidecar; the client's sidecar is not measured without."""
    passes: Mapping[str, Passes]
    """By telemetry."""

    @staticmethod
    def first(telemetries: Iterable[str]) -> Parameters:
        """Where a fit begins."""
        return Parameters(
            passes={name: Passes(report=4.0 * MILLISECOND if name == REPORTING else 0.0) for name in telemetries}
        )

    def value(self, name: str) -> float:
        """A parameter by its name, those of telemetry as ``inbound/nomixer``."""
        field, _, telemetry = name.partition("/")
        found: float = getattr(self.passes[telemetry] if telemetry else self, field)
        return found

    def with_values(self, values: Mapping[str, float]) -> Parameters:
        """The same with other values, by name."""
        passes = dict(self.passes)
        own: dict[str, float] = {}
        for name, value in values.items():
            field, _, telemetry = name.partition("/")
            if telemetry:
                changed: dict[str, float] = {field: value}
                passes[telemetry] = replace(passes[telemetry], **changed)
            else:
                own[field] = value
        return replace(self, passes=passes, **own)
