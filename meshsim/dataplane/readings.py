"""What is read of the engine about clusters, hosts and instances."""

from __future__ import annotations

from typing import NamedTuple

from meshsim.dataplane.specs import PodState
from meshsim.units import Nanos


class Counters(NamedTuple):
    """What the engine has done so far."""

    now: Nanos
    events: int
    started: int
    finished: int
    attempts: int

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return self.started - self.finished


class ClusterStats(NamedTuple):
    """Envoy's statistics of one cluster of one proxy, and what is under way there."""

    active: int
    pending: int
    connections: int
    retrying: int
    ejected: int
    rq_total: int
    rq_retry: int
    rq_retry_overflow: int
    rq_retry_limit: int
    rq_pending_overflow: int
    rq_active_overflow: int
    rq_timeout: int
    rq_per_try_timeout: int
    cx_total: int
    cx_connect_fail: int
    cx_overflow: int
    lb_panic: int
    ejections: int
    ejections_overflow: int


class HostState(NamedTuple):
    """One endpoint as its caller's proxy sees it now."""

    active: int
    ejected: bool
    multiplier: int
    reachable: bool
    usable: bool
    """Healthy or degraded by its assignment and its health checks."""


class PodLoad(NamedTuple):
    """What an instance has to do now."""

    state: PodState
    busy: int
    queued: int
    begun: int
    """Requests that it has begun to serve."""


class CpuUse(NamedTuple):
    """What an instance has used of its CPU until now."""

    used: Nanos
    """CPU time."""
    halted: Nanos
    """Time that it stood still because its quota was used up."""
    stops: int
    """Periods in which it did."""
