"""Network filters as decoded values (envoy/extensions/filters/network).

DEVIATION: TCP proxies have no jitter of their longest duration, connect at once (`upstream_connect_mode` IMMEDIATE),
and ask for no clusters on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from google.protobuf import any_pb2

from meshsim.dataplane.decide.connection_managers import ConnectionManager, decode_connection_manager
from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.extensions import check_registered
from meshsim.dataplane.decide.rbac import RbacConfig, decode_rbac
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.routes import HashPolicy, HashSource
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import Nanos
from meshsim.xds.messages import (
    http_connection_manager_pb2,
    listener_components_pb2,
    network_ext_authz_pb2,
    network_rbac_pb2,
    sni_dynamic_forward_proxy_pb2,
    tcp_proxy_pb2,
)


class TcpCluster(NamedTuple):
    """A cluster of a TCP proxy and its weight."""

    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class TcpProxy:
    """The TCP proxy filter (Envoy source/common/tcp_proxy)."""

    stat_prefix: str
    clusters: tuple[TcpCluster, ...]
    idle_timeout: Nanos
    max_duration: Nanos
    max_connect_attempts: int
    backoff: tuple[Nanos, Nanos]
    """Between two of them: the first interval and the longest."""
    hash_policies: tuple[HashPolicy, ...]
    tunnel_host: str
    """Host of an HTTP CONNECT tunnel, empty without."""


class EnforceNetworkRbac(NamedTuple):
    """The network RBAC filter: closes at the first byte."""

    config: RbacConfig


class NetworkExtAuthz(NamedTuple):
    """External authorization of a connection."""

    cluster: str
    failure_mode_allow: bool


class SniForwardProxy(NamedTuple):
    """Sends a connection to the host of its server name, at this port (source/extensions/filters/network/
    sni_dynamic_forward_proxy/proxy_filter.cc)."""

    port: int


class PassiveNetworkFilter(NamedTuple):
    """A network filter without part in the decision."""

    name: str


NetworkFilter: TypeAlias = (
    ConnectionManager | TcpProxy | EnforceNetworkRbac | NetworkExtAuthz | SniForwardProxy | PassiveNetworkFilter
)


_NETWORK: Final = "envoy.extensions.filters.network."
_PASSIVE: Final = frozenset(
    {
        "stats.PluginConfig",
        "udpa.type.v1.TypedStruct",
        f"{_NETWORK}mongo_proxy.v3.MongoProxy",
        f"{_NETWORK}connection_limit.v3.ConnectionLimit",
        f"{_NETWORK}sni_cluster.v3.SniCluster",
        f"{_NETWORK}local_ratelimit.v3.LocalRateLimit",
    }
)


def decode_network_filter(message: listener_components_pb2.Filter, notes: Notes) -> NetworkFilter:
    """A network filter by its type; what cannot change a decision is passive, what is not known is noted."""
    type_name = message.typed_config.type_url.rpartition("/")[2]
    if type_name in _NETWORK_DECODERS:
        decoded, noted = _decoded(message.typed_config.type_url, message.typed_config.value)
        notes.extend(noted)
        return decoded
    if type_name not in _PASSIVE:
        notes.append(f"network filter {message.name}")
    return PassiveNetworkFilter(message.name)


@lru_cache(maxsize=1024)
def _decoded(type_url: str, value: bytes) -> tuple[NetworkFilter, tuple[str, ...]]:
    """A filter and what it notes; chains of a listener, and sidecars of a mesh, have most of theirs in common."""
    notes: Notes = []
    decoder = _NETWORK_DECODERS[type_url.rpartition("/")[2]]
    return decoder(any_pb2.Any(type_url=type_url, value=value), notes), tuple(notes)


def _connection_manager(packed: any_pb2.Any, notes: Notes) -> NetworkFilter:
    return decode_connection_manager(unpack_valid(packed, http_connection_manager_pb2.HttpConnectionManager), notes)


def _tcp_proxy(packed: any_pb2.Any, notes: Notes) -> NetworkFilter:
    message = unpack_valid(packed, tcp_proxy_pb2.TcpProxy)
    for log in message.access_log:
        check_registered(log.name, log.typed_config)
    kind = message.WhichOneof("cluster_specifier")
    if kind is None:
        raise ResourceRejectedError("TcpProxyValidationError.ClusterSpecifier: value is required")
    clusters = tuple(TcpCluster(c.name, c.weight) for c in message.weighted_clusters.clusters)
    return TcpProxy(
        message.stat_prefix,
        clusters or (TcpCluster(message.cluster, 1),),
        nanos(message.idle_timeout) if message.HasField("idle_timeout") else 3_600_000_000_000,
        nanos(message.max_downstream_connection_duration),
        message.max_connect_attempts.value or 1,
        _backoff(message) if message.HasField("backoff_options") else (0, 0),
        tuple(HashPolicy(HashSource.SOURCE_IP) for h in message.hash_policy if h.HasField("source_ip"))[:1],
        message.tunneling_config.hostname,
    )


def _backoff(message: tcp_proxy_pb2.TcpProxy) -> tuple[Nanos, Nanos]:
    options = message.backoff_options
    base = nanos(options.base_interval)
    longest = nanos(options.max_interval) if options.HasField("max_interval") else 10 * base
    if longest < base:
        raise ResourceRejectedError("max_backoff_interval must be greater or equal to base_backoff_interval")
    return base, longest


def _network_rbac(packed: any_pb2.Any, notes: Notes) -> NetworkFilter:
    return EnforceNetworkRbac(decode_rbac(unpack_valid(packed, network_rbac_pb2.RBAC), "network", notes))


def _network_ext_authz(packed: any_pb2.Any, notes: Notes) -> NetworkFilter:
    message = unpack_valid(packed, network_ext_authz_pb2.ExtAuthz)
    return NetworkExtAuthz(message.grpc_service.envoy_grpc.cluster_name, message.failure_mode_allow)


def _sni_forward_proxy(packed: any_pb2.Any, notes: Notes) -> NetworkFilter:
    return SniForwardProxy(unpack_valid(packed, sni_dynamic_forward_proxy_pb2.FilterConfig).port_value)


_NETWORK_DECODERS: Final[Mapping[str, Callable[[any_pb2.Any, Notes], NetworkFilter]]] = {
    f"{_NETWORK}http_connection_manager.v3.HttpConnectionManager": _connection_manager,
    f"{_NETWORK}tcp_proxy.v3.TcpProxy": _tcp_proxy,
    f"{_NETWORK}rbac.v3.RBAC": _network_rbac,
    f"{_NETWORK}ext_authz.v3.ExtAuthz": _network_ext_authz,
    f"{_NETWORK}sni_dynamic_forward_proxy.v3.FilterConfig": _sni_forward_proxy,
}
