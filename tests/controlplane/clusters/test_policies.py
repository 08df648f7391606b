from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.clusters.draft import Cluster, ClusterDraft
from meshsim.controlplane.clusters.policies import (
    UNLIMITED,
    apply_connection_pool,
    apply_load_balancer,
    apply_outlier_detection,
    upgrades_to_http2,
)
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort
from meshsim.xds.packing import to_json

MESH = build_mesh_config()
SERVICE = Service(
    hostname="h", name="h", namespace="n", registry=Registry.KUBERNETES, resolution=Resolution.CLIENT_SIDE_LB, ports=()
)


def _pool(pool: dict[str, Any] | None, mesh: Any = MESH, budget: dict[str, Any] | None = None) -> ClusterDraft:
    draft = ClusterDraft(Cluster())
    apply_connection_pool(
        draft, mesh, Fields(pool) if pool is not None else None, Fields(budget) if budget is not None else None
    )
    return draft


def test_without_pool_nothing_is_limited() -> None:
    (threshold,) = _pool(None).cluster.circuit_breakers.thresholds
    values = (threshold.max_connections, threshold.max_pending_requests, threshold.max_requests, threshold.max_retries)
    assert [v.value for v in values] == [UNLIMITED] * 4
    assert _pool(None).cluster.connect_timeout.seconds == 10
    assert _pool(None).http is None


def test_limits_of_a_pool() -> None:
    draft = _pool(
        {
            "tcp": {"maxConnections": 1, "connectTimeout": "30ms", "idleTimeout": "9s", "maxConnectionDuration": "8s"},
            "http": {
                "http1MaxPendingRequests": 2,
                "http2MaxRequests": 3,
                "maxRetries": 4,
                "maxRequestsPerConnection": 5,
            },
        }
    )
    (threshold,) = draft.cluster.circuit_breakers.thresholds
    values = (threshold.max_connections, threshold.max_pending_requests, threshold.max_requests, threshold.max_retries)
    assert [v.value for v in values] == [1, 2, 3, 4]
    assert draft.cluster.connect_timeout.nanos == 30_000_000
    common = draft.options().common_http_protocol_options
    assert common.max_requests_per_connection.value == 5
    assert (common.idle_timeout.seconds, common.max_connection_duration.seconds) == (9, 8)


def test_idle_timeout_of_http_comes_first() -> None:
    draft = _pool({"tcp": {"idleTimeout": "9s"}, "http": {"idleTimeout": "7s"}})
    assert draft.options().common_http_protocol_options.idle_timeout.seconds == 7


def test_settings_of_http2_count_for_http2_clusters_only() -> None:
    pool = Fields({"http": {"maxConcurrentStreams": 6, "http2KeepAlive": {"interval": "5s", "timeout": "1s"}}})
    plain = ClusterDraft(Cluster())
    apply_connection_pool(plain, MESH, pool, None)
    assert not plain.is_http2
    draft = ClusterDraft(Cluster())
    draft.use_http2()
    apply_connection_pool(draft, MESH, pool, None)
    settings = draft.options().explicit_http_config.http2_protocol_options
    assert settings.max_concurrent_streams.value == 6
    assert (settings.connection_keepalive.interval.seconds, settings.connection_keepalive.timeout.seconds) == (5, 1)


def test_keepalive_of_the_rule_over_that_of_the_mesh() -> None:
    mesh = build_mesh_config({"tcpKeepalive": {"probes": 3, "time": "10s"}})
    keepalive = _pool(
        {"tcp": {"tcpKeepalive": {"time": "20s"}}}, mesh
    ).cluster.upstream_connection_options.tcp_keepalive
    assert (keepalive.keepalive_probes.value, keepalive.keepalive_time.value) == (3, 20)


@pytest.mark.parametrize(
    ("budget", "percent", "concurrency"),
    [({}, 0.2, 3), ({"percent": 25, "minRetryConcurrency": 10}, 25.0, 10)],
)
def test_retry_budget(budget: dict[str, Any], percent: float, concurrency: int) -> None:
    (threshold,) = _pool({}, budget=budget).cluster.circuit_breakers.thresholds
    assert threshold.retry_budget.budget_percent.value == percent
    assert threshold.retry_budget.min_retry_concurrency.value == concurrency


@pytest.mark.parametrize(
    ("protocol", "http", "mesh", "upgrades"),
    [
        (Protocol.HTTP, {"h2UpgradePolicy": "UPGRADE"}, {}, True),
        (Protocol.HTTP, {"h2UpgradePolicy": "UPGRADE", "useClientProtocol": True}, {}, False),
        (Protocol.UNSUPPORTED, {"h2UpgradePolicy": "UPGRADE"}, {}, False),
        (Protocol.TCP, {"h2UpgradePolicy": "UPGRADE"}, {}, False),
        (Protocol.HTTP, {}, {}, False),
        (Protocol.HTTP, {}, {"h2UpgradePolicy": "UPGRADE"}, True),
        (Protocol.HTTP, {"h2UpgradePolicy": "DO_NOT_UPGRADE"}, {"h2UpgradePolicy": "UPGRADE"}, False),
    ],
)
def test_upgrade_to_http2(protocol: Protocol, http: dict[str, Any], mesh: dict[str, Any], upgrades: bool) -> None:
    port = ServicePort(name="p", port=80, protocol=protocol)
    assert upgrades_to_http2(port, build_mesh_config(mesh), Fields({"http": http})) is upgrades


def _outlier(spec: dict[str, Any]) -> Cluster:
    cluster = Cluster()
    apply_outlier_detection(cluster, Fields(spec))
    return cluster


def test_outlier_detection() -> None:
    found = to_json(
        _outlier(
            {
                "consecutive5xxErrors": 7,
                "consecutiveGatewayErrors": 0,
                "interval": "5s",
                "baseEjectionTime": "60s",
                "maxEjectionPercent": 50,
                "splitExternalLocalOriginErrors": True,
                "consecutiveLocalOriginFailures": 3,
            }
        ).outlier_detection
    )
    assert found == {
        "consecutive_5xx": 7,
        "enforcing_consecutive_5xx": 100,
        "consecutive_gateway_failure": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "5s",
        "base_ejection_time": "60s",
        "max_ejection_percent": 50,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
    }


def test_the_panic_threshold_is_the_minimum_of_the_rule() -> None:
    assert _outlier({"minHealthPercent": 40}).common_lb_config.healthy_panic_threshold.value == 40
    empty = Cluster()
    apply_outlier_detection(empty, None)
    assert not empty.HasField("outlier_detection")


@pytest.mark.parametrize(
    ("balancer", "policy"),
    [
        (None, "LEAST_REQUEST"),
        ({"simple": "LEAST_CONN"}, "LEAST_REQUEST"),
        ({"simple": "RANDOM"}, "RANDOM"),
        ({"simple": "ROUND_ROBIN"}, "ROUND_ROBIN"),
        ({"simple": "PASSTHROUGH"}, "CLUSTER_PROVIDED"),
        ({"consistentHash": {"useSourceIp": True}}, "RING_HASH"),
        ({"consistentHash": {"maglev": {"tableSize": 5}}}, "MAGLEV"),
    ],
)
def test_load_balancing_policies(balancer: dict[str, Any] | None, policy: str) -> None:
    cluster = Cluster(type=Cluster.EDS)
    apply_load_balancer(cluster, SERVICE, Fields(balancer) if balancer is not None else None)
    assert Cluster.LbPolicy.Name(cluster.lb_policy) == policy


def test_passthrough_goes_to_the_original_destination() -> None:
    cluster = Cluster(type=Cluster.STRICT_DNS)
    cluster.load_assignment.cluster_name = "c"
    apply_load_balancer(cluster, SERVICE, Fields({"simple": "PASSTHROUGH"}))
    assert cluster.type == Cluster.ORIGINAL_DST
    assert not cluster.HasField("load_assignment")


def test_ring_sizes() -> None:
    sizes = []
    for settings in ({}, {"minimumRingSize": 7}, {"ringHash": {"minimumRingSize": 9}}):
        cluster = Cluster(type=Cluster.EDS)
        apply_load_balancer(cluster, SERVICE, Fields({"consistentHash": settings}))
        sizes.append(cluster.ring_hash_lb_config.minimum_ring_size.value)
    assert sizes == [1024, 7, 9]


def test_slow_start() -> None:
    cluster = Cluster(type=Cluster.EDS)
    apply_load_balancer(cluster, SERVICE, Fields({"simple": "ROUND_ROBIN", "warmup": {"duration": "30s"}}))
    config = cluster.round_robin_lb_config.slow_start_config
    assert (config.slow_start_window.seconds, config.aggression.default_value, config.min_weight_percent.value) == (
        30,
        1.0,
        10.0,
    )
    cluster = Cluster(type=Cluster.EDS)
    apply_load_balancer(cluster, SERVICE, Fields({"warmupDurationSecs": "4s"}))
    assert cluster.least_request_lb_config.slow_start_config.slow_start_window.seconds == 4
