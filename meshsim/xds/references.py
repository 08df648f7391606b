"""What a resource makes its proxy subscribe to: clusters to load assignments, listeners to routes and extensions."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf import any_pb2

from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, http_connection_manager_pb2, listener_components_pb2, listener_pb2

_HCM = type_urls.PREFIX + http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name


def references(type_url: str, body: bytes) -> dict[str, tuple[str, ...]]:
    """Names by type that a serialized resource refers to, in the order in which they stand in it."""
    if type_url == type_urls.CLUSTER:
        return _of_cluster(cluster_pb2.Cluster.FromString(body))
    if type_url == type_urls.LISTENER:
        return _of_listener(listener_pb2.Listener.FromString(body))
    return {}


def _of_cluster(cluster: cluster_pb2.Cluster) -> dict[str, tuple[str, ...]]:
    if cluster.type != cluster_pb2.Cluster.EDS:
        return {}
    return {type_urls.ENDPOINT: (cluster.eds_cluster_config.service_name or cluster.name,)}


def _of_listener(listener: listener_pb2.Listener) -> dict[str, tuple[str, ...]]:
    routes: dict[str, None] = {}
    extensions: dict[str, None] = {}
    for listener_filter in listener.listener_filters:
        if listener_filter.HasField("config_discovery"):
            extensions[listener_filter.name] = None
    for chain in _chains(listener):
        for network_filter in chain.filters:
            if network_filter.HasField("config_discovery"):
                extensions[network_filter.name] = None
            elif network_filter.typed_config.type_url == _HCM:
                _of_manager(network_filter.typed_config, routes, extensions)
    found = {type_urls.ROUTE: tuple(routes), type_urls.EXTENSION: tuple(extensions)}
    return {wanted: names for wanted, names in found.items() if names}


def _chains(listener: listener_pb2.Listener) -> Iterator[listener_components_pb2.FilterChain]:
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def _of_manager(packed: any_pb2.Any, routes: dict[str, None], extensions: dict[str, None]) -> None:
    manager = http_connection_manager_pb2.HttpConnectionManager.FromString(packed.value)
    if manager.HasField("rds"):
        routes[manager.rds.route_config_name] = None
    for http_filter in manager.http_filters:
        if http_filter.HasField("config_discovery"):
            extensions[http_filter.name] = None
