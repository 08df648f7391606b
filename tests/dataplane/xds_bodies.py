"""Resources in protobuf JSON as bytes, and the parts that every small configuration has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
CLASSES = {
    type_urls.LISTENER: listener_pb2.Listener,
    type_urls.CLUSTER: cluster_pb2.Cluster,
    type_urls.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    type_urls.ROUTE: route_pb2.RouteConfiguration,
}
FILTERS = [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]


def encode(type_url: str, body: Mapping[str, Any]) -> bytes:
    """Protobuf JSON as bytes."""
    return from_json(body, CLASSES[type_url]).SerializeToString(deterministic=True)


def address(ip: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


def manager(routes: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A connection manager with one virtual host for everything."""
    return {
        "@type": HCM,
        "stat_prefix": "x",
        "route_config": {
            "name": "inline",
            "validate_clusters": False,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": list(routes)}],
        },
        "http_filters": FILTERS,
        **more,
    }


def http_listener(routes: Sequence[Mapping[str, Any]], port: int = 80, **more: Any) -> dict[str, Any]:
    """A listener on every address with one chain that ends in `manager`."""
    return listener([{"filters": [{"name": "hcm", "typed_config": manager(routes, **more)}]}], port)


def listener(chains: Sequence[Mapping[str, Any]], port: int = 80, **more: Any) -> dict[str, Any]:
    return {"name": f"l{port}", "address": address("0.0.0.0", port), "filter_chains": list(chains), **more}


def tcp_chain(name: str, cluster: str = "c", **match: Any) -> dict[str, Any]:
    """A filter chain that ends in a TCP proxy."""
    proxy = {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": name, "cluster": cluster}}
    return {"name": name, "filters": [proxy], "filter_chain_match": match}


def static_cluster(name: str, *hosts: str, **more: Any) -> dict[str, Any]:
    """A cluster whose hosts stand in it."""
    endpoints = [{"endpoint": {"address": address(h, 8080)}} for h in hosts]
    load = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return {"name": name, "type": "STATIC", "load_assignment": load, **more}
