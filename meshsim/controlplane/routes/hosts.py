"""Virtual hosts and route configurations as bytes.

A service's routes are the same for every proxy that has no VirtualService about it, only names and domains differ by
namespace. So the two parts of a virtual host are serialized apart, and joined: protobuf merges messages that stand
one behind the other, and fields stay in the order of their numbers, so equal content has equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from meshsim.xds.messages import route_components_pb2, route_pb2, wrappers_pb2

_VIRTUAL_HOSTS_TAG: Final = b"\x12"
"""Field 2 of RouteConfiguration, length-delimited."""

_DIRECT_RESPONSE_LIMIT: Final = 1024 * 1024
"""As large as the body that validation lets pass."""


class HostRoutes(NamedTuple):
    """What a virtual host does, without its name and domains."""

    body: bytes

    @classmethod
    def of(cls, routes: Sequence[route_components_pb2.Route], attempt_count: bool) -> HostRoutes:
        """`attempt_count`: whether requests carry the number of the attempt (``x-envoy-attempt-count``)."""
        host = route_components_pb2.VirtualHost(routes=routes, include_request_attempt_count=attempt_count)
        return cls(host.SerializeToString(deterministic=True))


class HostEntry(NamedTuple):
    """A virtual host of a route configuration."""

    name: str
    domains: Sequence[str]
    routes: HostRoutes

    def encode(self) -> bytes:
        """The VirtualHost message."""
        head = route_components_pb2.VirtualHost(name=self.name, domains=self.domains)
        return head.SerializeToString(deterministic=True) + self.routes.body


def encode_configuration(name: str, hosts: Iterable[HostEntry]) -> bytes:
    """A RouteConfiguration with these virtual hosts, in their order; ports of Host headers do not count."""
    parts = [route_pb2.RouteConfiguration(name=name).SerializeToString(deterministic=True)]
    for host in hosts:
        body = host.encode()
        parts += (_VIRTUAL_HOSTS_TAG, _varint(len(body)), body)
    tail = route_pb2.RouteConfiguration(
        validate_clusters=wrappers_pb2.BoolValue(value=False),
        max_direct_response_body_size_bytes=wrappers_pb2.UInt32Value(value=_DIRECT_RESPONSE_LIMIT),
        ignore_port_in_host_matching=True,
    )
    parts.append(tail.SerializeToString(deterministic=True))
    return b"".join(parts)


def encode_empty_configuration(name: str) -> bytes:
    """What is sent for a name nothing listens under: no virtual host (istio httproute.go BuildHTTPRoutes)."""
    empty = route_pb2.RouteConfiguration(name=name, validate_clusters=wrappers_pb2.BoolValue(value=False))
    return empty.SerializeToString(deterministic=True)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
