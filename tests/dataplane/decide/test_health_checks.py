"""Active health checks as decoded values."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.health_checks import CheckKind, HealthCheck, decode_health_check
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import MILLISECOND, SECOND
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

LEAST = {"timeout": "0.5s", "interval": "2s", "unhealthy_threshold": 3, "healthy_threshold": 2}
HTTP = {"http_health_check": {"path": "/hc"}}


def decoded(*checks: dict[str, Any], notes: Notes | None = None) -> HealthCheck | None:
    body = {"name": "c", "health_checks": list(checks)}
    return decode_health_check(from_json(body, cluster_pb2.Cluster), [] if notes is None else notes)


def found(**more: Any) -> HealthCheck:
    check = decoded({**LEAST, **more})
    assert check is not None
    return check


def test_without_checks() -> None:
    assert decoded() is None


def test_defaults() -> None:
    check = found(**HTTP)
    assert (check.kind, check.timeout, check.interval) == (CheckKind.HTTP, 500 * MILLISECOND, 2 * SECOND)
    assert (check.unhealthy_threshold, check.healthy_threshold) == (3, 2)
    edges = (check.unhealthy_interval, check.unhealthy_edge_interval, check.healthy_edge_interval)
    assert edges == (2 * SECOND, 2 * SECOND, 2 * SECOND)
    assert (check.no_traffic_interval, check.no_traffic_healthy_interval) == (60 * SECOND, 60 * SECOND)
    assert check.reuse_connection
    assert (check.expected, check.retriable) == (((200, 201),), ())


def test_intervals_stand_in_for_each_other() -> None:
    check = found(**HTTP, unhealthy_interval="5s", no_traffic_interval="7s", reuse_connection=False)
    assert (check.unhealthy_interval, check.unhealthy_edge_interval) == (5 * SECOND, 5 * SECOND)
    assert (check.healthy_edge_interval, check.no_traffic_healthy_interval) == (2 * SECOND, 7 * SECOND)
    assert not check.reuse_connection


def test_statuses() -> None:
    statuses = {
        "path": "/",
        "expected_statuses": [{"start": 200, "end": 300}, {"start": 404, "end": 405}],
        "retriable_statuses": [{"start": 500, "end": 600}],
    }
    check = found(http_health_check=statuses)
    assert (check.expected, check.retriable) == (((200, 300), (404, 405)), ((500, 600),))


@pytest.mark.parametrize(
    ("kind", "body"), [(CheckKind.TCP, {"tcp_health_check": {}}), (CheckKind.GRPC, {"grpc_health_check": {}})]
)
def test_kinds(kind: CheckKind, body: dict[str, Any]) -> None:
    assert found(**body).kind is kind


def test_more_than_one_is_refused() -> None:
    with pytest.raises(ResourceRejectedError, match="Multiple health checks not supported"):
        decoded({**LEAST, **HTTP}, {**LEAST, **HTTP})


def test_what_is_not_looked_at_is_noted() -> None:
    notes: Notes = []
    decoded({**LEAST, "alt_port": 99, "http_health_check": {"path": "/", "receive": [{"text": "00"}]}}, notes=notes)
    decoded({**LEAST, "custom_health_check": {"name": "x"}}, notes=notes)
    decoded(
        {**LEAST, "http_health_check": {"path": "/", "service_name_matcher": {"exact": "s"}}},
        notes=notes,
    )
    assert notes == [
        "payloads of health checks",
        "ports of health checks",
        "active health checks by extensions",
        "service names of health checks",
    ]
