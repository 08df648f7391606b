"""What a stock Envoy can take: Istio's configuration without the extensions that only Istio's own build has.

Measured on Envoy 1.40: it refuses ``istio.stats``, ``istio.alpn`` and ``istio.metadata_exchange`` (HTTP, network and
upstream filter); everything else that istiod sends is accepted.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import any_pb2

from meshsim.xds import type_urls
from meshsim.xds.messages import (
    cluster_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
    typed_struct_pb2,
)
from meshsim.xds.packing import pack

ISTIO_TYPES: Final = frozenset(
    {
        "stats.PluginConfig",
        "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
        "io.istio.http.peer_metadata.Config",
        "envoy.tcp.metadataexchange.config.MetadataExchange",
    }
)
"""Messages of Istio's own extensions, bare or inside a TypedStruct."""

_TYPED_STRUCT: Final = typed_struct_pb2.TypedStruct.DESCRIPTOR.full_name
_MANAGER: Final = http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name


def is_istio_only(config: any_pb2.Any) -> bool:
    """Whether a packed extension configuration belongs to an extension that a stock Envoy lacks."""
    name = config.type_url.removeprefix(type_urls.PREFIX)
    if name == _TYPED_STRUCT:
        inner = typed_struct_pb2.TypedStruct.FromString(config.value)
        name = inner.type_url.removeprefix(type_urls.PREFIX)
    return name in ISTIO_TYPES


def strip_listener(listener: listener_pb2.Listener) -> listener_pb2.Listener:
    """A copy of the listener without Istio-only filters."""
    out = listener_pb2.Listener()
    out.CopyFrom(listener)
    for chain in out.filter_chains:
        _strip_chain(chain)
    if out.HasField("default_filter_chain"):
        _strip_chain(out.default_filter_chain)
    return out


def strip_cluster(cluster: cluster_pb2.Cluster) -> cluster_pb2.Cluster:
    """A copy of the cluster without Istio-only upstream filters."""
    out = cluster_pb2.Cluster()
    out.CopyFrom(cluster)
    kept = [f for f in cluster.filters if not is_istio_only(f.typed_config)]
    del out.filters[:]
    out.filters.extend(kept)
    return out


def _strip_chain(chain: listener_components_pb2.FilterChain) -> None:
    kept = [f for f in chain.filters if not is_istio_only(f.typed_config)]
    for network_filter in kept:
        if network_filter.typed_config.type_url == type_urls.PREFIX + _MANAGER:
            network_filter.typed_config.CopyFrom(_strip_manager(network_filter.typed_config))
    copies = [listener_components_pb2.Filter.FromString(f.SerializeToString()) for f in kept]
    del chain.filters[:]
    chain.filters.extend(copies)


def _strip_manager(packed: any_pb2.Any) -> any_pb2.Any:
    manager = http_connection_manager_pb2.HttpConnectionManager.FromString(packed.value)
    kept = [f for f in manager.http_filters if not is_istio_only(f.typed_config)]
    del manager.http_filters[:]
    manager.http_filters.extend(kept)
    return pack(manager)
