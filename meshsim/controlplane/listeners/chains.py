"""Filter chains before they are messages: what they match and when two of them conflict.

istio pilot/pkg/networking/core/listener.go (filterChainOpts), release 1.31.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshsim.controlplane.listeners.connection_manager import HttpSettings
from meshsim.xds.messages import address_pb2, listener_components_pb2, tls_pb2
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.model import VirtualService

PLAINTEXT_HTTP_ALPNS: Final = ("http/1.1", "h2c")
"""What the HTTP inspector reports (PILOT_HTTP10 off)."""
MTLS_HTTP_ALPNS: Final = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
MTLS_TCP_ALPNS: Final = ("istio-peer-exchange", "istio")
ALL_MTLS_ALPNS: Final = ("istio", "istio-peer-exchange", *MTLS_HTTP_ALPNS)
RAW_BUFFER: Final = "raw_buffer"
TLS: Final = "tls"
_UNSPECIFIED: Final = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class HttpChain:
    """The connection manager of an outbound or gateway chain."""

    route_config_name: str
    settings: HttpSettings
    stat_prefix: str = ""
    """Empty = by the listener's name."""


@dataclass(frozen=True, slots=True, eq=False)
class ChainSpec:
    """A filter chain: network filters, and after them an HTTP connection manager where there is one."""

    http: HttpChain | None = None
    filters: tuple[listener_components_pb2.Filter, ...] = ()
    sni_hosts: tuple[str, ...] = ()
    destination_cidrs: tuple[str, ...] = ()
    application_protocols: tuple[str, ...] = ()
    transport_protocol: str = ""
    tls: tls_pb2.DownstreamTlsContext | None = None
    virtual_service: VirtualService | None = None
    """Whose route it is, for the chain's metadata."""

    @property
    def key(self) -> Hashable:
        """Equal keys mean equal chains; the filters count by identity."""
        return (
            self.http,
            ByIdentity(self.filters) if self.filters else None,
            self.sni_hosts,
            self.destination_cidrs,
            self.application_protocols,
            self.transport_protocol,
            self.tls.SerializeToString(deterministic=True) if self.tls is not None else None,
            self.virtual_service,
        )

    @property
    def matches_all(self) -> bool:
        return not (
            (self.sni_hosts and "*" not in self.sni_hosts)
            or self.application_protocols
            or self.transport_protocol
            or self.destination_cidrs
        )

    @property
    def needs_tls_inspector(self) -> bool:
        return bool(self.sni_hosts) or (self.tls is not None and bool(self.tls.common_tls_context.alpn_protocols))

    def conflicts_with(self, other: ChainSpec) -> bool:
        """Whether both match the same connections, so that Envoy would refuse the second."""
        return (
            self.transport_protocol == other.transport_protocol
            and self.application_protocols == other.application_protocols
            and {h for h in self.sni_hosts if h != "*"} == {h for h in other.sni_hosts if h != "*"}
            and _networks(self.destination_cidrs) == _networks(other.destination_cidrs)
        )

    def match(self) -> listener_components_pb2.FilterChainMatch | None:
        """Envoy's match; ``None`` for a chain that takes every connection."""
        if self.matches_all:
            return None
        out = listener_components_pb2.FilterChainMatch(
            application_protocols=self.application_protocols, transport_protocol=self.transport_protocol
        )
        if "*" not in self.sni_hosts:
            out.server_names.extend(sorted(self.sni_hosts))
        out.prefix_ranges.extend(prefix_ranges(self.destination_cidrs))
        return out


def prefix_ranges(cidrs: Iterable[str]) -> list[address_pb2.CidrRange]:
    """CIDRs sorted, the unspecified address left out."""
    ranges = [cidr_range(cidr) for cidr in sorted(cidrs)]
    return [r for r in ranges if r is not None and r.address_prefix != _UNSPECIFIED]


def cidr_range(cidr: str) -> address_pb2.CidrRange | None:
    """An address or CIDR as Envoy's range, as written; ``None`` for other text (istio util ConvertAddressToCidr)."""
    address, _, length = cidr.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
        bits = int(length) if length else parsed.max_prefixlen
    except ValueError:
        return None
    out = address_pb2.CidrRange(address_prefix=address)
    out.prefix_len.value = bits
    return out


def _networks(cidrs: Sequence[str]) -> set[str]:
    found = set()
    for cidr in cidrs:
        try:
            network = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            continue
        if cidr.partition("/")[0] != _UNSPECIFIED:
            found.add(str(network))
    return found


def socket_address(address: str, port: int) -> address_pb2.Address:
    """An IP address with port, or the pipe behind ``unix:///path`` (istio util BuildAddress)."""
    if not port:
        return address_pb2.Address(pipe=address_pb2.Pipe(path=address.removeprefix("unix://")))
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))
