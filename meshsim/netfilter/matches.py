"""Matches of iptables rules: each answers whether a packet has what it asks for, or cannot be asked.

A packet that cannot be asked (no port, no socket) never matches, negated or not (kernel net/netfilter/xt_owner.c,
xt_tcpudp.c).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from meshsim.netfilter.packet import Packet, State, Transport

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Match(Protocol):
    """One condition of a rule."""

    @property
    def negated(self) -> bool: ...

    def asks(self, packet: Packet) -> bool | None:
        """The condition without its negation; ``None`` when the packet cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class ProtocolMatch:
    """``-p``."""

    transport: Transport | None
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        return self.transport is None or packet.transport is self.transport


@dataclass(frozen=True, slots=True)
class AddressMatch:
    """``-s`` or ``-d``."""

    network: Network
    of_source: bool
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        endpoint = packet.flow.source if self.of_source else packet.flow.destination
        return endpoint.address.version == self.network.version and endpoint.address in self.network


@dataclass(frozen=True, slots=True)
class InterfaceMatch:
    """``-i`` or ``-o``; a name that ends in ``+`` is a prefix."""

    name: str
    incoming: bool
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        interface = packet.in_interface if self.incoming else packet.out_interface
        if self.name.endswith("+"):
            return interface.startswith(self.name[:-1])
        return interface == self.name


@dataclass(frozen=True, slots=True)
class PortMatch:
    """``--sport``, ``--dport`` and the lists of ``multiport``, as closed ranges."""

    ranges: tuple[tuple[int, int], ...]
    of_source: bool
    of_destination: bool
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        if packet.transport is Transport.ICMP:
            return None
        ports = []
        if self.of_source:
            ports.append(packet.flow.source.port)
        if self.of_destination:
            ports.append(packet.flow.destination.port)
        return any(low <= port <= high for port in ports for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class OwnerMatch:
    """``-m owner``: user or group of the socket, as a closed range."""

    low: int
    high: int
    of_group: bool
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        owner = packet.gid if self.of_group else packet.uid
        return None if owner is None else self.low <= owner <= self.high


@dataclass(frozen=True, slots=True)
class SocketMatch:
    """``-m owner --socket-exists``."""

    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        return packet.uid is not None


@dataclass(frozen=True, slots=True)
class MarkMatch:
    """``-m mark`` or ``-m connmark``."""

    value: int
    mask: int
    of_connection: bool
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        mark = packet.connection_mark if self.of_connection else packet.mark
        return mark & self.mask == self.value


@dataclass(frozen=True, slots=True)
class StateMatch:
    """``-m conntrack --ctstate``."""

    states: tuple[State, ...]
    negated: bool = False

    def asks(self, packet: Packet) -> bool | None:
        return packet.state in self.states
