"""Traffic policy of a cluster: connection pool, HTTP/2 upgrade, outlier detection, load balancing.

istio pilot/pkg/networking/core/cluster_traffic_policy.go, release 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.clusters.draft import Cluster, ClusterDraft
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Service, ServicePort
from meshsim.controlplane.protobuf_values import duration, optional_duration, uint32
from meshsim.units import SECOND
from meshsim.xds.messages import base_pb2, circuit_breaker_pb2, outlier_detection_pb2, percent_pb2, wrappers_pb2

UNLIMITED: Final = 4294967295
_NOTHING: Final = Fields(None)
_DEFAULT_RING_SIZE: Final = 1024


def apply_connection_pool(
    draft: ClusterDraft, mesh: MeshConfig, pool: Fields | None, retry_budget: Fields | None
) -> None:
    """Circuit breakers, connect timeout, keep-alive and HTTP limits; values of 0 mean Envoy's default."""
    pool = pool if pool is not None else _NOTHING
    http = pool.fields("http")
    tcp = pool.fields("tcp")
    cluster = draft.cluster
    cluster.connect_timeout.CopyFrom(duration(mesh.connect_timeout))
    timeout = optional_duration(tcp, "connectTimeout")
    if timeout is not None:
        cluster.connect_timeout.CopyFrom(timeout)
    _apply_keepalive(cluster, mesh.tcp_keepalive)
    _apply_keepalive(cluster, tcp.fields("tcpKeepalive") if "tcpKeepalive" in tcp else None)
    threshold = cluster.circuit_breakers.thresholds.add()
    threshold.max_connections.value = tcp.integer("maxConnections") or UNLIMITED
    threshold.max_pending_requests.value = http.integer("http1MaxPendingRequests") or UNLIMITED
    threshold.max_requests.value = http.integer("http2MaxRequests") or UNLIMITED
    threshold.max_retries.value = http.integer("maxRetries") or UNLIMITED
    _apply_retry_budget(threshold, retry_budget)
    _apply_http_limits(draft, http, tcp)
    if http.flag("useClientProtocol"):
        draft.use_client_protocol()


def _apply_retry_budget(threshold: circuit_breaker_pb2.CircuitBreakers.Thresholds, budget: Fields | None) -> None:
    if budget is None:
        return
    # Without percent Istio writes 0.2, which Envoy reads as 0.2 %.
    threshold.retry_budget.budget_percent.value = budget.number("percent") if "percent" in budget else 0.2
    threshold.retry_budget.min_retry_concurrency.value = budget.integer("minRetryConcurrency") or 3


def _apply_keepalive(cluster: Cluster, keepalive: Fields | None) -> None:
    """TCP keep-alive of the mesh, then single values of the DestinationRule over it."""
    if keepalive is None:
        return
    target = cluster.upstream_connection_options.tcp_keepalive
    target.SetInParent()
    if keepalive.integer("probes") > 0:
        target.keepalive_probes.value = keepalive.integer("probes")
    for key, field in (("time", target.keepalive_time), ("interval", target.keepalive_interval)):
        span = keepalive.duration(key)
        if span is not None:
            field.value = span // SECOND


def _apply_http_limits(draft: ClusterDraft, http: Fields, tcp: Fields) -> None:
    idle = optional_duration(http, "idleTimeout")
    if idle is None:
        idle = optional_duration(tcp, "idleTimeout")
    life = optional_duration(tcp, "maxConnectionDuration")
    requests = http.integer("maxRequestsPerConnection")
    streams = http.integer("maxConcurrentStreams")
    keepalive = http.fields("http2KeepAlive") if "http2KeepAlive" in http else None
    if draft.is_http2 and keepalive is not None:
        target = draft.options().explicit_http_config.http2_protocol_options.connection_keepalive
        target.SetInParent()
        for key, field in (
            ("interval", target.interval),
            ("timeout", target.timeout),
            ("connectionIdleInterval", target.connection_idle_interval),
        ):
            span = optional_duration(keepalive, key)
            if span is not None:
                field.CopyFrom(span)
    if life is None and idle is None and requests <= 0 and streams <= 0:
        return
    common = draft.options().common_http_protocol_options
    common.SetInParent()
    if idle is not None:
        common.idle_timeout.CopyFrom(idle)
    if requests > 0:
        common.max_requests_per_connection.value = requests
    if life is not None:
        common.max_connection_duration.CopyFrom(life)
    if draft.is_http2 and streams > 0:
        draft.options().explicit_http_config.http2_protocol_options.max_concurrent_streams.value = streams


def upgrades_to_http2(port: ServicePort, mesh: MeshConfig, pool: Fields | None) -> bool:
    """Whether HTTP/1.1 requests of a declared HTTP port go out as HTTP/2: by the rule's pool, else by the mesh."""
    http = pool.fields("http") if pool is not None else _NOTHING
    if http.flag("useClientProtocol") or not port.protocol.is_http:
        return False
    override = http.text("h2UpgradePolicy", "DEFAULT")
    return mesh.h2_upgrade if override == "DEFAULT" else override == "UPGRADE"


def apply_outlier_detection(cluster: Cluster, outlier: Fields | None) -> None:
    """Passive health checking; success-rate ejection is always off."""
    if outlier is None:
        return
    target = outlier_detection_pb2.OutlierDetection(enforcing_success_rate=uint32(0))
    errors = outlier.optional_integer("consecutive5xxErrors")
    if errors is not None:
        target.consecutive_5xx.value = errors
        target.enforcing_consecutive_5xx.value = 100 if errors > 0 else 0
    gateway = outlier.optional_integer("consecutiveGatewayErrors")
    if gateway is not None:
        target.consecutive_gateway_failure.value = gateway
        target.enforcing_consecutive_gateway_failure.value = 100 if gateway > 0 else 0
    for key, field in (("interval", target.interval), ("baseEjectionTime", target.base_ejection_time)):
        span = optional_duration(outlier, key)
        if span is not None:
            field.CopyFrom(span)
    if outlier.integer("maxEjectionPercent") > 0:
        target.max_ejection_percent.value = outlier.integer("maxEjectionPercent")
    if outlier.flag("splitExternalLocalOriginErrors"):
        target.split_external_local_origin_errors = True
        local = outlier.integer("consecutiveLocalOriginFailures")
        if local > 0:
            target.consecutive_local_origin_failure.value = local
            target.enforcing_consecutive_local_origin_failure.value = 100
        target.enforcing_local_origin_success_rate.value = 0
        target.enforcing_local_origin_success_rate.SetInParent()
    cluster.outlier_detection.CopyFrom(target)
    percent = outlier.integer("minHealthPercent")
    if percent >= 0:
        cluster.common_lb_config.healthy_panic_threshold.CopyFrom(percent_pb2.Percent(value=percent))


def apply_load_balancer(cluster: Cluster, service: Service, balancer: Fields | None) -> None:
    """Load-balancing policy; least request unless the rule says otherwise."""
    if service.supports_unhealthy:
        cluster.common_lb_config.healthy_panic_threshold.CopyFrom(percent_pb2.Percent(value=0))
    if cluster.type == Cluster.ORIGINAL_DST:
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        return
    balancer = balancer if balancer is not None else _NOTHING
    simple = balancer.text("simple")
    if simple == "RANDOM":
        cluster.lb_policy = Cluster.RANDOM
    elif simple == "ROUND_ROBIN":
        cluster.lb_policy = Cluster.ROUND_ROBIN
        slow_start = _slow_start(balancer)
        if slow_start is not None:
            cluster.round_robin_lb_config.slow_start_config.CopyFrom(slow_start)
    elif simple == "PASSTHROUGH":
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        cluster.type = Cluster.ORIGINAL_DST
        cluster.ClearField("load_assignment")
    else:
        cluster.lb_policy = Cluster.LEAST_REQUEST
        slow_start = _slow_start(balancer)
        if slow_start is not None:
            cluster.least_request_lb_config.slow_start_config.CopyFrom(slow_start)
    if "consistentHash" in balancer:
        _apply_consistent_hash(cluster, balancer.fields("consistentHash"))


def _slow_start(balancer: Fields) -> Cluster.SlowStartConfig | None:
    """Warm-up of new endpoints: linear from 10 % unless given."""
    if "warmup" in balancer:
        warmup = balancer.fields("warmup")
        return Cluster.SlowStartConfig(
            slow_start_window=optional_duration(warmup, "duration"),
            aggression=base_pb2.RuntimeDouble(
                default_value=warmup.number("aggression") if "aggression" in warmup else 1.0, runtime_key="("
            ),
            min_weight_percent=percent_pb2.Percent(
                value=warmup.number("minimumPercent") if "minimumPercent" in warmup else 10.0
            ),
        )
    window = optional_duration(balancer, "warmupDurationSecs")
    return Cluster.SlowStartConfig(slow_start_window=window) if window is not None else None


def _apply_consistent_hash(cluster: Cluster, settings: Fields) -> None:
    if "maglev" in settings:
        cluster.lb_policy = Cluster.MAGLEV
        size = settings.fields("maglev").integer("tableSize")
        if size:
            cluster.maglev_lb_config.table_size.CopyFrom(wrappers_pb2.UInt64Value(value=size))
        return
    cluster.lb_policy = Cluster.RING_HASH
    if "ringHash" in settings:
        size = settings.fields("ringHash").integer("minimumRingSize")
        if size:
            cluster.ring_hash_lb_config.minimum_ring_size.CopyFrom(wrappers_pb2.UInt64Value(value=size))
        return
    size = settings.integer("minimumRingSize") or _DEFAULT_RING_SIZE
    cluster.ring_hash_lb_config.minimum_ring_size.CopyFrom(wrappers_pb2.UInt64Value(value=size))
