"""A server that holds one set of resources and serves it to streams of either protocol, without I/O.

What Pilot does for a whole mesh, this does for resources that somebody else made: a first request gets everything it
asks for, added names get theirs, clusters asked for again bring their endpoints along (istio pilot/pkg/xds/delta.go
forceEDSPush). What changes is sent when it is pushed, not before, so that a caller decides the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeAlias

from meshsim.trace import Tap, XdsEvent
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.ads_server import AdsServerStream, Received, RequestKind, SotwServerStream
from meshsim.xds.messages import discovery_pb2

Request: TypeAlias = discovery_pb2.DeltaDiscoveryRequest | discovery_pb2.DiscoveryRequest
Response: TypeAlias = discovery_pb2.DeltaDiscoveryResponse | discovery_pb2.DiscoveryResponse


class AdsService(Protocol):
    """What a transport needs of a server: streams open and close, requests lead to responses."""

    def open(self, stream: str, *, delta: bool) -> None:
        """A stream of one protocol begins."""
        ...

    def on_request(self, stream: str, request: Request) -> list[Response]:
        """Responses to a request, in order."""
        ...

    def close(self, stream: str) -> None:
        """The stream has ended."""
        ...


class Resource(NamedTuple):
    """A resource with the version that delta clients remember it by."""

    name: str
    body: bytes
    version: str = ""


class SnapshotServer:
    """Resources by type and name, and the streams they are served on."""

    def __init__(self, log: Tap[XdsEvent] | None = None, clock: Callable[[], Nanos] = lambda: 0) -> None:
        self.resources: dict[str, dict[str, Resource]] = {}
        self.silent: set[str] = set()
        """Types of which nobody who asks gets an answer; pushes reach them."""
        self._streams: dict[str, AdsServerStream | SotwServerStream] = {}
        self._log = log
        self._clock = clock
        self._changes = 0

    @property
    def streams(self) -> tuple[str, ...]:
        """Open streams in the order they began."""
        return tuple(self._streams)

    def put(self, type_url: str, name: str, body: bytes) -> None:
        """Hold this resource from now on; a push sends it."""
        self._changes += 1
        self.resources.setdefault(type_url, {})[name] = Resource(name, body, f"r{self._changes}")

    def drop(self, type_url: str, name: str) -> None:
        """Hold this resource no longer."""
        self._changes += 1
        self.resources.get(type_url, {}).pop(name, None)

    def open(self, stream: str, *, delta: bool) -> None:
        """A stream of one protocol begins."""
        kind = AdsServerStream if delta else SotwServerStream
        self._streams[stream] = kind(stream, self._log, self._clock)

    def close(self, stream: str) -> None:
        """The stream has ended."""
        self._streams.pop(stream, None)

    def on_request(self, stream: str, request: Request) -> list[Response]:
        """Responses to a request, in order; none to a stream that is not open or speaks the other protocol."""
        served = self._streams.get(stream)
        if isinstance(served, AdsServerStream) and isinstance(request, discovery_pb2.DeltaDiscoveryRequest):
            return self._answer(served, served.on_request(request))
        if isinstance(served, SotwServerStream) and isinstance(request, discovery_pb2.DiscoveryRequest):
            return self._answer(served, served.on_request(request))
        return []

    def push(self, type_url: str, names: Iterable[str] | None = None) -> list[tuple[str, Response]]:
        """Send resources of a type to every stream that watches it: all, or those named.

        A name that is not held is sent as removed (delta); under state of the world, clusters and listeners always go
        out whole.
        """
        wanted = None if names is None else tuple(names)
        found: list[tuple[str, Response]] = []
        for stream_id, stream in self._streams.items():
            if type_url in stream.watches:
                found.append((stream_id, self._respond(stream, type_url, wanted, answers=False)))
        return found

    def _answer(self, stream: AdsServerStream | SotwServerStream, received: Received) -> list[Response]:
        if received.kind not in (RequestKind.FIRST, RequestKind.SUBSCRIBE):
            return []
        type_url = received.type_url
        if type_url in self.silent:
            return []
        wildcard = stream.watches[type_url].wildcard
        held = self.resources.get(type_url, {})
        if not wildcard and not any(name in held for name in received.names):
            return []
        names = None if wildcard else received.names
        answers = [self._respond(stream, type_url, names, answers=True)]
        endpoints = self.resources.get(type_urls.ENDPOINT, {})
        again = stream.watches.get(type_urls.ENDPOINT)
        if type_url == type_urls.CLUSTER and again is not None and any(name in endpoints for name in again.names):
            answers.append(self._respond(stream, type_urls.ENDPOINT, None, answers=True))
        return answers

    def _respond(
        self,
        stream: AdsServerStream | SotwServerStream,
        type_url: str,
        names: tuple[str, ...] | None,
        *,
        answers: bool,
    ) -> Response:
        watch = stream.watches[type_url]
        held = self.resources.get(type_url, {})
        version = f"v{self._changes}"
        if isinstance(stream, SotwServerStream):
            asked = tuple(held) if watch.wildcard else tuple(watch.names) if names is None else names
            return stream.respond(type_url, [held[n] for n in asked if n in held], version)
        if names is None:
            names = tuple(dict.fromkeys([*held, *watch.names])) if watch.wildcard else tuple(watch.names)
        sent = [held[n] for n in names if n in held]
        gone = [n for n in names if n not in held] if watch.wildcard or not answers else []
        return stream.respond(type_url, sent, gone, version, {r.name: r.version for r in sent})
