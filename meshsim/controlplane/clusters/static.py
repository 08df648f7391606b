"""Clusters every proxy of a kind has: black hole, passthrough, and the dynamic forward proxy for unknown hosts.

istio pilot/pkg/networking/core/cluster_builder.go, release 1.31.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meshsim.controlplane.clusters.draft import (
    HTTP_OPTIONS,
    METADATA_EXCHANGE,
    Cluster,
    ClusterDraft,
    HttpProtocolOptions,
)
from meshsim.controlplane.clusters.policies import apply_connection_pool
from meshsim.controlplane.protobuf_values import duration, uint32
from meshsim.units import MINUTE
from meshsim.xds.messages import (
    address_pb2,
    dns_cache_pb2,
    dynamic_forward_proxy_cluster_pb2,
    protocol_pb2,
)
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.views import ProxyView

_MAX_HOSTS: Final = 1024
_OPTIONS: Final = pack(
    HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=duration(5 * MINUTE)),
        use_downstream_protocol_config=HttpProtocolOptions.UseDownstreamHttpConfig(
            http_protocol_options=protocol_pb2.Http1ProtocolOptions(),
            http2_protocol_options=protocol_pb2.Http2ProtocolOptions(),
        ),
    )
)


def black_hole(mesh: MeshConfig) -> Cluster:
    """A cluster without endpoints, for traffic that must go nowhere."""
    return Cluster(
        name="BlackHoleCluster",
        alt_stat_name="BlackHoleCluster;",
        type=Cluster.STATIC,
        connect_timeout=duration(mesh.connect_timeout),
        lb_policy=Cluster.ROUND_ROBIN,
    )


def passthrough(mesh: MeshConfig) -> Cluster:
    """Where traffic to hosts that nobody declared goes: its original destination."""
    cluster = _original_destination(mesh, "PassthroughCluster")
    cluster.filters.append(METADATA_EXCHANGE)
    return cluster


def inbound_passthrough(mesh: MeshConfig, view: ProxyView) -> Cluster:
    """Where inbound traffic to ports that no service declares goes."""
    cluster = _original_destination(mesh, "InboundPassthroughCluster")
    source = "::6" if view.ipv6_only else "127.0.0.6"
    cluster.upstream_bind_config.source_address.CopyFrom(address_pb2.SocketAddress(address=source, port_value=0))
    return cluster


def _original_destination(mesh: MeshConfig, name: str) -> Cluster:
    cluster = Cluster(
        name=name,
        alt_stat_name="PassthroughCluster;",
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
    )
    apply_connection_pool(ClusterDraft(cluster), mesh, mesh.default_policy.connection_pool, None)
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(_OPTIONS)
    return cluster


def dynamic_dns(mesh: MeshConfig, view: ProxyView) -> Cluster:
    """Where HTTP to unknown hosts goes under ALLOW_ANY_DYNAMIC_DNS: the proxy resolves the host of each request."""
    family = Cluster.V6_ONLY if view.ipv6_only else Cluster.V4_ONLY
    cache = dns_cache_pb2.DnsCacheConfig(
        name="allow_any_dfp_dns_cache", dns_lookup_family=family, max_hosts=uint32(_MAX_HOSTS)
    )
    cluster = Cluster(
        name="AllowAnyDynamicDNSCluster",
        alt_stat_name="AllowAnyDynamicDNSCluster;",
        lb_policy=Cluster.CLUSTER_PROVIDED,
        cluster_type=Cluster.CustomClusterType(
            name="envoy.clusters.dynamic_forward_proxy",
            typed_config=pack(
                dynamic_forward_proxy_cluster_pb2.ClusterConfig(
                    dns_cache_config=cache, allow_insecure_cluster_options=True
                )
            ),
        ),
        filters=[METADATA_EXCHANGE],
    )
    apply_connection_pool(ClusterDraft(cluster), mesh, None, None)
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(_OPTIONS)
    return cluster
