"""Envoy's end of one ADS stream, without I/O: responses in, requests out, in the order Envoy sends them.

`AdsClient` speaks delta; `meshsim.xds.sotw_client` has the state-of-the-world client, which shares what is not
protocol. Rules: Envoy source/extensions/config_subscription/grpc/{new_grpc_mux_impl,delta_subscription_state}.cc
(1.37-dev) and source/common/upstream/cluster_manager_impl.cc (updateClusterCounts). Measured on Envoy 1.40: the EDS
request leaves before the CDS ACK, LDS is asked for once every cluster is warm, after start-up the CDS ACK waits for
warm clusters, and the routes of a listener that went away or changed stay subscribed to until it has drained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.bodies import BodyTable
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
from meshsim.xds.delta_response import DeltaResponse, decode_response
from meshsim.xds.messages import base_pb2, discovery_pb2
from meshsim.xds.sharing import ByIdentity, share

_REMEMBERED: Final = 64
"""Results that are kept: proxies of a mesh come to the same ones, one after another."""
_Versions: TypeAlias = Mapping[str, str | None]
_NOTHING: Final[_Versions] = {}
DeltaReaction: TypeAlias = Reaction[discovery_pb2.DeltaDiscoveryRequest]


@dataclass(slots=True)
class Subscription:
    """What the client remembers of one type; versions survive a reconnect, the rest of the stream does not."""

    type_url: str
    wildcard: bool
    versions: _Versions = field(default_factory=lambda: _NOTHING)
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
        new, gone, self.versions = _follow(ByIdentity(self.versions), ByIdentity(names))
        for name in new if self.dropped else ():
            self.dropped.pop(name, None)
        self.added.update(dict.fromkeys(new))
        for name in gone:
            self.added.pop(name, None)
            self.dropped[name] = None

    def accept(self, bodies: BodyTable, versions: Mapping[str, str], removed: Sequence[str]) -> None:
        """Remember the versions of a response that was applied as a whole; resources without have an empty one."""
        if not versions and not removed:
            self.versions = _accept(ByIdentity(self.versions), ByIdentity(bodies), self.wildcard)
            return
        now = dict(self.versions)
        arrived = {**dict.fromkeys(bodies, ""), **versions}
        if self.wildcard:
            now.update(arrived)
        else:
            now.update({name: version for name, version in arrived.items() if name in now})
        for name in removed:
            if self.wildcard:
                now.pop(name, None)
            elif name in now:
                now[name] = None
        self.versions = share(now)

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


@lru_cache(maxsize=_REMEMBERED)
def _follow(
    known: ByIdentity[_Versions], names: ByIdentity[tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[str, ...], _Versions]:
    """Names that are new among those to follow, those that go, and the versions of what is followed then."""
    had, wanted = known.value, dict.fromkeys(names.value)
    new = tuple([name for name in wanted if name not in had])
    gone = tuple([name for name in had if name not in wanted])
    kept = {name: version for name, version in had.items() if name in wanted} if gone else had
    return new, gone, share({**kept, **dict.fromkeys(new)})


@lru_cache(maxsize=_REMEMBERED)
def _accept(known: ByIdentity[_Versions], bodies: ByIdentity[BodyTable], wildcard: bool) -> _Versions:
    """The versions after a response without any that was applied as a whole."""
    now: dict[str, str | None] = dict(known.value)
    now.update(dict.fromkeys(bodies.value if wildcard else [name for name in bodies.value if name in now], ""))
    return share(now)


class _Answer(NamedTuple):
    """An ACK or NACK that has not left yet."""

    type_url: str
    nonce: str
    error: str


class AdsClient(ProxyClient):
    """One proxy's client; `applier` decides what a response does, `types` are asked for by name besides EDS and RDS.

    `at_once` are types asked for as a whole together with the clusters, as an agent asks for its name table. Without
    `fetching` no time passes: everything is waited for without limit.
    """

    def __init__(
        self,
        node: base_pb2.Node,
        applier: Applier,
        types: Sequence[str] = (),
        at_once: Sequence[str] = (),
        fetching: Fetching | None = None,
    ) -> None:
        super().__init__(node, applier, types, fetching)
        self._at_once = tuple(at_once)
        self._subscriptions: dict[str, Subscription] = {}
        self._answers: list[_Answer] = []

    def names(self, type_url: str) -> tuple[str, ...]:
        """Names of a type that the client holds or waits for, in order of arrival."""
        subscription = self._subscriptions.get(type_url)
        return tuple(subscription.versions) if subscription else ()

    def on_connected(self) -> DeltaReaction:
        """A stream is up: ask for CDS at the first time, for everything after a reconnect."""
        self._connected = True
        self._node_sent = False
        self._answers.clear()
        for type_url in (type_urls.CLUSTER, *self._at_once):
            self._subscription(type_url)
        for subscription in self._subscriptions.values():
            subscription.asked_on_stream = False
        return Reaction(send=tuple(self._drain()))

    def on_disconnected(self) -> DeltaReaction:
        """The stream ended: configuration and versions stay, answers that had not left are void."""
        self._connected = False
        self._answers.clear()
        return Reaction()

    def on_response(
        self, response: DeltaResponse | discovery_pb2.DeltaDiscoveryResponse | bytes, now: Nanos = 0
    ) -> DeltaReaction:
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
        self._arrived(response.type_url, applied, now)
        send = self._follow(applied, now)
        if not applied.rejected:
            subscription.accept(bodies, response.versions, removed)
        self._answers.append(
            _Answer(response.type_url, response.nonce, error_text(response.type_url, applied.rejected))
        )
        send += self._drain()
        return Reaction(tuple(send), applied.effective, applied.rejected, applied.draining)

    def on_time(self, now: Nanos) -> DeltaReaction:
        """Time has passed: go on without what did not arrive in time, one after another."""
        send: list[discovery_pb2.DeltaDiscoveryRequest] = []
        changes: list[Change] = []
        for applied in self._expired(now):
            send += self._follow(applied, now)
            changes += applied.effective
        return Reaction(tuple(send), tuple(changes))

    def on_drained(self, wanted: Mapping[str, tuple[str, ...]]) -> DeltaReaction:
        """Every draining listener is gone: follow only the names that are still wanted."""
        self._want(wanted)
        return Reaction(tuple(self._drain()))

    def _want(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        for type_url in self._named:
            names = wanted.get(type_url, ())
            if names or type_url in self._subscriptions:
                self._subscription(type_url).want(names)

    def _follow(self, applied: Applied, now: Nanos) -> list[discovery_pb2.DeltaDiscoveryRequest]:
        """Requests that leave while a response is being applied, before its own ACK."""
        sent: list[discovery_pb2.DeltaDiscoveryRequest] = []
        if applied.warm_meanwhile:
            self._warmth.cds_paused = False
            sent = self._drain()
        if self._warmth.on_applied(applied.warming_clusters):
            self._subscription(type_urls.LISTENER)
            self._listeners_wait(now)
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
            refuse(request, answer.error)
            send.append(request)
        self._answers = held
        for type_url, subscription in self._subscriptions.items():
            if subscription.pending and not self._warmth.pauses(type_url):
                send.append(subscription.request())
        return self._signed(send)


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
