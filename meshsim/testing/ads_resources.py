"""Small xDS resources for tests of the ADS protocol, as istiod would write them: everything by ADS."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from meshsim.xds import type_urls
from meshsim.xds.messages import (
    cluster_pb2,
    config_source_pb2,
    endpoint_pb2,
    http_connection_manager_pb2,
    listener_pb2,
    route_pb2,
    router_pb2,
)
from meshsim.xds.packing import pack

LOOPBACK: Final = "127.0.0.1"
MANAGER: Final = "envoy.filters.network.http_connection_manager"


def _by_ads(patience: int) -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(resource_api_version=config_source_pb2.V3)
    source.ads.SetInParent()
    source.initial_fetch_timeout.FromSeconds(patience)
    return source


def eds_cluster(name: str, seconds: int = 1, patience: int = 0) -> cluster_pb2.Cluster:
    """A cluster whose endpoints come by EDS; another connect timeout makes it another cluster.

    `patience` is how many seconds the endpoints are waited for, 0 = for ever.
    """
    cluster = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    cluster.connect_timeout.FromSeconds(seconds)
    cluster.eds_cluster_config.eds_config.CopyFrom(_by_ads(patience))
    return cluster


def static_cluster(name: str, seconds: int = 1) -> cluster_pb2.Cluster:
    """A cluster that has its endpoint written into it."""
    cluster = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.STATIC, load_assignment=assignment(name))
    cluster.connect_timeout.FromSeconds(seconds)
    return cluster


def assignment(name: str, *ports: int) -> endpoint_pb2.ClusterLoadAssignment:
    """Endpoints on loopback; port 1 when none is given."""
    found = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    locality = found.endpoints.add()
    for port in ports or (1,):
        address = locality.lb_endpoints.add().endpoint.address.socket_address
        address.address, address.port_value = LOOPBACK, port
    return found


def rds_listener(name: str, port: int, table: str, stat_prefix: str = "x", patience: int = 0) -> listener_pb2.Listener:
    """An HTTP listener on loopback whose routes come by RDS; `patience` as for clusters."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix=stat_prefix)
    manager.rds.route_config_name = table
    manager.rds.config_source.CopyFrom(_by_ads(patience))
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.CopyFrom(pack(router_pb2.Router()))
    listener = listener_pb2.Listener(name=name)
    listener.address.socket_address.address = LOOPBACK
    listener.address.socket_address.port_value = port
    chain = listener.filter_chains.add()
    chain.filters.add(name=MANAGER).typed_config.CopyFrom(pack(manager))
    return listener


def route_table(name: str, cluster: str = "a", domains: tuple[str, ...] = ("*",)) -> route_pb2.RouteConfiguration:
    """A table with one virtual host that sends everything to a cluster."""
    table = route_pb2.RouteConfiguration(name=name)
    table.validate_clusters.value = False
    route = table.virtual_hosts.add(name="v", domains=domains).routes.add()
    route.match.prefix = "/"
    route.route.cluster = cluster
    return table


def type_of(message: Message) -> str:
    """The type URL of a resource."""
    return type_urls.PREFIX + message.DESCRIPTOR.full_name


def name_of(message: Message) -> str:
    """The name of a resource."""
    if isinstance(message, endpoint_pb2.ClusterLoadAssignment):
        return message.cluster_name
    return str(message.name)  # type: ignore[attr-defined]
