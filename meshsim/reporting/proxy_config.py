"""A proxy's configuration in the tables of `istioctl proxy-config`.

The columns, the words and the order are those of istioctl 1.31 (istioctl/pkg/writer/envoy/configdump: cluster.go,
listener.go, route.go; endpoint.go of writer/envoy/clusters), so that a person may lay both side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from google.protobuf.message import Message

from meshsim.errors import UsageError
from meshsim.recording import ConfigEntry
from meshsim.reporting.route_matches import describe_domains, describe_inline, describe_management, describe_match
from meshsim.xds import type_urls
from meshsim.xds.messages import (
    cluster_pb2,
    endpoint_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
    route_components_pb2,
    route_pb2,
    tcp_proxy_pb2,
)

_HTTP: Final = "envoy.filters.network.http_connection_manager"
_TCP: Final = "envoy.filters.network.tcp_proxy"
_BLACK_HOLE: Final = b"BlackHoleCluster"
_PROTOCOLS: Final = {
    ("http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"): "App: HTTP TLS",
    ("istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"): "App: Istio HTTP Plain",
    ("istio-peer-exchange", "istio"): "App: TCP TLS",
    ("http/1.0", "http/1.1", "h2c"): "App: HTTP",
}
_HEALTH: Final = {0: "HEALTHY", 1: "HEALTHY", 2: "UNHEALTHY", 3: "DRAINING", 4: "TIMEOUT", 5: "DEGRADED"}
"""Envoy takes an unknown health from EDS for healthy."""


class Kind(NamedTuple):
    """A kind of configuration: its resource type and message."""

    type_url: str
    message: type[Message]


KINDS: Final = {
    "cluster": Kind(type_urls.CLUSTER, cluster_pb2.Cluster),
    "listener": Kind(type_urls.LISTENER, listener_pb2.Listener),
    "route": Kind(type_urls.ROUTE, route_pb2.RouteConfiguration),
    "endpoint": Kind(type_urls.ENDPOINT, endpoint_pb2.ClusterLoadAssignment),
}
"""By the words of the command line."""


def messages_of(entries: Iterable[ConfigEntry], kind: str) -> list[Message]:
    """The resources of a kind, decoded."""
    wanted = KINDS[kind]
    return [wanted.message.FromString(entry.body) for entry in entries if entry.type_url == wanted.type_url]


def table(kind: str, messages: Sequence[Message], verbose: bool = True) -> list[str]:
    """The lines that istioctl prints; raises `UsageError` where it refuses, for want of any resource."""
    if not messages:
        raise UsageError(f"no {kind}s found")
    if kind == "cluster":
        return _tabbed(_clusters([m for m in messages if isinstance(m, cluster_pb2.Cluster)]), 5)
    if kind == "listener":
        return _tabbed(_listeners([m for m in messages if isinstance(m, listener_pb2.Listener)], verbose), 1)
    if kind == "route":
        return _tabbed(_routes([m for m in messages if isinstance(m, route_pb2.RouteConfiguration)], verbose), 5)
    return _tabbed(_endpoints([m for m in messages if isinstance(m, endpoint_pb2.ClusterLoadAssignment)]), 5)


def _tabbed(rows: Sequence[Sequence[str]], padding: int) -> list[str]:
    """Columns as Go's tabwriter makes them: all but the last cell of a row padded to the widest and `padding` more."""
    widths = [max(len(row[index]) for row in rows) + padding for index in range(len(rows[0]) - 1)]
    return ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + row[-1] for row in rows]


def _clusters(clusters: Sequence[cluster_pb2.Cluster]) -> list[list[str]]:
    rows = [["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"]]
    for cluster in sorted(clusters, key=_cluster_key):
        kind = cluster_pb2.Cluster.DiscoveryType.Name(cluster.type)
        managed = describe_management(cluster.metadata)
        parts = cluster.name.split("|")
        if len(parts) > 3:
            direction, port, subset, host = parts[:4]
            rows.append([host, port or "0", subset or "-", direction, kind, managed])
        else:
            rows.append([cluster.name, "-", "-", "-", kind, managed])
    return rows


def _cluster_key(cluster: cluster_pb2.Cluster) -> tuple[str, str, int, str]:
    parts = cluster.name.split("|")
    if len(parts) <= 3:
        return cluster.name, "", 0, ""
    direction, port, subset, host = parts[:4]
    return host, subset, int(port) if port.isdigit() else 0, direction


def _listeners(listeners: Sequence[listener_pb2.Listener], verbose: bool) -> list[list[str]]:
    rows = [["ADDRESSES", "PORT", "MATCH", "DESTINATION"] if verbose else ["ADDRESSES", "PORT", "TYPE"]]
    for listener in sorted(listeners, key=lambda one: (_port(one), _addresses(one), _type(one))):
        place = [_addresses(listener), str(_port(listener))]
        if not verbose:
            rows.append([*place, _type(listener)])
            continue
        matches = [(_chain_match(chain), _destination(chain)) for chain in _chains(listener)]
        matches.sort(key=lambda match: match[1], reverse=True)
        rows += [[*place, *match] for match in matches]
    return rows


def _port(listener: listener_pb2.Listener) -> int:
    return listener.address.socket_address.port_value


def _addresses(listener: listener_pb2.Listener) -> str:
    more = [extra.address.socket_address.address for extra in listener.additional_addresses]
    first = listener.address.socket_address.address or listener.address.pipe.path
    return ",".join([first, *more])


def _chains(listener: listener_pb2.Listener) -> list[listener_components_pb2.FilterChain]:
    chains = list(listener.filter_chains)
    return [*chains, listener.default_filter_chain] if listener.HasField("default_filter_chain") else chains


def _type(listener: listener_pb2.Listener) -> str:
    filters = [one for chain in _chains(listener) for one in chain.filters]
    http = any(one.name == _HTTP for one in filters)
    tcp = any(one.name == _TCP and _BLACK_HOLE not in one.typed_config.value for one in filters)
    if http:
        return "HTTP+TCP" if tcp else "HTTP"
    return "TCP" if tcp else "UNKNOWN"


def _chain_match(chain: listener_components_pb2.FilterChain) -> str:
    match = chain.filter_chain_match
    parts: list[str] = []
    if match.server_names:
        parts.append(f"SNI: {','.join(match.server_names)}")
    if match.transport_protocol:
        parts.append(f"Trans: {match.transport_protocol}")
    if match.application_protocols:
        protocols = tuple(match.application_protocols)
        parts.append(_PROTOCOLS.get(protocols, f"App: {','.join(protocols)}"))
    port = f":{match.destination_port.value}" if match.HasField("destination_port") else ""
    if match.prefix_ranges:
        ranges = ",".join(f"{one.address_prefix}/{one.prefix_len.value}" for one in match.prefix_ranges)
        parts.append(f"Addr: {ranges}{port}")
    elif port:
        parts.append(f"Addr: *{port}")
    return "; ".join(parts) or "ALL"


def _destination(chain: listener_components_pb2.FilterChain) -> str:
    for one in chain.filters:
        if one.name == _HTTP:
            manager = http_connection_manager_pb2.HttpConnectionManager.FromString(one.typed_config.value)
            if manager.HasField("route_config"):
                return describe_inline(manager.route_config)
            return f"Route: {manager.rds.route_config_name}" if manager.rds.route_config_name else "HTTP"
        if one.name == _TCP and _BLACK_HOLE not in one.typed_config.value:
            cluster = tcp_proxy_pb2.TcpProxy.FromString(one.typed_config.value).cluster
            return cluster if "Cluster" in cluster else f"Cluster: {cluster}"
    return "Non-HTTP/Non-TCP"


def _routes(routes: Sequence[route_pb2.RouteConfiguration], verbose: bool) -> list[list[str]]:
    ordered = _by_number(routes)
    if not verbose:
        return [["NAME", "VIRTUAL HOSTS"], *([route.name, str(len(route.virtual_hosts))] for route in ordered)]
    rows = [["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"]]
    for table_ in ordered:
        for host in table_.virtual_hosts:
            rows += [[table_.name, host.name, describe_domains(host.domains), *cells] for cells in _host_routes(host)]
    return rows


def _host_routes(host: route_components_pb2.VirtualHost) -> list[list[str]]:
    if not host.routes:
        return [["/*", "404"]]
    return [
        [describe_match(route.match), describe_management(route.metadata)]
        for route in host.routes
        if route.route.cluster != "PassthroughCluster"
    ]


def _by_number(routes: Sequence[route_pb2.RouteConfiguration]) -> list[route_pb2.RouteConfiguration]:
    """Tables named by a port in the order of the ports; the others stay between them where they were.

    istioctl sorts with a comparison that knows nothing of other names (route.go retrieveSortedRouteSlice); with few
    tables, where Go sorts by insertion, this is what comes out.
    """
    ordered: list[route_pb2.RouteConfiguration] = []
    for route in routes:
        place = len(ordered)
        while place and route.name.isdigit() and ordered[place - 1].name.isdigit():
            if int(route.name) >= int(ordered[place - 1].name):
                break
            place -= 1
        ordered.insert(place, route)
    return ordered


def _endpoints(assignments: Sequence[endpoint_pb2.ClusterLoadAssignment]) -> list[list[str]]:
    """What EDS said of each endpoint; outlier detection is Envoy's own and not part of it."""
    found: list[tuple[str, int, str, str]] = []
    for assignment in assignments:
        for locality in assignment.endpoints:
            for one in locality.lb_endpoints:
                socket = one.endpoint.address.socket_address
                internal = one.endpoint.address.envoy_internal_address
                address = socket.address or internal.server_listener_name or one.endpoint.address.pipe.path
                found.append((address, socket.port_value, _HEALTH[one.health_status], assignment.cluster_name))
    found.sort(key=lambda row: (row[0], row[1], row[3]))
    rows = [["ENDPOINT", "STATUS", "CLUSTER"]]
    rows += [[f"{address}:{port}" if port else address, health, cluster] for address, port, health, cluster in found]
    return rows
