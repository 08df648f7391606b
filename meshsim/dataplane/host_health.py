"""How the health of hosts is found out, by outlier detection and active health checks; and its fields in rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.units import Nanos

LIMIT: Final = (1 << 31) - 1
"""The largest number that limits need: Envoy's go to 2^32 - 1, and both are out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierSpec:
    """Outlier detection of a cluster (Envoy source/common/upstream/outlier_detection_impl.cc).

    An `enforcing` of 0 switches a detector's ejection off.
    """

    interval: Nanos
    base_ejection: Nanos
    max_ejection: Nanos
    max_ejection_percent: int
    consecutive_5xx: int
    """0 = detector off."""
    consecutive_gateway: int
    consecutive_local: int
    split_local_errors: bool
    enforcing_5xx: int = 100
    """Percent of detections that eject, by detector."""
    enforcing_gateway: int = 100
    enforcing_local: int = 100
    enforcing_success_rate: int = 0
    success_rate_hosts: int = 5
    success_rate_volume: int = 100
    success_rate_factor: int = 1900
    """Standard deviations below the mean, in thousandths."""
    enforcing_failure_percentage: int = 0
    failure_percentage_hosts: int = 5
    failure_percentage_volume: int = 50
    failure_percentage: int = 85
    enforcing_local_success_rate: int = 0
    """The same for connections and local failures, where these are split off."""
    enforcing_local_failure_percentage: int = 0
    always_eject_one: bool = False
    ejection_jitter: Nanos = 0
    check_unejects: bool = True
    """Whether a health check that succeeds ends an ejection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckSpec:
    """Active health checks of a cluster's hosts (Envoy source/extensions/health_checkers)."""

    timeout: Nanos
    interval: Nanos
    healthy_edge_interval: Nanos
    """After a success that is not enough yet to call the host healthy."""
    unhealthy_interval: Nanos
    unhealthy_edge_interval: Nanos
    no_traffic_interval: Nanos
    """Between checks while the cluster has never had a connection."""
    no_traffic_healthy_interval: Nanos
    healthy_threshold: int = 1
    unhealthy_threshold: int = 1
    initial_jitter: Nanos = 0
    interval_jitter: Nanos = 0
    interval_jitter_percent: int = 0
    reuse_connection: bool = True
    connects_only: bool = False
    """Whether a connection is all it asks for."""
    expected: tuple[tuple[int, int], ...] = ((200, 201),)
    """First status, and the one behind the last."""
    retriable: tuple[tuple[int, int], ...] = ()
    keeps_removed: bool = True
    """Whether hosts that left their assignment stay until a check fails."""
    waits: bool = False
    """Whether new hosts are left out of the count until their first check."""
    unejects: bool = True
    """Whether a check that succeeds ends an ejection."""


class HealthStats(NamedTuple):
    """Envoy's statistics of a cluster's active health checks."""

    attempts: int
    successes: int
    failures: int
    network: int
    passive: int


def outlier_fields(outlier: OutlierSpec) -> dict[str, int]:
    """Fields of a cluster's row."""
    return {
        "interval": outlier.interval,
        "base_ejection": outlier.base_ejection,
        # max_ejection_time is never below base_ejection_time (outlier_detection_impl.cc).
        "max_ejection": max(outlier.max_ejection, outlier.base_ejection),
        "max_percent": min(outlier.max_ejection_percent, 100),
        "limit_5xx": min(outlier.consecutive_5xx, LIMIT),
        "limit_gateway": min(outlier.consecutive_gateway, LIMIT),
        "limit_local": min(outlier.consecutive_local, LIMIT),
        "split": outlier.split_local_errors,
        "enforce_5xx": outlier.enforcing_5xx,
        "enforce_gateway": outlier.enforcing_gateway,
        "enforce_local": outlier.enforcing_local,
        "enforce_rate": outlier.enforcing_success_rate,
        "enforce_failure": outlier.enforcing_failure_percentage,
        "enforce_rate_local": outlier.enforcing_local_success_rate,
        "enforce_failure_local": outlier.enforcing_local_failure_percentage,
        "one": outlier.always_eject_one,
        "rate_hosts": min(outlier.success_rate_hosts, LIMIT),
        "rate_volume": min(outlier.success_rate_volume, LIMIT),
        "rate_factor": min(outlier.success_rate_factor, LIMIT),
        "failure_hosts": min(outlier.failure_percentage_hosts, LIMIT),
        "failure_volume": min(outlier.failure_percentage_volume, LIMIT),
        "failure_at": outlier.failure_percentage,
        "eject_jitter": outlier.ejection_jitter,
    }


def probe_fields(spec: HealthCheckSpec) -> dict[str, int]:
    """Fields of the row of a cluster's health checks, but for the ranges of statuses."""
    return {
        "timeout": spec.timeout,
        "interval": spec.interval,
        "healthy_edge": spec.healthy_edge_interval,
        "unhealthy": spec.unhealthy_interval,
        "unhealthy_edge": spec.unhealthy_edge_interval,
        "no_traffic": spec.no_traffic_interval,
        "no_traffic_healthy": spec.no_traffic_healthy_interval,
        "initial_jitter": spec.initial_jitter,
        "jitter": spec.interval_jitter,
        "jitter_percent": min(spec.interval_jitter_percent, LIMIT),
        "healthy_n": min(spec.healthy_threshold, LIMIT),
        "unhealthy_n": min(spec.unhealthy_threshold, LIMIT),
        "reuse": spec.reuse_connection,
        "connects": spec.connects_only,
        "keeps": spec.keeps_removed,
        "waits": spec.waits,
        "unejects": spec.unejects,
    }
