"""Listeners as decoded values (envoy/config/listener/v3), with Envoy's reasons to refuse one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Final, NamedTuple

from meshsim.dataplane.decide.addresses import check_listen_address
from meshsim.dataplane.decide.clusters import decode_address
from meshsim.dataplane.decide.connection_managers import Codec, ConnectionManager
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
from meshsim.dataplane.decide.strings import IpNetwork, Notes, decode_cidr
from meshsim.dataplane.decide.transport_sockets import ServerTls, decode_server_tls
from meshsim.units import Nanos
from meshsim.xds.messages import (
    address_pb2,
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

    def combinations(self) -> Iterator[tuple[object, ...]]:
        """Every combination of keys the chain is stored under; two chains may share none."""
        return product(
            (self.destination_port,),
            self.prefixes or (None,),
            tuple(name.lower() for name in self.server_names) or ("",),
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
    ignored: bool = False
    """Taken, and never used."""


def decode_listener(message: listener_pb2.Listener) -> Listener:
    """The listener; raises `ResourceRejectedError` with the reason of the NACK."""
    notes: Notes = []
    name = message.name
    if message.HasField("api_listener"):
        return _ignored(name)
    _check_addresses(message)
    datagrams = message.address.socket_address.protocol == address_pb2.SocketAddress.UDP
    if datagrams:
        _check_datagrams(message)
        notes.append("datagrams")
    elif not message.filter_chains and not message.HasField("default_filter_chain"):
        raise ResourceRejectedError(f"error adding listener '{_shown(message)}': no filter chains specified")
    if message.HasField("filter_chain_matcher"):
        notes.append("filter chain matcher tree")
    for log in message.access_log:
        check_registered(log.name, log.typed_config)
    if message.HasField("fcds_config") and not message.HasField("filter_chain_matcher"):
        raise ResourceRejectedError("FCDS requires a filter chain matcher.")
    _check_server_names(message)
    chains = _chains(message, notes)
    default = None
    if message.HasField("default_filter_chain"):
        default = _chain(message.default_filter_chain, ChainMatch(), notes)
    additional = tuple(decode_address(a.address) for a in message.additional_addresses)
    bound = message.bind_to_port.value if message.HasField("bind_to_port") else True
    return Listener(
        name,
        () if datagrams else (decode_address(message.address), *additional),
        bound,
        _direction(message.traffic_direction),
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


def _direction(number: int) -> Direction:
    """A number that the enum has not is as good as none, as in every open enum."""
    return Direction(number) if number in (1, 2) else Direction.UNSPECIFIED


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


def _ignored(name: str) -> Listener:
    """A listener for an API: only a bootstrap can bring one, elsewhere it is passed over (listener_manager_impl.cc)."""
    return Listener(name, (), False, Direction.UNSPECIFIED, False, (), False, 0, (), None, "", (), (), ignored=True)


def _check_addresses(message: listener_pb2.Listener) -> None:
    name = message.name
    if message.HasField("internal_listener") and message.HasField("address"):
        raise ResourceRejectedError(
            f"error adding listener '{name}': address should not be used when an internal listener config is provided"
        )
    if not message.HasField("address"):
        raise ResourceRejectedError(f"error adding listener named '{name}': address is necessary")
    if message.address.HasField("envoy_internal_address"):
        raise ResourceRejectedError(
            f"error adding listener named '{name}': use internal_listener field instead of address for internal "
            "listeners"
        )
    for address in (message.address, *(a.address for a in message.additional_addresses)):
        check_listen_address(address)


def _check_datagrams(message: listener_pb2.Listener) -> None:
    """Chains are for connections, which UDP has by QUIC alone."""
    if message.filter_chains and not message.udp_listener_config.HasField("quic_options"):
        raise ResourceRejectedError(
            f"error adding listener '{_shown(message)}': {len(message.filter_chains)} filter chain(s) specified for "
            "connection-less UDP listener."
        )


def _check_chain_name(message: listener_pb2.Listener, name: str, taken: Collection[str]) -> None:
    """A matcher finds chains by name."""
    what = "is required when using a listener matcher" if not name else f"is duplicated with value '{name}'"
    if not name or name in taken:
        raise ResourceRejectedError(f"error adding listener '{_shown(message)}': \"name\" field {what}")


def _chains(message: listener_pb2.Listener, notes: Notes) -> tuple[FilterChain, ...]:
    """The chains; no two may match alike, and none may be found twice under one combination of what it matches.

    Envoy source/common/listener_manager/filter_chain_manager_impl.cc, addFilterChains.
    """
    matches: dict[ChainMatch, str] = {}
    taken: set[tuple[object, ...]] = set()
    chains: list[FilterChain] = []
    quic = message.udp_listener_config.HasField("quic_options")
    for one in message.filter_chains:
        match = _match(one.filter_chain_match)
        if match in matches:
            raise ResourceRejectedError(
                f"error adding listener '{_shown(message)}': filter chain '{one.name}' has the same matching rules "
                f"defined as '{matches[match]}'"
            )
        if message.HasField("filter_chain_matcher"):
            _check_chain_name(message, one.name, matches.values())
        matches[match] = one.name
        chain = _chain(one, match, notes)
        if quic and chain.connection_manager and chain.connection_manager.codec is not Codec.HTTP3:
            raise ResourceRejectedError("Non-HTTP/3 codec configured on QUIC listener.")
        for key in match.combinations():
            if key in taken:
                raise ResourceRejectedError(
                    f"error adding listener '{_shown(message)}': multiple filter chains with overlapping matching "
                    "rules are defined"
                )
            taken.add(key)
        chains.append(chain)
    return tuple(chains)


def _listener_filter(message: listener_components_pb2.ListenerFilter, notes: Notes) -> ListenerFilter:
    if not message.HasField("config_discovery"):
        check_registered(message.name, message.typed_config)
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


def _chain(message: listener_components_pb2.FilterChain, match: ChainMatch, notes: Notes) -> FilterChain:
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
    return FilterChain(message.name, match, tls, filters, config_path(message.metadata))


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
