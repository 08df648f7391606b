"""Istiod's end of one delta ADS stream, without I/O: requests in, what is asked for out.

The same object serves a simulated proxy and a real Envoy; whoever owns the stream moves the messages. Rules: istio
pilot/pkg/xds/delta.go (shouldRespondDelta, pushDeltaXds), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from google.protobuf import any_pb2

from meshsim.xds import type_urls
from meshsim.xds.messages import discovery_pb2


class NamedBody(Protocol):
    """A generated resource: its name and its deterministic serialization."""

    @property
    def name(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class RequestKind(Enum):
    """What a request on the stream means."""

    FIRST = "first"
    """The first of its type on this stream, or after a reconnect: always answered."""
    SUBSCRIBE = "subscribe"
    """Names were added: answered with these."""
    UNSUBSCRIBE = "unsubscribe"
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
    names: dict[str, None] = field(default_factory=dict)
    """Names subscribed to, or for a wildcard the names sent; in order of arrival."""
    nonce_sent: str = ""
    nonce_acked: str = ""
    last_error: str = ""
    always_respond: bool = False


class AdsServerStream:
    """The server's state of one stream: watched types, nonces, the names each holds."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.watches: dict[str, Watch] = {}
        self._sent = 0

    def watched_types(self) -> list[str]:
        """Watched types in push order: CDS, EDS, LDS, RDS, SDS, then the rest by name (istio leaves them unordered)."""
        first = [t for t in type_urls.PUSH_ORDER if t in self.watches]
        return first + sorted(t for t in self.watches if t not in type_urls.PUSH_ORDER)

    def on_request(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Received:
        """Take a request in; the caller answers FIRST and SUBSCRIBE."""
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
        for name in request.resource_names_unsubscribe:
            watch.names.pop(name, None)
        watch.names.update(dict.fromkeys(added))
        if added:
            return Received(RequestKind.SUBSCRIBE, type_url, tuple(added), request.response_nonce)
        if request.response_nonce:
            return Received(RequestKind.ACK, type_url, (), request.response_nonce)
        return Received(RequestKind.UNSUBSCRIBE, type_url)

    def _first(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Received:
        names = [n for n in request.resource_names_subscribe if n != "*"]
        wildcard = request.type_url in type_urls.WILDCARD or "*" in request.resource_names_subscribe
        known = dict(request.initial_resource_versions)
        watch = Watch(wildcard=wildcard or request.type_url == type_urls.NAME_TABLE)
        watch.names.update(dict.fromkeys(names))
        watch.names.update(dict.fromkeys(known))
        self.watches[request.type_url] = watch
        asked = tuple(watch.names) if not watch.wildcard else ()
        return Received(RequestKind.FIRST, request.type_url, asked, "", "", known)

    def respond(
        self, type_url: str, resources: Sequence[NamedBody], removed: Iterable[str], version: str
    ) -> discovery_pb2.DeltaDiscoveryResponse:
        """The response that carries these resources; the stream remembers what the client will hold.

        Individual resource versions stay empty for Envoy's types, as istiod leaves them.
        """
        watch = self.watches[type_url]
        self._sent += 1
        nonce = f"{version}-{self.stream_id}-{self._sent}"
        gone = sorted(removed)
        for name in gone:
            watch.names.pop(name, None)
        if watch.wildcard:
            watch.names.update(dict.fromkeys(r.name for r in resources))
        watch.nonce_sent = nonce
        return discovery_pb2.DeltaDiscoveryResponse(
            system_version_info=version,
            type_url=type_url,
            nonce=nonce,
            resources=[
                discovery_pb2.Resource(name=r.name, resource=any_pb2.Any(type_url=type_url, value=r.body))
                for r in resources
            ],
            removed_resources=gone,
        )

    def on_disconnected(self) -> None:
        """The stream ended; a new one starts from nothing."""
        self.watches.clear()
