"""Envoy's end of one state-of-the-world ADS stream, without I/O.

Rules: Envoy source/extensions/config_subscription/grpc/grpc_mux_impl.cc (1.37-dev): one kind of request, with the
version followed, the newest nonce and every name; one leaves whenever something that watches the type comes or goes.
Measured on Envoy 1.40: a changed cluster asks for its endpoints again with the same names, version and nonce; what is
absent from a CDS or LDS response is removed; what is absent from an EDS or RDS response stays; of a name that comes
twice the first counts, and twice is refused where it is a cluster or a listener.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.client import (
    Applied,
    Applier,
    Change,
    Fetching,
    ProxyClient,
    Reaction,
    Rejected,
    error_text,
    refuse,
)
from meshsim.xds.messages import base_pb2, discovery_pb2
from meshsim.xds.wire import resource_name

_WRAPPER = type_urls.PREFIX + discovery_pb2.Resource.DESCRIPTOR.full_name


SotwReaction: TypeAlias = Reaction[discovery_pb2.DiscoveryRequest]


@dataclass(slots=True)
class _Type:
    """What the client remembers of one type; all but the nonce survives a reconnect, even a NACK that had not left."""

    type_url: str
    wildcard: bool
    names: dict[str, None] = field(default_factory=dict)
    """Names asked for; of a wildcard type those held."""
    version: str = ""
    nonce: str = ""
    error: str = ""
    due: bool = False
    """Whether a request waits to leave."""

    def request(self) -> discovery_pb2.DiscoveryRequest:
        """Everything the server has to know of this type."""
        request = discovery_pb2.DiscoveryRequest(
            type_url=self.type_url, version_info=self.version, response_nonce=self.nonce
        )
        if not self.wildcard:
            request.resource_names.extend(self.names)
        refuse(request, self.error)
        self.error = ""
        self.due = False
        return request


class SotwClient(ProxyClient):
    """One proxy's client; arguments as of `meshsim.xds.ads_client.AdsClient`."""

    def __init__(
        self, node: base_pb2.Node, applier: Applier, types: Sequence[str] = (), fetching: Fetching | None = None
    ) -> None:
        super().__init__(node, applier, types, fetching)
        self._types: dict[str, _Type] = {}

    def names(self, type_url: str) -> tuple[str, ...]:
        """Names of a type that the client holds or waits for, in order of arrival."""
        known = self._types.get(type_url)
        return tuple(known.names) if known else ()

    def on_connected(self) -> SotwReaction:
        """A stream is up: ask for CDS at the first time, for everything after a reconnect."""
        self._connected = True
        self._node_sent = False
        self._type(type_urls.CLUSTER)
        for known in self._types.values():
            known.nonce, known.due = "", True
        return Reaction(tuple(self._drain()))

    def on_disconnected(self) -> SotwReaction:
        """The stream ended: configuration and versions stay."""
        self._connected = False
        return Reaction()

    def on_response(self, response: discovery_pb2.DiscoveryResponse | bytes, now: Nanos = 0) -> SotwReaction:
        """Apply a response. A response that is no protobuf or breaks the protocol is a NACK as a whole."""
        if isinstance(response, bytes):
            try:
                response = discovery_pb2.DiscoveryResponse.FromString(response)
            except DecodeError as error:
                return Reaction(rejected=(Rejected("", f"not a DiscoveryResponse: {error}"),))
        known = self._types.get(response.type_url)
        if known is None:
            return Reaction(rejected=(Rejected("", f"response of type {response.type_url} was not asked for"),))
        known.nonce = response.nonce
        if not known.wildcard and not known.names:
            return self._unwatched(known, response)
        try:
            changed, twice = _bodies(response)
        except DecodeError as error:
            return self._refused(known, str(error))
        removed = [n for n in known.names if n not in changed] if known.wildcard else []
        applied = self._applier(response.type_url, changed, removed, response.version_info)
        if known.wildcard and twice:
            kind = "cluster" if known.type_url == type_urls.CLUSTER else "listener"
            again = tuple(Rejected(name, f"duplicate {kind} {name} found") for name in twice)
            applied = applied._replace(rejected=(*applied.rejected, *again))
        whole = any(not r.name for r in applied.rejected)
        self._arrived(response.type_url, applied, now)
        send = self._follow(applied, response.type_url, now)
        if known.wildcard and not whole:
            refused = frozenset(r.name for r in applied.rejected)
            known.names = dict.fromkeys(n for n in changed if n not in refused or n in known.names or n in twice)
        if not applied.rejected:
            known.version = response.version_info
        known.error = error_text(response.type_url, applied.rejected)
        known.due = True
        send += self._drain()
        return Reaction(tuple(send), applied.effective, applied.rejected, applied.draining)

    def on_time(self, now: Nanos) -> SotwReaction:
        """Time has passed: go on without what did not arrive in time, one after another."""
        send: list[discovery_pb2.DiscoveryRequest] = []
        changes: list[Change] = []
        for applied in self._expired(now):
            if applied.rewatched:
                self._types[type_urls.ENDPOINT].due = True
                send += self._drain()
            send += self._follow(applied, "", now)
            changes += applied.effective
        return Reaction(tuple(send), tuple(changes))

    def on_drained(self, wanted: Mapping[str, tuple[str, ...]]) -> SotwReaction:
        """Every draining listener is gone: follow only the names that are still wanted."""
        self._want(wanted)
        return Reaction(tuple(self._drain()))

    def _unwatched(self, known: _Type, response: discovery_pb2.DiscoveryResponse) -> SotwReaction:
        """Nothing of the type is followed any more: no resources are fine, others are answered by the old version."""
        if not response.resources:
            known.version = response.version_info
            return Reaction()
        known.due = True
        return Reaction(tuple(self._drain()))

    def _refused(self, known: _Type, reason: str) -> SotwReaction:
        known.error, known.due = reason, True
        return Reaction(tuple(self._drain()), (), (Rejected("", reason),))

    def _follow(self, applied: Applied, type_url: str, now: Nanos) -> list[discovery_pb2.DiscoveryRequest]:
        """Requests that leave while a response is being applied, before its own ACK."""
        if self._warmth.on_applied(applied.warming_clusters):
            self._type(type_urls.LISTENER).due = True
            self._listeners_wait(now)
        sent = self._drain(besides=type_url)
        self._want(applied.wanted)
        if type_url == type_urls.CLUSTER and applied.rewatched and type_urls.ENDPOINT in self._types:
            self._types[type_urls.ENDPOINT].due = True
        return sent + self._drain(besides=type_url)

    def _want(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        for type_url in self._named:
            names = dict.fromkeys(wanted.get(type_url, ()))
            if names or type_url in self._types:
                known = self._type(type_url)
                known.due = known.due or names.keys() != known.names.keys()
                known.names = names

    def _type(self, type_url: str) -> _Type:
        found = self._types.get(type_url)
        if found is None:
            found = self._types[type_url] = _Type(type_url, type_url in type_urls.WILDCARD)
        return found

    def _drain(self, besides: str = "") -> list[discovery_pb2.DiscoveryRequest]:
        """Everything that may leave now, in the order in which types were first asked for."""
        if not self._connected:
            return []
        send = [
            known.request()
            for type_url, known in self._types.items()
            if known.due and type_url != besides and not self._warmth.pauses(type_url)
        ]
        return self._signed(send)


def _bodies(response: discovery_pb2.DiscoveryResponse) -> tuple[dict[str, bytes], list[str]]:
    """Resources by name, the first of each name, and the names that come again.

    Raises `DecodeError` with Envoy's reason for what it refuses before it looks at any.
    """
    found: dict[str, bytes] = {}
    twice: list[str] = []
    for packed in response.resources:
        body = _unwrap(packed, response.type_url)
        name = resource_name(body)
        if name in found:
            twice.append(name)
        else:
            found[name] = body
    return found, twice


def _unwrap(packed: any_pb2.Any, type_url: str) -> bytes:
    if packed.type_url == _WRAPPER:
        packed = discovery_pb2.Resource.FromString(packed.value).resource
    if packed.type_url != type_url:
        raise DecodeError(f"{packed.type_url} does not match the message-wide type URL {type_url} in DiscoveryResponse")
    return packed.value
