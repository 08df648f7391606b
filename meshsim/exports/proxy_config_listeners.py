"""`proxy-config listener`: the address, matches and destinations of listeners as istioctl prints them.

Source: istio istioctl/pkg/writer/envoy/configdump/listener.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from meshsim.exports.proxy_config_routes import describe_match
from meshsim.exports.proxy_config_text import aligned
from meshsim.xds.messages import (
    address_pb2,
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
    ("http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"): "HTTP TLS",
    ("istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"): "Istio HTTP Plain",
    ("istio-peer-exchange", "istio"): "TCP TLS",
    ("http/1.0", "http/1.1", "h2c"): "HTTP",
}
"""Lists of application protocols that have a name."""


def listener_table(listeners: Iterable[listener_pb2.Listener], verbose: bool = True) -> str:
    """The table of listeners: one line a filter chain, or one a listener with its type."""
    ordered = sorted(listeners, key=lambda item: (_port(item), _address(item), listener_type(item)))
    if not verbose:
        rows = [[_addresses(item), str(_port(item)), listener_type(item)] for item in ordered]
        return aligned([["ADDRESSES", "PORT", "TYPE"], *rows], 1)
    rows = [["ADDRESSES", "PORT", "MATCH", "DESTINATION"]]
    for item in ordered:
        chains = [(describe_chain_match(chain.filter_chain_match), destination(chain)) for chain in filter_chains(item)]
        chains.sort(key=lambda chain: chain[1], reverse=True)
        rows += [[_addresses(item), str(_port(item)), *chain] for chain in chains]
    return aligned(rows, 1)


def filter_chains(listener: listener_pb2.Listener) -> list[listener_components_pb2.FilterChain]:
    """All chains, the default one last."""
    default = [listener.default_filter_chain] if listener.HasField("default_filter_chain") else []
    return [*listener.filter_chains, *default]


def listener_type(listener: listener_pb2.Listener) -> str:
    """HTTP, TCP, HTTP+TCP or UNKNOWN, by the filters of its chains; a chain to nowhere does not count."""
    filters = [item for chain in filter_chains(listener) for item in chain.filters]
    http = any(item.name == _HTTP for item in filters)
    tcp = any(item.name == _TCP and _BLACK_HOLE not in item.typed_config.value for item in filters)
    return "+".join(name for name, here in (("HTTP", http), ("TCP", tcp)) if here) or "UNKNOWN"


def describe_chain_match(match: listener_components_pb2.FilterChainMatch) -> str:
    """What a chain matches, as far as istioctl shows it: not the source, not the address suffix."""
    parts = []
    if match.server_names:
        parts.append(f"SNI: {','.join(match.server_names)}")
    if match.transport_protocol:
        parts.append(f"Trans: {match.transport_protocol}")
    if match.application_protocols:
        names = tuple(match.application_protocols)
        parts.append(f"App: {_PROTOCOLS.get(names) or ','.join(names)}")
    port = f":{match.destination_port.value}" if match.HasField("destination_port") else ""
    if match.prefix_ranges:
        ranges = ",".join(f"{item.address_prefix}/{item.prefix_len.value}" for item in match.prefix_ranges)
        parts.append(f"Addr: {ranges}{port}")
    elif port:
        parts.append(f"Addr: *{port}")
    return "; ".join(parts) or "ALL"


def destination(chain: listener_components_pb2.FilterChain) -> str:
    """Where the first filter that ends a chain sends its connections."""
    for item in chain.filters:
        if item.name == _HTTP:
            return _http_destination(item.typed_config.value)
        if item.name == _TCP and _BLACK_HOLE not in item.typed_config.value:
            return _cluster(tcp_proxy_pb2.TcpProxy.FromString(item.typed_config.value).cluster)
    return "Non-HTTP/Non-TCP"


@cache
def _http_destination(body: bytes) -> str:
    """The same connection manager stands in many chains."""
    manager = http_connection_manager_pb2.HttpConnectionManager.FromString(body)
    if manager.HasField("route_config"):
        return _inline_routes(manager.route_config)
    if manager.rds.route_config_name:
        return f"Route: {manager.rds.route_config_name}"
    return "HTTP"


def _inline_routes(routes: route_pb2.RouteConfiguration) -> str:
    only = _only_cluster(routes)
    if only:
        return only
    hosts = []
    for host in routes.virtual_hosts:
        domains = "" if list(host.domains) == ["*"] else "/".join(host.domains) + " "
        hosts.append(domains + ", ".join(describe_match(route.match) for route in host.routes))
    return f"Inline Route: {'; '.join(hosts)}"


def _only_cluster(routes: route_pb2.RouteConfiguration) -> str:
    """The cluster of a table that sends everything to one."""
    if len(routes.virtual_hosts) != 1:
        return ""
    host = routes.virtual_hosts[0]
    if list(host.domains) != ["*"] or len(host.routes) != 1:
        return ""
    route: route_components_pb2.Route = host.routes[0]
    if route.match.prefix != "/" or route.route.WhichOneof("cluster_specifier") != "cluster":
        return ""
    return _cluster(route.route.cluster)


def _cluster(name: str) -> str:
    return name if "Cluster" in name else f"Cluster: {name}"


def _address(listener: listener_pb2.Listener) -> str:
    return _text(listener.address)


def _addresses(listener: listener_pb2.Listener) -> str:
    others: Sequence[str] = [_text(item.address) for item in listener.additional_addresses]
    return ",".join([_address(listener), *others])


def _text(address: address_pb2.Address) -> str:
    return address.pipe.path if address.HasField("pipe") else address.socket_address.address


def _port(listener: listener_pb2.Listener) -> int:
    return listener.address.socket_address.port_value
