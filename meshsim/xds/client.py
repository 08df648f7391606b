"""What Envoy's ends of an ADS stream share, whatever the protocol: what a response does, warmth, and fetch timeouts.

Rules: Envoy 1.40 source/extensions/config_subscription/grpc/grpc_subscription_impl.cc (the timer of each subscription
ends with its first response, good or refused), source/extensions/clusters/eds/eds.cc and
source/common/rds/rds_route_config_subscription.cc (onConfigUpdateFailed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.messages import base_pb2, discovery_pb2

GRPC_INTERNAL: Final = 13
"""Code of every NACK (google.rpc.Code INTERNAL)."""
Q = TypeVar("Q", discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DiscoveryRequest)


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


WaitKey: TypeAlias = tuple[str, str]
"""Type URL and name: a cluster that waits for endpoints, a route table that listeners wait for; without a name the
first response of the type."""


class Wait(NamedTuple):
    """Something that waits for a resource for a limited time."""

    timeout: Nanos
    what: object = None
    """What waits; another one under the same key waits anew."""


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
    """Whether a cluster began to wait, or gave up and replaced another that had endpoints: either asks for endpoints
    again under state of the world."""
    draining: bool = False
    """Whether some names are wanted on behalf of draining listeners alone."""
    warm_meanwhile: bool = False
    """Whether applying the clusters one by one left none waiting at some moment, which lets older ACKs go."""
    waits: Mapping[WaitKey, Wait] = {}
    """Everything that now waits for a limited time."""


class Applier(Protocol):
    """Whoever holds the configuration: takes one response in, resource by resource, and says what became of it."""

    def __call__(
        self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str
    ) -> Applied: ...


class Reaction(NamedTuple, Generic[Q]):
    """What an input to a client leads to."""

    send: tuple[Q, ...] = ()
    changes: tuple[Change, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    """With an empty name: the response as a whole."""
    draining: bool = False
    """Whether some names are subscribed to on behalf of draining listeners alone; `on_drained` lets them go."""


class Fetching(NamedTuple):
    """How a client acts when something does not arrive in time."""

    expire: Callable[[WaitKey], Applied]
    """Tells the holder of the configuration to go on without something."""
    first: Nanos = 0
    """``initial_fetch_timeout`` of the bootstrap's clusters and listeners, 0 = none as in Istio's."""
    began: Nanos = 0
    """When the process began to wait for clusters."""


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


class _Deadline(NamedTuple):
    at: Nanos
    what: object


@dataclass(slots=True)
class Fetches:
    """When the waits of a client end."""

    deadlines: dict[WaitKey, _Deadline] = field(default_factory=dict)

    def begin(self, key: WaitKey, wait: Wait, now: Nanos) -> None:
        """Something waits from now on; a wait without limit is none."""
        if wait.timeout:
            self.deadlines[key] = _Deadline(now + wait.timeout, wait.what)

    def end(self, key: WaitKey) -> None:
        """Something waits no longer."""
        self.deadlines.pop(key, None)

    def follow(self, waits: Mapping[WaitKey, Wait], now: Nanos) -> None:
        """These resources are waited for, and no others; what waited already keeps its time."""
        for key in [key for key in self.deadlines if key[1] and key not in waits]:
            del self.deadlines[key]
        for key, wait in waits.items():
            known = self.deadlines.get(key)
            if known is None or known.what is not wait.what:
                self.begin(key, wait, now)

    @property
    def next(self) -> Nanos | None:
        """When the first wait ends."""
        return min((deadline.at for deadline in self.deadlines.values()), default=None)

    def due(self, now: Nanos) -> WaitKey | None:
        """The wait that ends first, if it has ended."""
        key = min(self.deadlines, key=lambda key: self.deadlines[key].at, default=None)
        return key if key is not None and self.deadlines[key].at <= now else None


class ProxyClient:
    """State of a client that no protocol changes; `types` are asked for by name besides EDS and RDS."""

    def __init__(self, node: base_pb2.Node, applier: Applier, types: Sequence[str], fetching: Fetching | None) -> None:
        self._node = node
        self._applier = applier
        self._named = (type_urls.ENDPOINT, type_urls.ROUTE, *types)
        self._connected = False
        self._node_sent = False
        self._warmth = Warmth()
        self._fetching = fetching
        self._fetches = Fetches()
        if fetching:
            self._fetches.begin((type_urls.CLUSTER, ""), Wait(fetching.first), fetching.began)

    @property
    def clusters_initialized(self) -> bool:
        """Whether the first clusters are warm, which is when listeners are asked for."""
        return self._warmth.initialized

    @property
    def deadline(self) -> Nanos | None:
        """When `on_time` has to be called next, unless another input comes first."""
        return self._fetches.next

    def _arrived(self, type_url: str, applied: Applied, now: Nanos) -> None:
        """A response of a type was looked at."""
        if self._fetching:
            self._fetches.end((type_url, ""))
            self._fetches.follow(applied.waits, now)

    def _expired(self, now: Nanos) -> Iterator[Applied]:
        """What becomes of everything that did not come in time, one after another."""
        while self._fetching and (key := self._fetches.due(now)):
            self._fetches.end(key)
            applied = self._fetching.expire(key)
            self._fetches.follow(applied.waits, now)
            yield applied

    def _listeners_wait(self, now: Nanos) -> None:
        """Listeners are asked for the first time."""
        if self._fetching:
            self._fetches.begin((type_urls.LISTENER, ""), Wait(self._fetching.first), now)

    def _signed(self, send: list[Q]) -> list[Q]:
        """The requests; the first on a stream carries the node."""
        if send and not self._node_sent:
            self._node_sent = True
            send[0].node.CopyFrom(self._node)
        return send


def refuse(request: discovery_pb2.DeltaDiscoveryRequest | discovery_pb2.DiscoveryRequest, error: str) -> None:
    """Make a request the NACK of this reason; an empty one leaves it alone."""
    if error:
        request.error_detail.code = GRPC_INTERNAL
        request.error_detail.message = error


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
