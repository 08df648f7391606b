"""Clusters and endpoint assignments as decoded values (envoy/config/cluster/v3, envoy/config/endpoint/v3).

DEVIATION: connections to hosts that become unhealthy go on, whatever `close_connections_on_host_health_failure` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from meshsim.dataplane.decide.addresses import check_addresses
from meshsim.dataplane.decide.balancers import Balancer, LbKind
from meshsim.dataplane.decide.durations import fetch_timeout, nanos
from meshsim.dataplane.decide.endpoints import Endpoint as Endpoint
from meshsim.dataplane.decide.endpoints import Health as Health
from meshsim.dataplane.decide.endpoints import Labels, labels
from meshsim.dataplane.decide.endpoints import LoadAssignment as LoadAssignment
from meshsim.dataplane.decide.endpoints import LocalityEndpoints as LocalityEndpoints
from meshsim.dataplane.decide.endpoints import decode_address as decode_address
from meshsim.dataplane.decide.endpoints import decode_assignment as decode_assignment
from meshsim.dataplane.decide.health_checks import HealthCheck, decode_health_check
from meshsim.dataplane.decide.lb_policies import decode_balancing
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.route_decoding import config_path
from meshsim.dataplane.decide.strings import Notes
from meshsim.dataplane.decide.subsets import SubsetRule
from meshsim.dataplane.decide.transport_sockets import (
    PLAIN,
    UpstreamSocket,
    UpstreamTls,
    decode_upstream_socket,
    upstream_tls,
)
from meshsim.dataplane.host_health import OutlierSpec
from meshsim.units import Nanos
from meshsim.xds.messages import (
    base_pb2,
    circuit_breaker_pb2,
    cluster_pb2,
    http_protocol_options_pb2,
    outlier_detection_pb2,
)

_FACTORIES: Final = frozenset(
    f"envoy.{kind}"
    for kind in (
        *("cluster.static", "cluster.strict_dns", "cluster.logical_dns", "cluster.eds", "cluster.original_dst"),
        *("cluster.dns", "clusters.aggregate", "clusters.composite", "clusters.dynamic_forward_proxy"),
        *("clusters.dynamic_modules", "clusters.mcp_multicluster", "clusters.redis", "clusters.reverse_connection"),
    )
)
"""Kinds of clusters by name that Envoy 1.40 has."""
_PER_HOST: Final = ("priority", "max_connections", "track_remaining")
_OPTIONS_OF: Final = ("envoy.filters.", "envoy.extensions.", "istio.")
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Discovery(Enum):
    """How a cluster finds its hosts."""

    STATIC = 0
    STRICT_DNS = 1
    LOGICAL_DNS = 2
    EDS = 3
    ORIGINAL_DST = 4
    CUSTOM = 100
    """An extension; of these the dynamic forward proxy is known."""


class UpstreamHttp(Enum):
    """Which HTTP a cluster speaks to its hosts."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    AS_DOWNSTREAM = "as downstream"
    ALPN = "by ALPN"


class Thresholds(NamedTuple):
    """Circuit breakers of one priority (Envoy's defaults: 1024, 1024, 1024, 3)."""

    connections: int = 1024
    pending_requests: int = 1024
    requests: int = 1024
    retries: int = 3
    retry_budget_percent: float | None = None
    min_retry_concurrency: int = 3
    host_connections: int | None = None
    """Most connections to one host, None = any number."""
    pools: int | None = None
    """Most pools of connections at once, None = any number."""


class SocketMatch(NamedTuple):
    """A transport socket for the endpoints whose metadata hold all of `labels`."""

    name: str
    labels: tuple[tuple[str, str], ...]
    socket: UpstreamSocket


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Cluster:
    """A decoded cluster; compared by identity, as equal bytes decode to one object."""

    name: str
    discovery: Discovery
    eds_name: str
    """Name its endpoints are asked for by; empty unless EDS."""
    balancer: Balancer
    panic_threshold: float
    connect_timeout: Nanos
    thresholds: Thresholds
    thresholds_high: Thresholds
    outlier: OutlierSpec | None
    http: UpstreamHttp
    max_requests_per_connection: int
    idle_timeout: Nanos
    socket: UpstreamSocket
    socket_matches: tuple[SocketMatch, ...]
    auto_sni: bool
    auto_san_validation: bool
    bind_address: str
    assignment: LoadAssignment | None
    """Hosts written into the cluster itself."""
    config: str
    services: tuple[str, ...]
    """Hosts of the services behind it, from Istio's metadata."""
    alpn_override: bool
    """Whether Istio's ALPN filter may replace the protocols offered (``istio.alpn_override`` of its metadata)."""
    original_dst_port: int = 0
    """`upstream_port_override` of an ORIGINAL_DST cluster."""
    max_stream_duration: Nanos = 0
    """Longest time of one upstream stream, 0 = none."""
    max_connection_duration: Nanos = 0
    """0 = none."""
    max_concurrent_streams: int = 1024
    """Of an HTTP/2 connection."""
    subsets: SubsetRule | None = None
    endpoints_timeout: Nanos = 0
    """How long endpoints by EDS are waited for, 0 = for ever."""
    health_check: HealthCheck | None = None
    ignore_health_on_removal: bool = False
    """Whether removed hosts go at once, even if checks find them healthy."""
    waits_for_check: bool = False
    """Whether new hosts count for nothing until their first check."""
    by_connection: bool = False
    """Whether each downstream connection has connections of its own."""
    preconnect: float = 1.0
    """Streams that there are to be connections for, for each that a host has."""
    predict: float = 1.0
    """The same for each that the cluster has or that begins, at the hosts of the next ones."""
    unmodelled: tuple[str, ...] = field(default=())
    _transports: dict[Labels, UpstreamTls] = field(default_factory=dict, init=False, repr=False)
    """What is spoken with endpoints, by their labels, once somebody asked."""

    def transport_for(self, labels: Labels) -> UpstreamTls:
        """What is spoken below HTTP with endpoints of these ``envoy.transport_socket_match`` labels."""
        found = self._transports.get(labels)
        if found is None:
            found = self._transports[labels] = upstream_tls(*self._socket_for(labels))
        return found

    def socket_for(self, endpoint: Endpoint) -> tuple[str, UpstreamSocket]:
        """Name of the match and socket for an endpoint: the first match whose labels it has, else the cluster's own."""
        return self._socket_for(endpoint.socket_labels)

    def _socket_for(self, socket_labels: Labels) -> tuple[str, UpstreamSocket]:
        labels = dict(socket_labels)
        for match in self.socket_matches:
            if all(labels.get(key) == value for key, value in match.labels):
                return match.name, match.socket
        return "", self.socket


def decode_cluster(message: cluster_pb2.Cluster) -> Cluster:
    """The cluster; raises `ResourceRejectedError` with the reason of the NACK."""
    notes = _unmodelled(message)
    if not message.name:
        raise ResourceRejectedError("ClusterValidationError.Name: value length must be at least 1")
    custom = message.HasField("cluster_type")
    discovery = Discovery.CUSTOM if custom else Discovery(message.type)
    if custom and message.cluster_type.name != "envoy.clusters.dynamic_forward_proxy":
        notes.append(f"cluster type {message.cluster_type.name}")
    _check(message, discovery)
    balancing = decode_balancing(message, notes)
    _check_provided(message.name, discovery, balancing.balancer.kind)
    options = _http_options(message)
    common = options.common_http_protocol_options
    idle = common.idle_timeout
    per_connection = common.max_requests_per_connection.value or message.max_requests_per_connection.value
    panic = message.common_lb_config.healthy_panic_threshold
    return Cluster(
        message.name,
        discovery,
        (message.eds_cluster_config.service_name or message.name) if discovery is Discovery.EDS else "",
        balancing.balancer,
        panic.value if message.common_lb_config.HasField("healthy_panic_threshold") else 50.0,
        nanos(message.connect_timeout) if message.HasField("connect_timeout") else 5_000_000_000,
        _limits(message.circuit_breakers, base_pb2.DEFAULT),
        _limits(message.circuit_breakers, base_pb2.HIGH),
        _outlier(message.outlier_detection) if message.HasField("outlier_detection") else None,
        _http_version(message, options),
        per_connection,
        nanos(idle) if common.HasField("idle_timeout") else 3_600_000_000_000,
        decode_upstream_socket(message.transport_socket, notes) if message.HasField("transport_socket") else PLAIN,
        tuple(_socket_match(match, notes) for match in message.transport_socket_matches),
        options.upstream_http_protocol_options.auto_sni or message.upstream_http_protocol_options.auto_sni,
        options.upstream_http_protocol_options.auto_san_validation
        or message.upstream_http_protocol_options.auto_san_validation,
        message.upstream_bind_config.source_address.address,
        decode_assignment(message.load_assignment) if message.HasField("load_assignment") else None,
        config_path(message.metadata),
        _services(message.metadata),
        _istio(message.metadata).get("alpn_override") != "false",
        message.original_dst_lb_config.upstream_port_override.value,
        nanos(common.max_stream_duration),
        nanos(common.max_connection_duration),
        options.explicit_http_config.http2_protocol_options.max_concurrent_streams.value or 1024,
        balancing.subsets,
        fetch_timeout(message.eds_cluster_config.eds_config) if discovery is Discovery.EDS else 0,
        decode_health_check(message, notes),
        message.ignore_health_on_host_removal,
        message.common_lb_config.ignore_new_hosts_until_first_hc,
        message.connection_pool_per_downstream_connection,
        message.preconnect_policy.per_upstream_preconnect_ratio.value or 1.0,
        message.preconnect_policy.predictive_preconnect_ratio.value or 1.0,
        tuple(dict.fromkeys(notes)),
    )


def _socket_match(message: cluster_pb2.Cluster.TransportSocketMatch, notes: Notes) -> SocketMatch:
    """A transport socket, and the labels of endpoints that it is for."""
    labels = tuple((k, message.match.fields[k].string_value) for k in sorted(message.match.fields))
    return SocketMatch(message.name, labels, decode_upstream_socket(message.transport_socket, notes))


def _unmodelled(message: cluster_pb2.Cluster) -> Notes:
    """What a cluster asks for that the model does not do."""
    options = _http_options(message).explicit_http_config.http2_protocol_options
    return ["keepalive of HTTP/2 connections"] if options.HasField("connection_keepalive") else []


def _check(message: cluster_pb2.Cluster, discovery: Discovery) -> None:
    if discovery is Discovery.EDS and not message.HasField("eds_cluster_config"):
        raise ResourceRejectedError("cannot create an EDS cluster without an EDS config")
    provided = message.lb_policy == cluster_pb2.Cluster.CLUSTER_PROVIDED
    if discovery is Discovery.ORIGINAL_DST and not provided:
        lb_name = cluster_pb2.Cluster.LbPolicy.Name(message.lb_policy)
        raise ResourceRejectedError(
            f"cluster: LB policy {lb_name} is not valid for Cluster type ORIGINAL_DST. "
            "Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'"
        )
    _check_parts(message, discovery)
    if discovery is Discovery.STATIC:
        check_addresses(message.load_assignment, message.name)


def _check_provided(name: str, discovery: Discovery, kind: LbKind) -> None:
    """Whether the cluster brings its own balancer if it is asked for, and is asked for it if it does."""
    if kind is LbKind.CLUSTER_PROVIDED and discovery not in (Discovery.ORIGINAL_DST, Discovery.CUSTOM):
        raise ResourceRejectedError(
            f"cluster manager: cluster provided LB specified but cluster '{name}' did not provide one. "
            "Check cluster documentation."
        )
    if kind is not LbKind.CLUSTER_PROVIDED and discovery is Discovery.ORIGINAL_DST:
        raise ResourceRejectedError(
            f"cluster manager: cluster provided LB not specified but cluster '{name}' provided one. "
            "Check cluster documentation."
        )


def _check_parts(message: cluster_pb2.Cluster, discovery: Discovery) -> None:
    """What does not go together with the kind of cluster, or is known nowhere."""
    kind = discovery.name
    if discovery is Discovery.CUSTOM and message.cluster_type.name not in _FACTORIES:
        raise ResourceRejectedError(
            f"Didn't find a registered cluster factory implementation for name: '{message.cluster_type.name}'"
        )
    if discovery is Discovery.LOGICAL_DNS:
        if not message.HasField("load_assignment"):
            raise ResourceRejectedError("LOGICAL_DNS clusters must have a single host")
        if [len(locality.lb_endpoints) for locality in message.load_assignment.endpoints] != [1]:
            raise ResourceRejectedError(
                "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint"
            )
    if discovery in (Discovery.LOGICAL_DNS, Discovery.STRICT_DNS):
        hosts = (host for locality in message.load_assignment.endpoints for host in locality.lb_endpoints)
        if any(host.endpoint.address.socket_address.resolver_name for host in hosts):
            raise ResourceRejectedError(f"{kind} clusters must NOT have a custom resolver name set")
    if discovery is Discovery.ORIGINAL_DST and message.HasField("load_assignment"):
        raise ResourceRejectedError("ORIGINAL_DST clusters must have no load assignment configured")
    if discovery is not Discovery.EDS and message.HasField("eds_cluster_config"):
        raise ResourceRejectedError("eds_cluster_config set in a non-EDS cluster")
    source = message.eds_cluster_config.eds_config.WhichOneof("config_source_specifier")
    if discovery is Discovery.EDS and source in (None, "self"):
        raise ResourceRejectedError("Missing config source specifier in envoy::config::core::v3::ConfigSource")
    if message.lb_policy == cluster_pb2.Cluster.CLUSTER_PROVIDED and message.lb_subset_config.subset_selectors:
        raise ResourceRejectedError("cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config")
    subsets = message.lb_subset_config
    weighted = message.common_lb_config.HasField("locality_weighted_lb_config")
    if subsets.subset_selectors and subsets.locality_weight_aware and not weighted:
        raise ResourceRejectedError(
            f"Locality weight aware subset LB requires that a locality_weighted_lb_config be set in {message.name}"
        )
    hashes_names = message.common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing
    if hashes_names and discovery is not Discovery.STRICT_DNS:
        raise ResourceRejectedError(
            "Cannot use hostname for consistent hashing loadbalancing for cluster of type: "
            f"'envoy.cluster.{kind.lower()}'"
        )
    for thresholds in message.circuit_breakers.per_host_thresholds:
        if any(field.name not in _PER_HOST for field, _ in thresholds.ListFields()):
            raise ResourceRejectedError("Unsupported field in per_host_thresholds")
    for name in sorted(message.typed_extension_protocol_options):
        if not name.startswith(_OPTIONS_OF):
            raise ResourceRejectedError(
                f"Didn't find a registered network or http filter or protocol options implementation for name: '{name}'"
            )


def _http_options(message: cluster_pb2.Cluster) -> http_protocol_options_pb2.HttpProtocolOptions:
    packed = message.typed_extension_protocol_options
    if _HTTP_OPTIONS in packed:
        return unpack_valid(packed[_HTTP_OPTIONS], http_protocol_options_pb2.HttpProtocolOptions)
    return http_protocol_options_pb2.HttpProtocolOptions()


def _http_version(message: cluster_pb2.Cluster, options: http_protocol_options_pb2.HttpProtocolOptions) -> UpstreamHttp:
    kind = options.WhichOneof("upstream_protocol_options")
    if kind == "explicit_http_config":
        explicit = options.explicit_http_config.WhichOneof("protocol_config")
        return UpstreamHttp.HTTP2 if explicit == "http2_protocol_options" else UpstreamHttp.HTTP1
    if kind == "use_downstream_protocol_config":
        return UpstreamHttp.AS_DOWNSTREAM
    if kind == "auto_config":
        return UpstreamHttp.ALPN
    if message.protocol_selection == cluster_pb2.Cluster.USE_DOWNSTREAM_PROTOCOL:
        return UpstreamHttp.AS_DOWNSTREAM
    return UpstreamHttp.HTTP2 if message.HasField("http2_protocol_options") else UpstreamHttp.HTTP1


def _limits(message: circuit_breaker_pb2.CircuitBreakers, priority: int) -> Thresholds:
    """The thresholds of a priority: the first of its entries."""
    found = next((_thresholds(t) for t in message.thresholds if t.priority == priority), Thresholds())
    each = next((t for t in message.per_host_thresholds if t.priority == priority), None)
    if each is None or not each.HasField("max_connections"):
        return found
    return found._replace(host_connections=each.max_connections.value)


def _thresholds(message: circuit_breaker_pb2.CircuitBreakers.Thresholds) -> Thresholds:
    budget = message.HasField("retry_budget")
    percent = message.retry_budget.budget_percent
    concurrency = message.retry_budget.min_retry_concurrency
    return Thresholds(
        message.max_connections.value if message.HasField("max_connections") else 1024,
        message.max_pending_requests.value if message.HasField("max_pending_requests") else 1024,
        message.max_requests.value if message.HasField("max_requests") else 1024,
        message.max_retries.value if message.HasField("max_retries") else 3,
        (percent.value if message.retry_budget.HasField("budget_percent") else 20.0) if budget else None,
        concurrency.value if message.retry_budget.HasField("min_retry_concurrency") else 3,
        pools=message.max_connection_pools.value if message.HasField("max_connection_pools") else None,
    )


def _outlier(message: outlier_detection_pb2.OutlierDetection) -> OutlierSpec:
    def number(name: str, default: int) -> int:
        value: int = getattr(message, name).value
        return value if message.HasField(name) else default  # type: ignore[arg-type]

    base = nanos(message.base_ejection_time) if message.HasField("base_ejection_time") else 30_000_000_000
    highest = nanos(message.max_ejection_time) if message.HasField("max_ejection_time") else 300_000_000_000
    if message.HasField("max_ejection_time") and highest < base:
        raise ResourceRejectedError("outlier detector's max_ejection_time cannot be smaller than base_ejection_time")
    return OutlierSpec(
        interval=nanos(message.interval) if message.HasField("interval") else 10_000_000_000,
        base_ejection=base,
        max_ejection=max(base, highest),
        max_ejection_percent=number("max_ejection_percent", 10),
        consecutive_5xx=number("consecutive_5xx", 5),
        enforcing_5xx=number("enforcing_consecutive_5xx", 100),
        consecutive_gateway=number("consecutive_gateway_failure", 5),
        enforcing_gateway=number("enforcing_consecutive_gateway_failure", 0),
        split_local_errors=message.split_external_local_origin_errors,
        consecutive_local=number("consecutive_local_origin_failure", 5),
        enforcing_local=number("enforcing_consecutive_local_origin_failure", 100),
        enforcing_success_rate=number("enforcing_success_rate", 100),
        always_eject_one=message.always_eject_one_host.value,
        success_rate_hosts=number("success_rate_minimum_hosts", 5),
        success_rate_volume=number("success_rate_request_volume", 100),
        success_rate_factor=number("success_rate_stdev_factor", 1900),
        enforcing_failure_percentage=number("enforcing_failure_percentage", 0),
        failure_percentage_hosts=number("failure_percentage_minimum_hosts", 5),
        failure_percentage_volume=number("failure_percentage_request_volume", 50),
        failure_percentage=number("failure_percentage_threshold", 85),
        ejection_jitter=nanos(message.max_ejection_time_jitter),
        enforcing_local_success_rate=number("enforcing_local_origin_success_rate", 100),
        enforcing_local_failure_percentage=number("enforcing_failure_percentage_local_origin", 0),
        check_unejects=message.successful_active_health_check_uneject_host.value
        if message.HasField("successful_active_health_check_uneject_host")
        else True,
    )


def _istio(metadata: base_pb2.Metadata) -> dict[str, str]:
    return dict(labels(metadata.filter_metadata.get("istio")))


def _services(metadata: base_pb2.Metadata) -> tuple[str, ...]:
    istio = metadata.filter_metadata.get("istio")
    if istio is None or "services" not in istio.fields:
        return ()
    return tuple(s.struct_value.fields["host"].string_value for s in istio.fields["services"].list_value.values)
