"""Envoy's end of one ADS stream, without I/O: responses in, requests out, in the order Envoy sends them.

`AdsClient` speaks delta; `meshsim.xds.sotw_client` has the state-of-the-world client, which shares what is not
protocol. Rules: Envoy source/extensions/config_subscription/grpc/{new_grpc_mux_impl,delta_subscription_state}.cc
(1.37-dev) and source/common/upstream/cluster_manager_impl.cc (updateClusterCounts). Measured on Envoy 1.40: the EDS
request leaves before the CDS ACK, LDS is asked for once every cluster is warm, after start-up the CDS ACK waits for
warm clusters, and the routes of a listener that went away or changed stay subscribed to until it has drained.

DEVIATION: fetch timeouts do not run (Istio sets ``initial_fetch_timeout: 0s`` everywhere: wait for ever); a client with
another timeout would proceed without the resource when it expires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from google.protobuf.message import DecodeError

from meshsim.xds import type_urls
from meshsim.xds.delta_response import DeltaResponse, decode_response
from meshsim.xds.messages import base_pb2, discovery_pb2

GRPC_INTERNAL: Final = 13
"""Code of every NACK (google.rpc.Code INTERNAL)."""


class Rejected(NamedTuple):
    """A resource that was refused, and why; the one of this name that was active before stays.

    An empty name is the response as a whole: nothing of it was applied.
    """

    name: str
    reason: str


class Change(NamedTuple):
    """A resource that traffic follows from now on, or no longer finds."""

    type_url: str
    name: str
    version: str
    """Version of the response that carried it."""
    removed: bool = False


class Applied(NamedTuple):
    """What became of one response."""

    effective: tuple[Change, ...]
    """What took effect, warm-ups that this response ended included."""
    rejected: tuple[Rejected, ...]
    wanted: Mapping[str, tuple[str, ...]]
    """Names that the configuration refers to now, for each type that is subscribed to by name."""
    warming_clusters: bool
    """Whether a cluster still waits for its endpoints."""
    rewatched: bool = False
    """Whether a cluster began to wait, which asks for endpoints again under state of the world."""
    draining: bool = False
    """Whether some names are wanted on behalf of draining listeners alone."""
    warm_meanwhile: bool = False
    """Whether applying the clusters one by one left none waiting at some moment, which lets older ACKs go."""


class Applier(Protocol):
    """Whoever holds the configuration: takes one response in, resource by resource, and says what became of it."""

    def __call__(
        self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str
    ) -> Applied: ...


class Reaction(NamedTuple):
    """What an input to the client leads to."""

    send: tuple[discovery_pb2.DeltaDiscoveryRequest, ...] = ()
    changes: tuple[Change, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    """With an empty name: the response as a whole."""
    draining: bool = False
    """Whether some names are subscribed to on behalf of draining listeners alone; `on_drained` lets them go."""


@dataclass(slots=True)
class Subscription:
    """What the client remembers of one type; versions survive a reconnect, the rest of the stream does not."""

    type_url: str
    wildcard: bool
    versions: dict[str, str | None] = field(default_factory=dict)
    """Version by name; None = subscribed to, nothing received yet."""
    added: dict[str, None] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)
    asked_on_stream: bool = False
    followed: tuple[str, ...] = ()
    """The names of the last `want`."""

    @property
    def pending(self) -> bool:
        """Whether the server has to hear of this subscription."""
        if self.asked_on_stream:
            return bool(self.added or self.dropped)
        return self.wildcard or bool(self.versions)

    def want(self, names: tuple[str, ...]) -> None:
        """Follow exactly these names."""
        if names is self.followed:
            return
        self.followed = names
        wanted = dict.fromkeys(names)
        for name in wanted:
            if name not in self.versions:
                self.versions[name] = None
                self.dropped.pop(name, None)
                self.added[name] = None
        for name in [n for n in self.versions if n not in wanted]:
            del self.versions[name]
            self.added.pop(name, None)
            self.dropped[name] = None

    def accept(self, versions: Mapping[str, str], removed: Sequence[str]) -> None:
        """Remember the versions of a response that was applied as a whole."""
        if self.wildcard:
            self.versions.update(versions)
        else:
            self.versions.update({name: version for name, version in versions.items() if name in self.versions})
        for name in removed:
            if self.wildcard:
                self.versions.pop(name, None)
            elif name in self.versions:
                self.versions[name] = None

    def request(self) -> discovery_pb2.DeltaDiscoveryRequest:
        """The next request: everything on a fresh stream, afterwards what changed."""
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=self.type_url)
        if not self.asked_on_stream:
            self.asked_on_stream = True
            for name, version in self.versions.items():
                if version is not None:
                    request.initial_resource_versions[name] = version
            self.added = {} if self.wildcard else dict.fromkeys(self.versions)
            self.dropped = {}
        request.resource_names_subscribe.extend(self.added)
        request.resource_names_unsubscribe.extend(self.dropped)
        self.added, self.dropped = {}, {}
        return request


@dataclass(slots=True)
class Warmth:
    """How far the clusters are, which holds listeners back at first and cluster ACKs later."""

    initialized: bool = False
    """Whether the first clusters are warm, which is when listeners are asked for."""
    cds_paused: bool = False

    def on_applied(self, warming: bool) -> bool:
        """A response was applied; true when listeners are to be asked for from now on."""
        if self.initialized:
            self.cds_paused = warming
            return False
        self.initialized = not warming
        return self.initialized

    def pauses(self, type_url: str) -> bool:
        """Whether requests of a type wait."""
        return self.cds_paused and type_url == type_urls.CLUSTER


class _Answer(NamedTuple):
    """An ACK or NACK that has not left yet."""

    type_url: str
    nonce: str
    error: str


class AdsClient:
    """One proxy's client; `applier` decides what a response does, `types` are asked for by name besides EDS and RDS.

    `at_once` are types asked for as a whole together with the clusters, as an agent asks for its name table.
    """

    def __init__(
        self,
        node: base_pb2.Node,
        applier: Applier,
        types: Sequence[str] = (),
        at_once: Sequence[str] = (),
    ) -> None:
        self._node = node
        self._applier = applier
        self._named = (type_urls.ENDPOINT, type_urls.ROUTE, *types)
        self._at_once = tuple(at_once)
        self._subscriptions: dict[str, Subscription] = {}
        self._answers: list[_Answer] = []
        self._connected = False
        self._node_sent = False
        self._warmth = Warmth()

    @property
    def clusters_initialized(self) -> bool:
        """Whether the first clusters are warm, which is when listeners are asked for."""
        return self._warmth.initialized

    def names(self, type_url: str) -> tuple[str, ...]:
        """Names of a type that the client holds or waits for, in order of arrival."""
        subscription = self._subscriptions.get(type_url)
        return tuple(subscription.versions) if subscription else ()

    def on_connected(self) -> Reaction:
        """A stream is up: ask for CDS at the first time, for everything after a reconnect."""
        self._connected = True
        self._node_sent = False
        self._answers.clear()
        for type_url in (type_urls.CLUSTER, *self._at_once):
            self._subscription(type_url)
        for subscription in self._subscriptions.values():
            subscription.asked_on_stream = False
        return Reaction(send=tuple(self._drain()))

    def on_disconnected(self) -> Reaction:
        """The stream ended: configuration and versions stay, answers that had not left are void."""
        self._connected = False
        self._answers.clear()
        return Reaction()

    def on_response(self, response: DeltaResponse | discovery_pb2.DeltaDiscoveryResponse | bytes) -> Reaction:
        """Apply a response. A response that is no protobuf or breaks the protocol is a NACK as a whole."""
        if isinstance(response, bytes):
            try:
                response = discovery_pb2.DeltaDiscoveryResponse.FromString(response)
            except DecodeError as error:
                return Reaction(rejected=(Rejected("", f"not a DeltaDiscoveryResponse: {error}"),))
        subscription = self._subscriptions.get(response.type_url)
        if subscription is None:
            return Reaction(rejected=(Rejected("", f"response of type {response.type_url} was not asked for"),))
        broken = response.problem() if isinstance(response, DeltaResponse) else _protocol_error(response)
        if broken:
            self._answers.append(_Answer(response.type_url, response.nonce, broken))
            return Reaction(tuple(self._drain()), (), (Rejected("", broken),))
        if not isinstance(response, DeltaResponse):
            response = decode_response(response)
        bodies, removed = response.bodies(), response.removed_resources
        applied = self._applier(response.type_url, bodies, removed, response.system_version_info)
        send = self._follow(applied)
        if not applied.rejected:
            subscription.accept({**dict.fromkeys(bodies, ""), **response.versions}, removed)
        self._answers.append(
            _Answer(response.type_url, response.nonce, error_text(response.type_url, applied.rejected))
        )
        send += self._drain()
        return Reaction(tuple(send), applied.effective, applied.rejected, applied.draining)

    def on_drained(self, wanted: Mapping[str, tuple[str, ...]]) -> Reaction:
        """Every draining listener is gone: follow only the names that are still wanted."""
        self._want(wanted)
        return Reaction(tuple(self._drain()))

    def _want(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        for type_url in self._named:
            names = wanted.get(type_url, ())
            if names or type_url in self._subscriptions:
                self._subscription(type_url).want(names)

    def _follow(self, applied: Applied) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        """Requests that leave while a response is being applied, before its own ACK."""
        sent: list[discovery_pb2.DeltaDiscoveryRequest] = []
        if applied.warm_meanwhile:
            self._warmth.cds_paused = False
            sent = self._drain()
        if self._warmth.on_applied(applied.warming_clusters):
            self._subscription(type_urls.LISTENER)
        sent += self._drain()
        self._want(applied.wanted)
        return sent + self._drain()

    def _subscription(self, type_url: str) -> Subscription:
        found = self._subscriptions.get(type_url)
        if found is None:
            found = self._subscriptions[type_url] = Subscription(
                type_url, type_url in type_urls.WILDCARD or type_url in self._at_once
            )
        return found

    def _drain(self) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        """Everything that may leave now: answers first, then changed subscriptions in the order they began."""
        if not self._connected:
            return []
        send: list[discovery_pb2.DeltaDiscoveryRequest] = []
        held: list[_Answer] = []
        for answer in self._answers:
            if self._warmth.pauses(answer.type_url):
                held.append(answer)
                continue
            request = self._subscriptions[answer.type_url].request()
            request.response_nonce = answer.nonce
            if answer.error:
                request.error_detail.code = GRPC_INTERNAL
                request.error_detail.message = answer.error
            send.append(request)
        self._answers = held
        for type_url, subscription in self._subscriptions.items():
            if subscription.pending and not self._warmth.pauses(type_url):
                send.append(subscription.request())
        if send and not self._node_sent:
            self._node_sent = True
            send[0].node.CopyFrom(self._node)
        return send


def _protocol_error(response: discovery_pb2.DeltaDiscoveryResponse) -> str:
    """What makes Envoy refuse a response before it looks at any resource, or an empty text."""
    seen: set[str] = set()
    for resource in response.resources:
        if resource.name in seen:
            return f"duplicate name {resource.name} found among added/updated resources"
        seen.add(resource.name)
        if not resource.HasField("resource"):
            continue
        if resource.resource.type_url != response.type_url:
            return (
                f"type URL {resource.resource.type_url} embedded in an individual Any does not match the "
                f"message-wide type URL {response.type_url} in DeltaDiscoveryResponse"
            )
    for name in response.removed_resources:
        if name in seen:
            return f"duplicate name {name} found in the union of added+removed resources"
        seen.add(name)
    return ""


def error_text(type_url: str, rejected: Sequence[Rejected]) -> str:
    """The error detail of a NACK as Envoy words it; empty for an ACK."""
    if not rejected:
        return ""
    if not rejected[0].name:
        return rejected[0].reason
    if type_url == type_urls.CLUSTER:
        return "Error adding/updating cluster(s) " + ", ".join(f"{r.name}: {r.reason}" for r in rejected)
    if type_url == type_urls.LISTENER:
        return "Error adding/updating listener(s) " + "".join(f"{r.name}: {r.reason}\n" for r in rejected)
    return rejected[0].reason
