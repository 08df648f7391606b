"""Active health checks of clusters as decoded values (envoy/config/core/v3/health_check.proto).

Defaults: Envoy source/extensions/health_checkers/common/health_checker_base_impl.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from google.protobuf.duration_pb2 import Duration

from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import SECOND, Nanos
from meshsim.xds.messages import cluster_pb2, health_check_pb2, range_pb2

_NO_TRAFFIC: Final = 60 * SECOND
_OK: Final = ((200, 201),)

Ranges = tuple[tuple[int, int], ...]
"""First status, and the one behind the last."""


class CheckKind(Enum):
    """What a health check asks."""

    HTTP = "http_health_check"
    TCP = "tcp_health_check"
    GRPC = "grpc_health_check"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the hosts of a cluster are checked."""

    kind: CheckKind
    timeout: Nanos
    interval: Nanos
    no_traffic_interval: Nanos
    """Between checks while the cluster has never had a connection."""
    no_traffic_healthy_interval: Nanos
    unhealthy_interval: Nanos
    unhealthy_edge_interval: Nanos
    """After a failure that is not enough yet to call the host unhealthy."""
    healthy_edge_interval: Nanos
    initial_jitter: Nanos
    interval_jitter: Nanos
    interval_jitter_percent: int
    unhealthy_threshold: int
    healthy_threshold: int
    reuse_connection: bool
    expected: Ranges = _OK
    retriable: Ranges = ()
    """Statuses that count like network failures: several of them make a host unhealthy."""


def decode_health_check(message: cluster_pb2.Cluster, notes: Notes) -> HealthCheck | None:
    """The health check of a cluster; raises `ResourceRejectedError` for more than one."""
    if not message.health_checks:
        return None
    if len(message.health_checks) > 1:
        raise ResourceRejectedError("Multiple health checks not supported")
    check = message.health_checks[0]
    kind = check.WhichOneof("health_checker")
    if kind not in {known.value for known in CheckKind}:
        notes.append("active health checks by extensions")
        return None
    _note(check, notes)
    http = check.http_health_check
    interval = nanos(check.interval)
    no_traffic = _or(check.no_traffic_interval, check.HasField("no_traffic_interval"), _NO_TRAFFIC)
    unhealthy = _or(check.unhealthy_interval, check.HasField("unhealthy_interval"), interval)
    return HealthCheck(
        kind=CheckKind(kind),
        timeout=nanos(check.timeout),
        interval=interval,
        no_traffic_interval=no_traffic,
        no_traffic_healthy_interval=_or(
            check.no_traffic_healthy_interval, check.HasField("no_traffic_healthy_interval"), no_traffic
        ),
        unhealthy_interval=unhealthy,
        unhealthy_edge_interval=_or(
            check.unhealthy_edge_interval, check.HasField("unhealthy_edge_interval"), unhealthy
        ),
        healthy_edge_interval=_or(check.healthy_edge_interval, check.HasField("healthy_edge_interval"), interval),
        initial_jitter=nanos(check.initial_jitter),
        interval_jitter=nanos(check.interval_jitter),
        interval_jitter_percent=check.interval_jitter_percent,
        unhealthy_threshold=check.unhealthy_threshold.value,
        healthy_threshold=check.healthy_threshold.value,
        reuse_connection=check.reuse_connection.value if check.HasField("reuse_connection") else True,
        expected=_ranges(http.expected_statuses) or _OK,
        retriable=_ranges(http.retriable_statuses),
    )


def _or(message: Duration, given: bool, default: Nanos) -> Nanos:
    return nanos(message) if given else default


def _ranges(found: Sequence[range_pb2.Int64Range]) -> Ranges:
    return tuple((one.start, one.end) for one in found)


def _note(check: health_check_pb2.HealthCheck, notes: Notes) -> None:
    """What of a check the data plane does not look at."""
    http = check.http_health_check
    if http.receive or check.tcp_health_check.receive or check.tcp_health_check.HasField("send"):
        notes.append("payloads of health checks")
    if http.HasField("service_name_matcher"):
        notes.append("service names of health checks")
    if check.HasField("alt_port"):
        notes.append("ports of health checks")
