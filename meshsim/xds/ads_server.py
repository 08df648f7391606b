"""Istiod's end of one ADS stream, without I/O: requests in, what is asked for out; delta and state of the world.

The same objects serve a simulated proxy and a real Envoy; whoever owns the stream moves the messages. Rules: istio
pilot/pkg/xds/delta.go (shouldRespondDelta, pushDeltaXds) and pkg/xds/server.go (ShouldRespond), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from google.protobuf import any_pb2

from meshsim.trace import Tap, XdsEvent
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.bodies import Bodies, NamedBody
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.sharing import share


class RequestKind(Enum):
    """What a request on the stream means."""

    FIRST = "first"
    """The first of its type on this stream, or after a reconnect: always answered."""
    SUBSCRIBE = "subscribe"
    """Names were added: answered with these."""
    UNSUBSCRIBE = "unsubscribe"
    """Names were only dropped."""
    ACK = "ack"
    NACK = "nack"
    EXPIRED = "expired"
    """It answers an older response; ignored."""


class Received(NamedTuple):
    """A request as understood."""

    kind: RequestKind
    type_url: str
    names: tuple[str, ...] = ()
    """Names to answer with (FIRST and SUBSCRIBE of types that are not wildcards)."""
    nonce: str = ""
    reason: str = ""
    """Error text of a NACK."""
    known: Mapping[str, str] = {}
    """Resource versions the client says it holds (FIRST after a reconnect)."""


@dataclass(slots=True)
class Watch:
    """What the server remembers of one type on one stream."""

    wildcard: bool
    names: Mapping[str, None] = field(default_factory=dict)
    """Names subscribed to, or for a wildcard the names sent; in order of arrival."""
    nonce_sent: str = ""
    nonce_acked: str = ""
    last_error: str = ""
    always_respond: bool = False
    """State of the world: the next request is answered even though it looks like an ACK, because clusters warm."""


def _beginning() -> Nanos:
    return 0


class _Stream:
    """What both protocols remember: watched types, nonces, and where every message is noted."""

    def __init__(
        self, stream_id: str, log: Tap[XdsEvent] | None = None, clock: Callable[[], Nanos] = _beginning
    ) -> None:
        self.stream_id = stream_id
        self.watches: dict[str, Watch] = {}
        self._sent = 0
        self._log: Tap[XdsEvent] = log if log is not None else Tap()
        self._clock = clock

    def watched_types(self) -> list[str]:
        """Watched types in push order: CDS, EDS, LDS, RDS, SDS, then the rest by name (istio leaves them unordered)."""
        first = [t for t in type_urls.PUSH_ORDER if t in self.watches]
        return first + sorted(t for t in self.watches if t not in type_urls.PUSH_ORDER)

    def on_disconnected(self) -> None:
        """The stream ended; a new one starts from nothing."""
        self.watches.clear()

    def _next_nonce(self, watch: Watch, version: str) -> str:
        self._sent += 1
        watch.nonce_sent = f"{version}-{self.stream_id}-{self._sent}"
        return watch.nonce_sent

    def _note_received(
        self, received: Received, version: str, names: Iterable[str], removed: Iterable[str]
    ) -> Received:
        if self._log:
            self._note(received.kind.value, received.type_url, received.nonce, version, names, removed, received.reason)
        return received

    def _note(
        self,
        kind: str,
        type_url: str,
        nonce: str,
        version: str,
        names: Iterable[str],
        removed: Iterable[str],
        reason: str = "",
    ) -> None:
        asked, gone = tuple(sorted(names)), tuple(sorted(removed))
        self._log(XdsEvent(self._clock(), self.stream_id, kind, type_url, nonce, version, asked, gone, reason))


class AdsServerStream(_Stream):
    """The server's state of one delta stream: watched types, nonces, the names each holds."""

    def on_request(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Received:
        """Take a request in; the caller answers FIRST and SUBSCRIBE, and UNSUBSCRIBE where nothing is an answer too."""
        received = self._understand(request)
        return self._note_received(received, "", request.resource_names_subscribe, request.resource_names_unsubscribe)

    def _understand(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Received:
        type_url = request.type_url
        watch = self.watches.get(type_url)
        if request.HasField("error_detail"):
            if watch is not None:
                watch.last_error = request.error_detail.message
            return Received(RequestKind.NACK, type_url, (), request.response_nonce, request.error_detail.message)
        if watch is None:
            return self._first(request)
        if request.response_nonce and request.response_nonce != watch.nonce_sent:
            return Received(RequestKind.EXPIRED, type_url, (), request.response_nonce)
        if request.response_nonce:
            watch.nonce_acked = request.response_nonce
            watch.last_error = ""
        added = [n for n in request.resource_names_subscribe if n != "*" and n not in watch.names]
        dropped = [n for n in request.resource_names_unsubscribe if n in watch.names]
        if added or dropped:
            gone = frozenset(dropped)
            kept = [name for name in watch.names if name not in gone]
            watch.names = share(dict.fromkeys([*kept, *added]))
        kind = RequestKind.SUBSCRIBE if added else RequestKind.UNSUBSCRIBE if dropped else RequestKind.ACK
        return Received(kind, type_url, tuple(added), request.response_nonce)

    def _first(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Received:
        names = list(request.resource_names_subscribe)
        wildcard = request.type_url in type_urls.WILDCARD or "*" in names
        if "*" in names:
            names = [name for name in names if name != "*"]
        known = dict(request.initial_resource_versions)
        watch = Watch(wildcard or request.type_url == type_urls.NAME_TABLE, share(dict.fromkeys([*names, *known])))
        self.watches[request.type_url] = watch
        asked = tuple(watch.names) if not watch.wildcard else ()
        return Received(RequestKind.FIRST, request.type_url, asked, "", "", known)

    def respond(
        self,
        type_url: str,
        resources: Sequence[NamedBody],
        removed: Iterable[str],
        version: str,
        versions: Mapping[str, str] | None = None,
    ) -> discovery_pb2.DeltaDiscoveryResponse:
        """`answer`, as a message for a wire."""
        return self.answer(type_url, resources, removed, version, versions).encode()

    def answer(
        self,
        type_url: str,
        resources: Sequence[NamedBody],
        removed: Iterable[str],
        version: str,
        versions: Mapping[str, str] | None = None,
    ) -> DeltaResponse:
        """The response that carries these resources; the stream remembers what the client will hold.

        Individual resource versions stay empty for Envoy's types, as istiod leaves them, unless `versions` names them.
        """
        watch = self.watches[type_url]
        nonce = self._next_nonce(watch, version)
        gone = tuple(sorted(removed))
        held = dict(watch.names)
        for name in gone:
            held.pop(name, None)
        bodies = Bodies.of(resources)
        if watch.wildcard:
            held.update(dict.fromkeys(bodies.names))
        watch.names = share(held)
        if self._log:
            self._note("send", type_url, nonce, version, bodies.names, gone)
        return DeltaResponse(type_url, nonce, version, bodies, gone, versions or {})


class SotwServerStream(_Stream):
    """The server's state of one state-of-the-world stream."""

    def on_request(self, request: discovery_pb2.DiscoveryRequest) -> Received:
        """Take a request in; the caller answers FIRST and SUBSCRIBE.

        A subscription to a wildcard type, and one to LDS or CDS at all, is answered with every resource; the others
        with the resources named, or only with the new ones.
        """
        watch = self.watches.get(request.type_url)
        before = frozenset(watch.names) if watch is not None and not watch.wildcard else frozenset()
        received = self._understand(request, watch, before)
        return self._note_received(
            received, request.version_info, request.resource_names, before.difference(request.resource_names)
        )

    def _understand(
        self, request: discovery_pb2.DiscoveryRequest, watch: Watch | None, before: frozenset[str]
    ) -> Received:
        type_url, nonce = request.type_url, request.response_nonce
        wildcard = type_url in type_urls.WILDCARD or type_url == type_urls.NAME_TABLE
        if request.HasField("error_detail"):
            if watch is not None:
                watch.last_error = request.error_detail.message
            return Received(RequestKind.NACK, type_url, (), nonce, request.error_detail.message)
        if not request.resource_names and not wildcard:
            self.watches.pop(type_url, None)
            return Received(RequestKind.UNSUBSCRIBE, type_url, (), nonce)
        if not nonce or watch is None:
            return self._first(request, wildcard)
        if nonce != watch.nonce_sent:
            return Received(RequestKind.EXPIRED, type_url, (), nonce)
        watch.nonce_acked, watch.last_error = nonce, ""
        forced, watch.always_respond = watch.always_respond, False
        if wildcard:
            return Received(RequestKind.SUBSCRIBE if forced else RequestKind.ACK, type_url, (), nonce)
        watch.names = dict.fromkeys(request.resource_names)
        added = tuple(n for n in watch.names if n not in before)
        if added or forced:
            return Received(RequestKind.SUBSCRIBE, type_url, tuple(watch.names) if forced else added, nonce)
        return Received(RequestKind.ACK, type_url, (), nonce)

    def _first(self, request: discovery_pb2.DiscoveryRequest, wildcard: bool) -> Received:
        names = tuple(dict.fromkeys(request.resource_names))
        self.watches[request.type_url] = Watch(wildcard, dict.fromkeys(() if wildcard else names))
        endpoints = self.watches.get(type_urls.ENDPOINT)
        if request.type_url == type_urls.CLUSTER and endpoints is not None:
            # A reconnected Envoy that finds changed clusters asks for their endpoints again with the nonce it has.
            endpoints.always_respond = True
        return Received(RequestKind.FIRST, request.type_url, () if wildcard else names)

    def respond(self, type_url: str, resources: Sequence[NamedBody], version: str) -> discovery_pb2.DiscoveryResponse:
        """The response that carries these resources; of a wildcard type they are all there are."""
        watch = self.watches[type_url]
        nonce = self._next_nonce(watch, version)
        gone: list[str] = []
        if watch.wildcard:
            names = dict.fromkeys(r.name for r in resources)
            gone = [n for n in watch.names if n not in names]
            watch.names = names
        if self._log:
            self._note("send", type_url, nonce, version, (r.name for r in resources), gone)
        return discovery_pb2.DiscoveryResponse(
            version_info=version,
            type_url=type_url,
            nonce=nonce,
            resources=[any_pb2.Any(type_url=type_url, value=r.body) for r in resources],
        )
