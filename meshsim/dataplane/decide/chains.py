"""From a connection to a filter chain: listener look-up, listener filters, the sieve.

Rules: Envoy source/common/listener_manager/connection_handler_impl.cc (getBalancedHandlerByAddress),
active_tcp_socket.cc, filter_chain_manager_impl.cc and source/extensions/filters/listener.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from meshsim.dataplane.decide.listeners import (
    ChainMatch,
    Criterion,
    Direction,
    FilterChain,
    Listener,
    ListenerFilterKind,
    SourceType,
)
from meshsim.dataplane.decide.strings import IpAddress, IpNetwork, is_loopback, longest_prefix, parse_ip
from meshsim.dataplane.decide.values import Connection, Protocol


class Entry(NamedTuple):
    """Where a connection entered, and which listener takes it."""

    listener: Listener
    handed_off: bool


class ListenerIndex:
    """The listeners of a configuration by where connections reach them; made when first asked."""

    __slots__ = ("_bound", "_everywhere", "_inbound", "_outbound", "listeners")

    def __init__(self, listeners: Mapping[str, Listener]) -> None:
        self.listeners = listeners
        self._everywhere: dict[tuple[str, int], Listener] | None = None
        self._bound: dict[tuple[str, int], Listener] = {}
        self._outbound: Listener | None = None
        self._inbound: Listener | None = None

    @property
    def outbound(self) -> Listener | None:
        """The listener that captured outbound connections enter by."""
        self._by_address()
        return self._outbound

    @property
    def inbound(self) -> Listener | None:
        """The listener that captured inbound connections enter by: it restores the destination, and has its own
        chains."""
        self._by_address()
        return self._inbound

    def at(self, address: str, port: int, sockets_only: bool = True) -> Listener | None:
        """The listener at an address and port, or at the wildcard address of its family."""
        everywhere = self._by_address()
        found = self._bound if sockets_only else everywhere
        exact = found.get((address, port))
        if exact is not None:
            return exact
        if ":" in address:
            return found.get(("::", port))
        return found.get(("0.0.0.0", port)) or found.get(("::", port))

    def hand_off(self, entry: Listener, connection: Connection) -> Entry:
        """The listener for the restored destination: its address, else the wildcard of its port, else the entry."""
        if not entry.use_original_dst:
            return Entry(entry, False)
        found = self.at(connection.destination, connection.destination_port, sockets_only=False)
        return Entry(entry, False) if found is None or found is entry else Entry(found, True)

    def _by_address(self) -> dict[tuple[str, int], Listener]:
        if self._everywhere is None:
            self._everywhere = {}
            for listener in self.listeners.values():
                for address in listener.addresses:
                    self._everywhere.setdefault(address, listener)
                    if listener.bound:
                        self._bound.setdefault(address, listener)
            self._outbound = _outbound_entry(self.listeners)
            self._inbound = _inbound_entry(self.listeners)
        return self._everywhere


def _outbound_entry(listeners: Mapping[str, Listener]) -> Listener | None:
    found = (x for x in listeners.values() if x.use_original_dst and x.direction is not Direction.INBOUND)
    return next(found, None)


def _inbound_entry(listeners: Mapping[str, Listener]) -> Listener | None:
    for listener in listeners.values():
        kinds = [f.kind for f in listener.listener_filters]
        if listener.bound and ListenerFilterKind.ORIGINAL_DST in kinds and not listener.use_original_dst:
            return listener
    found = (x for x in listeners.values() if x.bound and x.direction is Direction.INBOUND and x.use_original_dst)
    return next(found, None)


class Detected(NamedTuple):
    """What the listener filters found out."""

    transport: str
    sni: str
    alpn: tuple[str, ...]
    stalled: bool = False
    proxy_header_missing: bool = False


def inspect(listener: Listener, connection: Connection) -> Detected:
    """Run the listener filters on the first bytes of a connection.

    A server that speaks first leaves inspectors waiting until `listener_filters_timeout`; with 0 they wait for ever.
    """
    transport, sni = "", ""
    found: tuple[str, ...] = ()
    for listener_filter in listener.listener_filters:
        if listener_filter.disabled and listener_filter.disabled.matches(connection.destination_port):
            continue
        kind = listener_filter.kind
        if kind is ListenerFilterKind.PROXY_PROTOCOL and not (
            listener_filter.allow_without_header or connection.proxy_header
        ):
            return Detected("raw_buffer", "", (), proxy_header_missing=True)
        if kind not in (ListenerFilterKind.TLS_INSPECTOR, ListenerFilterKind.HTTP_INSPECTOR):
            continue
        if connection.protocol is Protocol.SILENT and not connection.uses_tls:
            if listener.filters_timeout == 0 or not listener.continue_on_timeout:
                return Detected("", "", (), stalled=True)
            break
        if kind is ListenerFilterKind.TLS_INSPECTOR and connection.uses_tls:
            transport, sni, found = "tls", connection.sni.lower(), connection.alpn
        elif kind is ListenerFilterKind.HTTP_INSPECTOR and not connection.uses_tls and transport != "tls":
            found = _HTTP_NAMES.get(connection.protocol, found)
    return Detected(transport or "raw_buffer", sni, found)


_HTTP_NAMES: Mapping[Protocol, tuple[str, ...]] = {
    Protocol.HTTP10: ("http/1.0",),
    Protocol.HTTP11: ("http/1.1",),
    Protocol.HTTP2: ("h2c",),
}


class Sieved(NamedTuple):
    """The chain for a connection, and the criteria that decided: each with its key, empty for chains without it."""

    chain: FilterChain | None
    is_default: bool
    passed: tuple[tuple[Criterion, str], ...]
    failed: Criterion | None = None
    """The criterion for which there was no chain."""

    @property
    def reason(self) -> str:
        """What decided, in words."""
        if self.failed is None and self.is_default:
            return "no chain but the default one"
        passed = ", ".join(f"{c.value} {key}" if key else f"any {c.value}" for c, key in self.passed)
        if self.failed is not None:
            return f"no chain for this {self.failed.value}" + (f" behind {passed}" if passed else "")
        return passed or "the only chain"


class _Facts(NamedTuple):
    """What the criteria look at."""

    connection: Connection
    detected: Detected
    destination: IpAddress | None
    source: IpAddress | None


def choose_chain(listener: Listener, connection: Connection, detected: Detected) -> Sieved:
    """The filter chain: nine criteria in Envoy's order; a key once chosen is never given up for a less specific one.

    A criterion that no chain of the listener sets keeps every chain and is passed over.
    """
    chains: Sequence[FilterChain] = listener.chains
    default = listener.default_chain
    if not chains:
        return Sieved(default, default is not None, ())
    passed: list[tuple[Criterion, str]] = []
    facts = _Facts(connection, detected, parse_ip(connection.destination), parse_ip(connection.source))
    for criterion in listener.criteria:
        kept, key = _NARROW[criterion](chains, facts)
        if not kept:
            return Sieved(default, default is not None, tuple(passed), criterion)
        if key or len(kept) < len(chains):
            passed.append((criterion, key))
        chains = kept
    return Sieved(chains[0], False, tuple(passed))


_Chains = Sequence[FilterChain]
_Kept = tuple[list[FilterChain], str]
"""Chains that are left, and the key that was chosen; an empty key for chains without this criterion."""


def _by_port(chains: _Chains, facts: _Facts) -> _Kept:
    port = facts.connection.destination_port
    exact = [c for c in chains if c.match.destination_port == port]
    return (exact, str(port)) if exact else ([c for c in chains if c.match.destination_port is None], "")


def _by_source_port(chains: _Chains, facts: _Facts) -> _Kept:
    port = facts.connection.source_port
    exact = [c for c in chains if port in c.match.source_ports]
    return (exact, str(port)) if exact else ([c for c in chains if not c.match.source_ports], "")


def _by_prefix(
    chains: _Chains, address: IpAddress | None, prefixes: Callable[[ChainMatch], tuple[IpNetwork, ...]]
) -> _Kept:
    """The longest prefix that holds the address."""
    lengths = [longest_prefix(address, prefixes(c.match)) for c in chains]
    best = max(lengths)
    if best >= 0:
        return [c for c, length in zip(chains, lengths) if length == best], f"{address}/{best}"
    return [c for c in chains if not prefixes(c.match)], ""


def _by_text(chains: _Chains, wanted: Sequence[str], values: Callable[[ChainMatch], tuple[str, ...]]) -> _Kept:
    """The first of the connection's values, in its order, that a chain names; else chains that name none."""
    for value in wanted:
        kept = [c for c in chains if value in values(c.match)]
        if kept:
            return kept, value
    return [c for c in chains if not values(c.match)], ""


def _by_name(chains: _Chains, facts: _Facts) -> _Kept:
    """Exact name, then wildcard suffixes from the longest, then chains without names."""
    sni = facts.detected.sni
    candidates = [sni] if sni else []
    at = sni.find(".", 1)
    while 0 <= at < len(sni) - 1:
        candidates.append("*" + sni[at:])
        at = sni.find(".", at + 1)
    return _by_text(chains, candidates, lambda m: m.server_names)


def _by_transport(chains: _Chains, facts: _Facts) -> _Kept:
    transport = facts.detected.transport
    exact = [c for c in chains if c.match.transport_protocol == transport]
    return (exact, transport) if exact else ([c for c in chains if not c.match.transport_protocol], "")


def _by_source_type(chains: _Chains, facts: _Facts) -> _Kept:
    """A class that has chains of its own is final; only a class without any falls back to chains for all."""
    source = facts.source
    local = source is not None and (source == facts.destination or is_loopback(source))
    wanted = SourceType.SAME_IP_OR_LOOPBACK if local else SourceType.EXTERNAL
    own = [c for c in chains if c.match.source_type is wanted]
    return (own, wanted.name) if own else ([c for c in chains if c.match.source_type is SourceType.ANY], "")


_NARROW: Mapping[Criterion, Callable[[_Chains, _Facts], _Kept]] = {
    Criterion.DESTINATION_PORT: _by_port,
    Criterion.DESTINATION: lambda chains, facts: _by_prefix(chains, facts.destination, lambda m: m.prefixes),
    Criterion.SERVER_NAME: _by_name,
    Criterion.TRANSPORT: _by_transport,
    Criterion.APPLICATION: lambda chains, facts: _by_text(
        chains, facts.detected.alpn, lambda m: m.application_protocols
    ),
    Criterion.DIRECT_SOURCE: lambda chains, facts: _by_prefix(chains, facts.source, lambda m: m.direct_source_prefixes),
    Criterion.SOURCE_TYPE: _by_source_type,
    Criterion.SOURCE: lambda chains, facts: _by_prefix(chains, facts.source, lambda m: m.source_prefixes),
    Criterion.SOURCE_PORT: _by_source_port,
}
