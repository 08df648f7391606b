"""Virtual hosts and route configurations as bytes.

A service's routes are the same for every proxy that has no VirtualService about it, only names and domains differ by
namespace. So the two parts of a virtual host are serialized apart, and joined: protobuf merges messages that stand
one behind the other, and fields stay in the order of their numbers, so equal content has equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from meshsim.controlplane.routes.matches import is_catch_all
from meshsim.xds.messages import route_components_pb2, route_pb2, wrappers_pb2

_VIRTUAL_HOSTS_TAG: Final = b"\x12"
"""Field 2 of RouteConfiguration, length-delimited."""

_ROUTES_TAG: Final = b"\x1a"
"""Field 3 of VirtualHost, length-delimited."""

_DIRECT_RESPONSE_LIMIT: Final = 1024 * 1024
"""As large as the body that validation lets pass."""


@dataclass(frozen=True, slots=True, eq=False)
class BuiltRoute:
    """A route as bytes; hosts with the very same routes can be told by identity."""

    body: bytes
    """A `routes` field of a VirtualHost."""
    catch_all: bool
    """Whether it takes every request."""

    @classmethod
    def of(cls, route: route_components_pb2.Route) -> BuiltRoute:
        body = route.SerializeToString(deterministic=True)
        return cls(b"".join((_ROUTES_TAG, _varint(len(body)), body)), is_catch_all(route.match))


class HostRoutes(NamedTuple):
    """What a virtual host does, without its name and domains."""

    body: bytes

    @classmethod
    def of(cls, routes: Iterable[BuiltRoute], attempt_count: bool, *, https_only: bool = False) -> HostRoutes:
        """`attempt_count`: whether requests carry the number of the attempt (``x-envoy-attempt-count``).

        `https_only`: plain HTTP requests are redirected to HTTPS.
        """
        return cls(b"".join((*(route.body for route in routes), _settings(attempt_count, https_only))))


NO_ROUTES: Final = HostRoutes(b"")


class HostHead(NamedTuple):
    """The name and domains of a virtual host."""

    name: str
    domains: tuple[str, ...]
    body: bytes

    @classmethod
    def of(cls, name: str, domains: Iterable[str]) -> HostHead:
        kept = tuple(domains)
        message = route_components_pb2.VirtualHost(name=name, domains=kept)
        return cls(name, kept, message.SerializeToString(deterministic=True))


class HostEntry(NamedTuple):
    """A virtual host of a route configuration."""

    head: HostHead
    routes: HostRoutes


def encode_host(host: HostEntry) -> bytes:
    """A virtual host as a field of its route configuration."""
    head, body = host.head.body, host.routes.body
    return b"".join((_VIRTUAL_HOSTS_TAG, _varint(len(head) + len(body)), head, body))


def encode_configuration(name: str, hosts: Iterable[bytes]) -> bytes:
    """A RouteConfiguration with these virtual hosts, in their order; ports of Host headers do not count."""
    head = route_pb2.RouteConfiguration(name=name).SerializeToString(deterministic=True)
    return b"".join((head, *hosts, _tail()))


@cache
def _tail() -> bytes:
    """The fields of a route configuration behind its virtual hosts."""
    tail = route_pb2.RouteConfiguration(
        validate_clusters=wrappers_pb2.BoolValue(value=False),
        max_direct_response_body_size_bytes=wrappers_pb2.UInt32Value(value=_DIRECT_RESPONSE_LIMIT),
        ignore_port_in_host_matching=True,
    )
    return tail.SerializeToString(deterministic=True)


def encode_empty_configuration(name: str) -> bytes:
    """What is sent for a name nothing listens under: no virtual host (istio httproute.go BuildHTTPRoutes)."""
    empty = route_pb2.RouteConfiguration(name=name, validate_clusters=wrappers_pb2.BoolValue(value=False))
    return empty.SerializeToString(deterministic=True)


@cache
def _settings(attempt_count: bool, https_only: bool) -> bytes:
    """The fields of a virtual host behind its routes."""
    host = route_components_pb2.VirtualHost(
        require_tls=route_components_pb2.VirtualHost.ALL if https_only else route_components_pb2.VirtualHost.NONE,
        include_request_attempt_count=attempt_count,
    )
    return host.SerializeToString(deterministic=True)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
