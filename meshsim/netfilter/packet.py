"""Packets and the host they pass: addresses, interfaces, the socket's owner, connection tracking."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
LOOPBACK: Final = "lo"


class Transport(Enum):
    """Protocol of a packet."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


class State(Enum):
    """State of a packet's connection (conntrack)."""

    NEW = "NEW"
    ESTABLISHED = "ESTABLISHED"
    RELATED = "RELATED"
    INVALID = "INVALID"
    UNTRACKED = "UNTRACKED"


class Endpoint(NamedTuple):
    """An address and a port."""

    address: Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


class Flow(NamedTuple):
    """Source and destination of packets in one direction."""

    source: Endpoint
    destination: Endpoint

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}"


class Connection(NamedTuple):
    """What conntrack keeps of a connection: packets as they came, and answers as they must come."""

    original: Flow
    reply: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a flow as it reaches a hook; an owner only where a local socket sent it."""

    transport: Transport
    flow: Flow
    in_interface: str = ""
    """Empty for a packet that was made here."""
    out_interface: str = ""
    uid: int | None = None
    gid: int | None = None
    mark: int = 0
    connection_mark: int = 0
    state: State = State.NEW

    @property
    def is_local(self) -> bool:
        """Whether a socket of this host sent it."""
        return not self.in_interface


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace: its interfaces with their addresses, ``lo`` among them."""

    interfaces: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)

    def is_own(self, address: Address) -> bool:
        """Whether packets to this address stay here: own addresses, and all of 127.0.0.0/8."""
        if address.version == 4 and address.is_loopback:
            return True
        return any(address in addresses for addresses in self.interfaces.values())

    def primary(self, interface: str, version: int) -> Address | None:
        """First address of a family on an interface."""
        return next((a for a in self.interfaces.get(interface, ()) if a.version == version), None)

    def route(self, address: Address) -> str:
        """Interface that packets to an address leave by: ``lo`` when they stay, else the first other one."""
        if self.is_own(address):
            return LOOPBACK
        return next((name for name in self.interfaces if name != LOOPBACK), LOOPBACK)

    def source_for(self, destination: Address) -> Address:
        """The source the kernel chooses, before any rule is asked: by the route to the original destination."""
        if self.is_own(destination):
            if destination.is_loopback:
                return localhost(destination.version)
            return destination
        interface = self.route(destination)
        return self.primary(interface, destination.version) or localhost(destination.version)

    def outbound(
        self,
        destination: str,
        port: int,
        *,
        uid: int = 0,
        gid: int = 0,
        transport: Transport = Transport.TCP,
        source: str = "",
        source_port: int = 40000,
    ) -> Packet:
        """The first packet of a local socket; `source` where the socket is bound to an address."""
        to = ipaddress.ip_address(destination)
        by = ipaddress.ip_address(source) if source else self.source_for(to)
        flow = Flow(Endpoint(by, source_port), Endpoint(to, port))
        return Packet(transport=transport, flow=flow, out_interface=self.route(to), uid=uid, gid=gid)

    def inbound(
        self,
        source: str,
        destination: str,
        port: int,
        *,
        transport: Transport = Transport.TCP,
        interface: str = "eth0",
        source_port: int = 50000,
    ) -> Packet:
        """The first packet of a peer."""
        by = Endpoint(ipaddress.ip_address(source), source_port)
        to = Endpoint(ipaddress.ip_address(destination), port)
        return Packet(transport=transport, flow=Flow(by, to), in_interface=interface)


def localhost(version: int) -> Address:
    """127.0.0.1 or ::1."""
    return ipaddress.ip_address("127.0.0.1" if version == 4 else "::1")


def pod_host(*addresses: str, interface: str = "eth0") -> Host:
    """A pod: ``lo`` and one interface with these addresses."""
    mine = tuple(ipaddress.ip_address(text) for text in addresses)
    loopbacks = tuple(dict.fromkeys(localhost(address.version) for address in mine)) or (localhost(4),)
    passthrough = tuple(ipaddress.ip_address("::6") for a in loopbacks if a.version == 6)
    return Host({LOOPBACK: (*loopbacks, *passthrough), interface: mine})
