"""Listeners as decoded values (envoy/config/listener/v3), with Envoy's reasons to refuse one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Final, NamedTuple

from meshsim.dataplane.decide.clusters import decode_address
from meshsim.dataplane.decide.connection_managers import ConnectionManager
from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.extensions import check_registered, extension_name
from meshsim.dataplane.decide.network_filters import (
    EnforceNetworkRbac,
    NetworkExtAuthz,
    NetworkFilter,
    decode_network_filter,
)
from meshsim.dataplane.decide.network_filters import TcpProxy as TcpProxy
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.route_decoding import config_path
from meshsim.dataplane.decide.strings import IpNetwork, Notes, decode_cidr, parse_ip
from meshsim.dataplane.decide.transport_sockets import ServerTls, decode_server_tls
from meshsim.units import Nanos
from meshsim.xds.messages import (
    listener_components_pb2,
    listener_pb2,
    listener_proxy_protocol_pb2,
)


class Direction(Enum):
    """`traffic_direction`."""

    UNSPECIFIED = 0
    INBOUND = 1
    OUTBOUND = 2


class SourceType(Enum):
    """Which connections a chain takes by where they come from."""

    ANY = 0
    SAME_IP_OR_LOOPBACK = 1
    EXTERNAL = 2


class ListenerFilterKind(Enum):
    """Listener filters that look at the first bytes or at the socket."""

    ORIGINAL_DST = "original_dst"
    TLS_INSPECTOR = "tls_inspector"
    HTTP_INSPECTOR = "http_inspector"
    PROXY_PROTOCOL = "proxy_protocol"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PortPredicate:
    """For which destination ports a listener filter is off."""

    kind: str
    low: int = 0
    high: int = 0
    inner: tuple[PortPredicate, ...] = ()

    def matches(self, port: int) -> bool:
        """Whether the filter is off for this port."""
        if self.kind == "or_match":
            return any(p.matches(port) for p in self.inner)
        if self.kind == "and_match":
            return all(p.matches(port) for p in self.inner)
        if self.kind == "not_match":
            return not self.inner[0].matches(port)
        return self.kind == "any_match" or self.low <= port < self.high


class ListenerFilter(NamedTuple):
    """A listener filter and the ports it is off for."""

    name: str
    kind: ListenerFilterKind
    disabled: PortPredicate | None
    allow_without_header: bool = False
    """PROXY_PROTOCOL: connections without header pass."""


class Criterion(Enum):
    """What chains are told apart by, in the order in which it counts."""

    DESTINATION_PORT = "destination port"
    DESTINATION = "destination address"
    SERVER_NAME = "server name"
    TRANSPORT = "transport protocol"
    APPLICATION = "application protocol"
    DIRECT_SOURCE = "direct source address"
    SOURCE_TYPE = "source type"
    SOURCE = "source address"
    SOURCE_PORT = "source port"


@dataclass(frozen=True, slots=True)
class ChainMatch:
    """Criteria of a filter chain; empty = any."""

    destination_port: int | None = None
    prefixes: tuple[IpNetwork, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefixes: tuple[IpNetwork, ...] = ()
    source_type: SourceType = SourceType.ANY
    source_prefixes: tuple[IpNetwork, ...] = ()
    source_ports: tuple[int, ...] = ()

    def criteria(self) -> tuple[bool, ...]:
        """Which criteria are set, in the order of `Criterion`."""
        return (
            self.destination_port is not None,
            bool(self.prefixes),
            bool(self.server_names),
            bool(self.transport_protocol),
            bool(self.application_protocols),
            bool(self.direct_source_prefixes),
            self.source_type is not SourceType.ANY,
            bool(self.source_prefixes),
            bool(self.source_ports),
        )

    def keys(self) -> Iterator[tuple[object, ...]]:
        """Every combination of keys the chain is stored under; two chains may share none."""
        return product(
            (self.destination_port,),
            self.prefixes or (None,),
            self.server_names or ("",),
            (self.transport_protocol,),
            self.application_protocols or ("",),
            self.direct_source_prefixes or (None,),
            (self.source_type,),
            self.source_prefixes or (None,),
            self.source_ports or (0,),
        )


_GUARDS: Final = (EnforceNetworkRbac, NetworkExtAuthz)


@dataclass(frozen=True, slots=True)
class FilterChain:
    """A filter chain; its terminal filter is a connection manager, a TCP proxy or nothing."""

    name: str
    match: ChainMatch
    tls: ServerTls | None
    filters: tuple[NetworkFilter, ...]
    config: str
    connection_manager: ConnectionManager | None = field(init=False, repr=False)
    """The connection manager, if the chain ends in one."""
    guarded: bool = field(init=False, repr=False)
    """Whether a filter before the last can end a connection."""

    def __post_init__(self) -> None:
        manager = next((f for f in self.filters if isinstance(f, ConnectionManager)), None)
        object.__setattr__(self, "connection_manager", manager)
        object.__setattr__(self, "guarded", any(isinstance(f, _GUARDS) for f in self.filters))


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Listener:
    """A decoded listener; compared by identity, as equal bytes decode to one object."""

    name: str
    addresses: tuple[tuple[str, int], ...]
    """The first and the additional ones."""
    bound: bool
    """Whether it has a socket of its own; without one it is reached by hand-off alone."""
    direction: Direction
    use_original_dst: bool
    listener_filters: tuple[ListenerFilter, ...]
    continue_on_timeout: bool
    filters_timeout: Nanos
    chains: tuple[FilterChain, ...]
    default_chain: FilterChain | None
    config: str
    criteria: tuple[Criterion, ...]
    """Those that any chain sets, in Envoy's order."""
    route_names: tuple[str, ...]
    """Route tables it needs before it can serve."""
    unmodelled: tuple[str, ...] = field(default=())
    route_timeouts: Mapping[str, Nanos] = field(default_factory=dict)
    """How long its tables are waited for; those that are waited for without limit are not in it."""


def decode_listener(message: listener_pb2.Listener) -> Listener:
    """The listener; raises `ResourceRejectedError` with the reason of the NACK."""
    notes: Notes = []
    name = message.name
    if not message.HasField("address"):
        raise ResourceRejectedError(f"error adding listener named '{name}': address is necessary")
    if not message.filter_chains and not message.HasField("default_filter_chain"):
        raise ResourceRejectedError(f"error adding listener '{_shown(message)}': no filter chains specified")
    if message.HasField("filter_chain_matcher"):
        notes.append("filter chain matcher tree")
    _check_server_names(message)
    for address in (message.address, *(a.address for a in message.additional_addresses)):
        if address.HasField("socket_address") and parse_ip(address.socket_address.address) is None:
            raise ResourceRejectedError(f"malformed IP address: {address.socket_address.address}")
    chains = tuple(_chain(c, notes) for c in message.filter_chains)
    _check_matches(message, chains)
    default = _chain(message.default_filter_chain, notes) if message.HasField("default_filter_chain") else None
    additional = tuple(decode_address(a.address) for a in message.additional_addresses)
    bound = message.bind_to_port.value if message.HasField("bind_to_port") else True
    return Listener(
        name,
        (decode_address(message.address), *additional),
        bound,
        Direction(message.traffic_direction),
        message.use_original_dst.value,
        tuple(_listener_filter(f, notes) for f in message.listener_filters),
        message.continue_on_listener_filters_timeout,
        nanos(message.listener_filters_timeout) if message.HasField("listener_filters_timeout") else 15_000_000_000,
        chains,
        default,
        config_path(message.metadata),
        tuple(c for i, c in enumerate(Criterion) if any(chain.match.criteria()[i] for chain in chains)),
        _route_names((*chains, default) if default else chains),
        tuple(dict.fromkeys(notes)),
        _route_timeouts((*chains, default) if default else chains),
    )


def _route_timeouts(chains: tuple[FilterChain, ...]) -> Mapping[str, Nanos]:
    managers = (c.connection_manager for c in chains)
    return {m.route_config_name: m.routes_timeout for m in managers if m and m.routes_timeout}


def _route_names(chains: tuple[FilterChain, ...]) -> tuple[str, ...]:
    managers = (c.connection_manager for c in chains)
    return tuple(dict.fromkeys(m.route_config_name for m in managers if m and m.route_config_name))


def _shown(message: listener_pb2.Listener) -> str:
    address, port = decode_address(message.address)
    return f"{address}:{port}" if port else address


def _check_server_names(message: listener_pb2.Listener) -> None:
    for chain in message.filter_chains:
        for name in chain.filter_chain_match.server_names:
            if "*" in name and not (name.startswith("*.") and "*" not in name[1:]):
                raise ResourceRejectedError(
                    f"error adding listener '{_shown(message)}': partial wildcards are not supported in "
                    '"server_names"'
                )


def _check_matches(message: listener_pb2.Listener, chains: tuple[FilterChain, ...]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    for chain in chains:
        for key in dict.fromkeys(chain.match.keys()):
            if key in seen:
                raise ResourceRejectedError(
                    f"error adding listener '{_shown(message)}': filter chain '{chain.name}' has the same matching "
                    f"rules defined as '{seen[key]}'"
                )
            seen[key] = chain.name


def _listener_filter(message: listener_components_pb2.ListenerFilter, notes: Notes) -> ListenerFilter:
    type_name = message.typed_config.type_url.rpartition("/")[2]
    package = type_name.removeprefix("envoy.extensions.filters.listener.").split(".")[0]
    disabled = _predicate(message.filter_disabled) if message.HasField("filter_disabled") else None
    try:
        kind = ListenerFilterKind(package)
    except ValueError:
        notes.append(f"listener filter {message.name}")
        kind = ListenerFilterKind.OTHER
    allow = False
    if kind is ListenerFilterKind.PROXY_PROTOCOL:
        config = unpack_valid(message.typed_config, listener_proxy_protocol_pb2.ProxyProtocol)
        allow = config.allow_requests_without_proxy_protocol
    return ListenerFilter(message.name, kind, disabled, allow)


def _predicate(message: listener_components_pb2.ListenerFilterChainMatchPredicate) -> PortPredicate:
    kind = message.WhichOneof("rule")
    if kind == "or_match":
        return PortPredicate(kind, inner=tuple(_predicate(r) for r in message.or_match.rules))
    if kind == "and_match":
        return PortPredicate(kind, inner=tuple(_predicate(r) for r in message.and_match.rules))
    if kind == "not_match":
        return PortPredicate(kind, inner=(_predicate(message.not_match),))
    if kind == "destination_port_range":
        return PortPredicate(kind, message.destination_port_range.start, message.destination_port_range.end)
    return PortPredicate("any_match")


def _chain(message: listener_components_pb2.FilterChain, notes: Notes) -> FilterChain:
    for network_filter in message.filters:
        if not network_filter.HasField("config_discovery"):
            check_registered(network_filter.name, network_filter.typed_config)
    filters = tuple(decode_network_filter(f, notes) for f in message.filters)
    for i, decoded in enumerate(filters):
        terminal = isinstance(decoded, (ConnectionManager, TcpProxy))
        if terminal != (i == len(filters) - 1):
            which = "terminal" if terminal else "non-terminal"
            where = "must be the last filter" if terminal else "is the last filter"
            named = f"{message.filters[i].name} of type {extension_name(message.filters[i].typed_config)}"
            raise ResourceRejectedError(f"Error: {which} filter named {named} {where} in a network filter chain.")
    tls = decode_server_tls(message.transport_socket, notes) if message.HasField("transport_socket") else None
    return FilterChain(message.name, _match(message.filter_chain_match), tls, filters, config_path(message.metadata))


def _match(message: listener_components_pb2.FilterChainMatch) -> ChainMatch:
    if message.address_suffix or message.HasField("suffix_len"):
        raise ResourceRejectedError("error adding listener: contains filter chain match with unimplemented fields")
    return ChainMatch(
        message.destination_port.value if message.HasField("destination_port") else None,
        tuple(decode_cidr(c) for c in message.prefix_ranges),
        tuple(message.server_names),
        message.transport_protocol,
        tuple(message.application_protocols),
        tuple(decode_cidr(c) for c in message.direct_source_prefix_ranges),
        SourceType(message.source_type),
        tuple(decode_cidr(c) for c in message.source_prefix_ranges),
        tuple(message.source_ports),
    )
