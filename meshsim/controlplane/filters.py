"""Filters that are the same everywhere: HTTP, network and listener filters without settings of their own.

istio pilot/pkg/xds/filters/filters.go, release 1.31. Filters marked Istio-only exist in Istio's Envoy build alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from google.protobuf import json_format

from meshsim.xds.istio_messages import AlpnFilterConfig
from meshsim.xds.messages import (
    any_pb2,
    cluster_pb2,
    cors_pb2,
    dns_cache_pb2,
    fault_pb2,
    grpc_stats_pb2,
    grpc_web_pb2,
    http_connection_manager_pb2,
    http_dynamic_forward_proxy_pb2,
    http_inspector_pb2,
    listener_components_pb2,
    listener_proxy_protocol_pb2,
    mongo_proxy_pb2,
    original_dst_pb2,
    original_src_pb2,
    router_pb2,
    sni_dynamic_forward_proxy_pb2,
    struct_pb2,
    tls_inspector_pb2,
    typed_struct_pb2,
    wrappers_pb2,
)
from meshsim.xds.packing import pack

HttpFilter = http_connection_manager_pb2.HttpFilter
Filter = listener_components_pb2.Filter
ListenerFilter = listener_components_pb2.ListenerFilter

METADATA_EXCHANGE: Final = "istio.metadata_exchange"
STATS: Final = "istio.stats"
HTTP_CONNECTION_MANAGER: Final = "envoy.filters.network.http_connection_manager"
TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
_TYPE_PREFIX: Final = "type.googleapis.com/"
_TPROXY_MARK: Final = 1337


def _typed_struct(type_name: str, value: Mapping[str, object]) -> any_pb2.Any:
    """A message nobody has the type of, as a TypedStruct."""
    struct = json_format.ParseDict(dict(value), struct_pb2.Struct())
    return pack(typed_struct_pb2.TypedStruct(type_url=_TYPE_PREFIX + type_name, value=struct))


@cache
def tcp_metadata_exchange_config() -> any_pb2.Any:
    """Istio-only: peers tell each other who they are over mTLS connections; also a cluster filter."""
    return _typed_struct(
        "envoy.tcp.metadataexchange.config.MetadataExchange",
        {"protocol": "istio-peer-exchange", "enable_discovery": True},
    )


@cache
def tcp_metadata_exchange() -> listener_components_pb2.Filter:
    """Istio-only: the network filter of inbound chains."""
    return Filter(name=METADATA_EXCHANGE, typed_config=tcp_metadata_exchange_config())


@cache
def http_metadata_exchange(*, inbound: bool, skip_external: bool = False) -> http_connection_manager_pb2.HttpFilter:
    """Istio-only: peer identity in headers; `skip_external` keeps them from clusters outside the mesh."""
    side = "downstream" if inbound else "upstream"
    headers: Mapping[str, object] = {"skip_external_clusters": True} if skip_external else {}
    config = _typed_struct(
        "io.istio.http.peer_metadata.Config",
        {
            f"{side}_discovery": [{"istio_headers": {}}, {"workload_discovery": {}}],
            f"{side}_propagation": [{"istio_headers": headers}],
        },
    )
    return HttpFilter(name=METADATA_EXCHANGE, typed_config=config)


@cache
def grpc_web() -> http_connection_manager_pb2.HttpFilter:
    return HttpFilter(name="envoy.filters.http.grpc_web", typed_config=pack(grpc_web_pb2.GrpcWeb()))


@cache
def grpc_stats() -> http_connection_manager_pb2.HttpFilter:
    config = grpc_stats_pb2.FilterConfig(
        emit_filter_state=True, stats_for_all_methods=wrappers_pb2.BoolValue(value=False)
    )
    return HttpFilter(name="envoy.filters.http.grpc_stats", typed_config=pack(config))


@cache
def alpn() -> http_connection_manager_pb2.HttpFilter:
    """Istio-only: tells the server's sidecar which protocol is inside the mTLS connection."""
    config = AlpnFilterConfig()
    for protocol, name in (("HTTP10", "http/1.0"), ("HTTP11", "http/1.1"), ("HTTP2", "h2")):
        istio = f"istio-{name}"
        config.alpn_override.add(upstream_protocol=protocol, alpn_override=[istio, "istio", name])
    return HttpFilter(name="istio.alpn", typed_config=pack(config))


@cache
def fault() -> http_connection_manager_pb2.HttpFilter:
    return HttpFilter(name="envoy.filters.http.fault", typed_config=pack(fault_pb2.HTTPFault()))


@cache
def cors() -> http_connection_manager_pb2.HttpFilter:
    return HttpFilter(name="envoy.filters.http.cors", typed_config=pack(cors_pb2.Cors()))


@cache
def router(*, suppress_envoy_headers: bool) -> http_connection_manager_pb2.HttpFilter:
    config = router_pb2.Router(suppress_envoy_headers=suppress_envoy_headers)
    return HttpFilter(name="envoy.filters.http.router", typed_config=pack(config))


@cache
def dynamic_forward_proxy(dns_cache: str, *, ipv6: bool, max_hosts: int = 0) -> http_connection_manager_pb2.HttpFilter:
    """Resolves the host of each request; `max_hosts` 0 = Envoy's default."""
    config = http_dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=_dns_cache(dns_cache, ipv6, max_hosts))
    return HttpFilter(name="envoy.filters.http.dynamic_forward_proxy", typed_config=pack(config))


@cache
def sni_dynamic_forward_proxy(dns_cache: str, port: int, *, ipv6: bool) -> listener_components_pb2.Filter:
    """Resolves the SNI of each connection."""
    config = sni_dynamic_forward_proxy_pb2.FilterConfig(
        dns_cache_config=_dns_cache(dns_cache, ipv6, 0), port_value=port
    )
    return Filter(name="envoy.extensions.filters.network.sni_dynamic_forward_proxy", typed_config=pack(config))


def _dns_cache(name: str, ipv6: bool, max_hosts: int) -> dns_cache_pb2.DnsCacheConfig:
    family = cluster_pb2.Cluster.V6_ONLY if ipv6 else cluster_pb2.Cluster.V4_ONLY
    out = dns_cache_pb2.DnsCacheConfig(name=name, dns_lookup_family=family)
    if max_hosts:
        out.max_hosts.value = max_hosts
    return out


@cache
def mongo(stat_prefix: str) -> listener_components_pb2.Filter:
    config = mongo_proxy_pb2.MongoProxy(stat_prefix=stat_prefix)
    return Filter(name="envoy.filters.network.mongo_proxy", typed_config=pack(config))


@cache
def tls_inspector() -> listener_components_pb2.ListenerFilter:
    config = tls_inspector_pb2.TlsInspector(initial_read_buffer_size=wrappers_pb2.UInt32Value(value=512))
    return ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=pack(config))


@cache
def http_inspector() -> listener_components_pb2.ListenerFilter:
    config = pack(http_inspector_pb2.HttpInspector())
    return ListenerFilter(name="envoy.filters.listener.http_inspector", typed_config=config)


@cache
def original_dst() -> listener_components_pb2.ListenerFilter:
    return ListenerFilter(name="envoy.filters.listener.original_dst", typed_config=pack(original_dst_pb2.OriginalDst()))


@cache
def original_src() -> listener_components_pb2.ListenerFilter:
    """Keeps the client's address under TPROXY."""
    config = pack(original_src_pb2.OriginalSrc(mark=_TPROXY_MARK))
    return ListenerFilter(name="envoy.filters.listener.original_src", typed_config=config)


@cache
def proxy_protocol() -> listener_components_pb2.ListenerFilter:
    config = pack(listener_proxy_protocol_pb2.ProxyProtocol())
    return ListenerFilter(name="envoy.filters.listener.proxy_protocol", typed_config=config)
