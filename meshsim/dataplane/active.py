"""The configuration one proxy's traffic follows: resources by name, and those that still warm.

A cluster warms until its endpoints arrive, a listener until its route tables are there; the old one serves meanwhile.
Rules measured on Envoy 1.40; source/common/upstream/
cluster_manager_impl.cc and source/common/listener_manager/listener_manager_impl.cc.

Where one resource cannot be read or breaks a constraint of its own message, Envoy applies nothing of the response;
otherwise each CDS and LDS resource is tried by itself.

DEVIATION: of an EDS or RDS response with a resource that is refused later than that, every other resource applies here;
in Envoy each name is its own watch, and those behind the refused one in the order of a hash table get nothing.
DEVIATION: DNS clusters are warm at once (Envoy waits for the first answer), and secrets and discovered filter
configurations count as present (a listener or cluster of a real Envoy waits for them).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from meshsim.dataplane.decide.clusters import Cluster, LoadAssignment, decode_assignment, decode_cluster
from meshsim.dataplane.decide.listeners import Listener, decode_listener
from meshsim.dataplane.decide.rejected import (
    MalformedResourceError,
    NotModelledError,
    ResourceRejectedError,
    check_constraints,
)
from meshsim.dataplane.decide.route_decoding import HostMemo, decode_route_configuration
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.errors import InternalError
from meshsim.xds import type_urls
from meshsim.xds.ads_client import Applied, Change, Rejected
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2

M = TypeVar("M", bound=Message)
Resource: TypeAlias = Listener | Cluster | LoadAssignment | RouteConfiguration

_VIRTUAL_HOSTS: Final = ("virtual_hosts",)
"""Checked by their decoder, which remembers those it has seen."""


def _parse(kind: type[M], body: bytes, checked_later: Sequence[str] = ()) -> M:
    """The message; raises `MalformedResourceError` as Envoy's resource decoder does."""
    try:
        message = kind.FromString(body)
    except DecodeError as error:
        raise MalformedResourceError(f"Unable to unpack as {kind.DESCRIPTOR.full_name}: {error}") from error
    check_constraints(message, checked_later)
    return message


def _listener(body: bytes, _: HostMemo) -> Listener:
    message = _parse(listener_pb2.Listener, body)
    with _packed():
        return decode_listener(message)


def _cluster(body: bytes, _: HostMemo) -> Cluster:
    message = _parse(cluster_pb2.Cluster, body)
    with _packed():
        return decode_cluster(message)


def _assignment(body: bytes, _: HostMemo) -> LoadAssignment:
    return decode_assignment(_parse(endpoint_pb2.ClusterLoadAssignment, body))


def _routes(body: bytes, memo: HostMemo) -> RouteConfiguration:
    return decode_route_configuration(_parse(route_pb2.RouteConfiguration, body, _VIRTUAL_HOSTS), memo)


@contextmanager
def _packed() -> Iterator[None]:
    """What is packed in a resource is looked at when it is applied: its faults are those of this resource alone."""
    try:
        yield
    except MalformedResourceError as error:
        raise ResourceRejectedError(error.message) from error


_DECODE: Final[Mapping[str, Callable[[bytes, HostMemo], Resource]]] = {
    type_urls.LISTENER: _listener,
    type_urls.CLUSTER: _cluster,
    type_urls.ENDPOINT: _assignment,
    type_urls.ROUTE: _routes,
}


_MALFORMED: Final = (DecodeError, NotModelledError, InternalError, ValueError, KeyError, RecursionError, OverflowError)
"""What a decoder meets in packed parts that are no such message: broken wire format, an Any of another type, a number
that its enum has not. Envoy refuses these resources too."""


class ResourceCache:
    """Decoded resources by their bytes, shared by all proxies of a world; what nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._decoded: MutableMapping[tuple[str, bytes], Resource] = weakref.WeakValueDictionary()
        self._virtual_hosts: HostMemo = weakref.WeakValueDictionary()

    def decode(self, type_url: str, body: bytes) -> Resource:
        """The resource; equal bytes give the same object. Raises `ResourceRejectedError` for what Envoy refuses."""
        key = (type_url, body)
        found = self._decoded.get(key)
        if found is None:
            decoder = _DECODE.get(type_url)
            if decoder is None:
                raise InternalError(f"no decoder of {type_url}")
            try:
                found = decoder(body, self._virtual_hosts)
            except _MALFORMED as error:
                raise ResourceRejectedError(f"Unable to unpack as {type_url.rpartition('.')[2]}: {error}") from error
            self._decoded[key] = found
        return found


class Warming(NamedTuple):
    """A resource that is not used yet, and the version that brought it."""

    resource: Cluster | Listener
    version: str


class Unmodelled(NamedTuple):
    """Something in a resource that a real Envoy would act on and this model does not."""

    type_url: str
    name: str
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class ActiveConfig:
    """One state of one proxy's configuration; every change gives a new one, compared by identity."""

    cache: ResourceCache
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    assignments: Mapping[str, LoadAssignment] = field(default_factory=dict)
    """By the name endpoints are asked for by."""
    routes: Mapping[str, RouteConfiguration] = field(default_factory=dict)
    warming_clusters: Mapping[str, Warming] = field(default_factory=dict)
    warming_listeners: Mapping[str, Warming] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of the last response of each type that was accepted as a whole."""
    endpoint_names: tuple[str, ...] = ()
    route_names: tuple[str, ...] = ()

    def assignment_of(self, cluster: Cluster) -> LoadAssignment | None:
        """Hosts of a cluster: its endpoints by EDS, or those written into it."""
        return self.assignments.get(cluster.eds_name) if cluster.eds_name else cluster.assignment

    def apply(
        self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str
    ) -> tuple[ActiveConfig, Applied]:
        """The state after one response, and what became of it: valid resources apply even when others are refused."""
        decoded: dict[str, Resource] = {}
        rejected: list[Rejected] = []
        for name, body in changed.items():
            try:
                decoded[name] = self.cache.decode(type_url, body)
            except MalformedResourceError as error:
                return self, self._refuse(error.message)
            except ResourceRejectedError as error:
                rejected.append(Rejected(name, error.message))
        step = _STEPS[type_url]
        state, effective = step(self, decoded, removed, version, rejected)
        if not rejected:
            state = replace(state, versions={**self.versions, type_url: version})
        wanted = {type_urls.ENDPOINT: state.endpoint_names, type_urls.ROUTE: state.route_names}
        warming = state.warming_clusters
        rewatched = type_url == type_urls.CLUSTER and any(
            self.warming_clusters.get(n) is not w for n, w in warming.items()
        )
        return state, Applied(tuple(effective), tuple(rejected), wanted, bool(warming), rewatched)

    def _refuse(self, reason: str) -> Applied:
        """A response of which nothing is applied."""
        wanted = {type_urls.ENDPOINT: self.endpoint_names, type_urls.ROUTE: self.route_names}
        return Applied((), (Rejected("", reason),), wanted, bool(self.warming_clusters))

    def unmodelled(self, among: Mapping[str, Sequence[str]] | None = None) -> Iterator[Unmodelled]:
        """Everything in the active resources (`among`: in those of these types and names) that decisions leave out."""
        for type_url, resources in (
            (type_urls.LISTENER, self.listeners),
            (type_urls.ROUTE, self.routes),
            (type_urls.CLUSTER, self.clusters),
            (type_urls.ENDPOINT, self.assignments),
        ):
            for name in resources if among is None else among.get(type_url, ()):
                if name in resources:
                    for what in resources[name].unmodelled:
                        yield Unmodelled(type_url, name, what)


def _apply_clusters(
    state: ActiveConfig, decoded: Mapping[str, Resource], removed: Sequence[str], version: str, _: list[Rejected]
) -> tuple[ActiveConfig, list[Change]]:
    active, warming = dict(state.clusters), dict(state.warming_clusters)
    effective: list[Change] = []
    for resource in decoded.values():
        assert isinstance(resource, Cluster)
        name = resource.name
        if active.get(name) is resource or (name in warming and warming[name].resource is resource):
            continue
        if resource.eds_name:
            warming[name] = Warming(resource, version)
        else:
            warming.pop(name, None)
            active[name] = resource
            effective.append(Change(type_urls.CLUSTER, name, version))
    for name in removed:
        known = active.pop(name, None) is not None
        if warming.pop(name, None) is not None or known:
            effective.append(Change(type_urls.CLUSTER, name, version, removed=True))
    used = dict.fromkeys(c.eds_name for c in active.values() if c.eds_name)
    pending = (w.resource for w in warming.values())
    used.update(dict.fromkeys(c.eds_name for c in pending if isinstance(c, Cluster)))
    assignments = {n: a for n, a in state.assignments.items() if n in used}
    names = tuple(used) if tuple(used) != state.endpoint_names else state.endpoint_names
    return (
        replace(state, clusters=active, warming_clusters=warming, assignments=assignments, endpoint_names=names),
        effective,
    )


def _apply_endpoints(
    state: ActiveConfig, decoded: Mapping[str, Resource], removed: Sequence[str], version: str, _: list[Rejected]
) -> tuple[ActiveConfig, list[Change]]:
    """New endpoints, and the clusters that waited for them; a removal is ignored, the hosts stay."""
    assignments = dict(state.assignments)
    known = dict.fromkeys(state.endpoint_names)
    arrived: dict[str, None] = {}
    effective: list[Change] = []
    for name, resource in decoded.items():
        assert isinstance(resource, LoadAssignment)
        if name not in known:
            continue
        arrived[name] = None
        if assignments.get(name) is not resource:
            assignments[name] = resource
            effective.append(Change(type_urls.ENDPOINT, name, version))
    warm = {n: w for n, w in state.warming_clusters.items() if _eds_name(w) in arrived}
    if not warm:
        return replace(state, assignments=assignments), effective
    clusters = dict(state.clusters)
    for name, pending in warm.items():
        assert isinstance(pending.resource, Cluster)
        clusters[name] = pending.resource
        effective.append(Change(type_urls.CLUSTER, name, pending.version))
    warming = {n: w for n, w in state.warming_clusters.items() if n not in warm}
    return replace(state, assignments=assignments, clusters=clusters, warming_clusters=warming), effective


def _eds_name(pending: Warming) -> str:
    return pending.resource.eds_name if isinstance(pending.resource, Cluster) else ""


def _apply_listeners(
    state: ActiveConfig,
    decoded: Mapping[str, Resource],
    removed: Sequence[str],
    version: str,
    rejected: list[Rejected],
) -> tuple[ActiveConfig, list[Change]]:
    """Removals first, then every listener on its own; one whose address another listener has is refused."""
    active, warming = dict(state.listeners), dict(state.warming_listeners)
    effective: list[Change] = []
    for name in removed:
        known = active.pop(name, None) is not None
        if warming.pop(name, None) is not None or known:
            effective.append(Change(type_urls.LISTENER, name, version, removed=True))
    owners = {address: x.name for x in active.values() for address in x.addresses}
    waiting = (w.resource for w in warming.values())
    owners.update({address: x.name for x in waiting if isinstance(x, Listener) for address in x.addresses})
    for resource in decoded.values():
        assert isinstance(resource, Listener)
        name = resource.name
        if name in warming and warming[name].resource is resource:
            continue
        if active.get(name) is resource:
            warming.pop(name, None)
            continue
        clash = _clash(resource, owners)
        if clash:
            rejected.append(Rejected(name, clash))
            continue
        owners.update(dict.fromkeys(resource.addresses, name))
        if all(route in state.routes for route in resource.route_names):
            warming.pop(name, None)
            active[name] = resource
            effective.append(Change(type_urls.LISTENER, name, version))
        else:
            warming[name] = Warming(resource, version)
    names = dict.fromkeys(r for x in active.values() for r in x.route_names)
    pending = (w.resource for w in warming.values())
    names.update(dict.fromkeys(r for x in pending if isinstance(x, Listener) for r in x.route_names))
    routes = {n: r for n, r in state.routes.items() if n in names}
    route_names = tuple(names) if tuple(names) != state.route_names else state.route_names
    return (
        replace(state, listeners=active, warming_listeners=warming, routes=routes, route_names=route_names),
        effective,
    )


def _clash(listener: Listener, owners: Mapping[tuple[str, int], str]) -> str:
    """Why a listener cannot have its addresses, or an empty text; any number may wait on port 0."""
    for address, port in listener.addresses:
        owner = owners.get((address, port), listener.name)
        if owner != listener.name and (port or not listener.bound):
            return (
                f"error adding listener: '{listener.name}' has duplicate address '{address}:{port}' as existing "
                "listener, to check if the listener has duplicated addresses with other listeners or "
                "'enable_reuse_port' is set to 'false' for the listener"
            )
    return ""


def _apply_routes(
    state: ActiveConfig, decoded: Mapping[str, Resource], removed: Sequence[str], version: str, _: list[Rejected]
) -> tuple[ActiveConfig, list[Change]]:
    """New route tables, and the listeners that waited for them; a removal is ignored, the routes stay."""
    routes = dict(state.routes)
    known = dict.fromkeys(state.route_names)
    effective: list[Change] = []
    for name, resource in decoded.items():
        assert isinstance(resource, RouteConfiguration)
        if name in known and routes.get(name) is not resource:
            routes[name] = resource
            effective.append(Change(type_urls.ROUTE, name, version))
    listeners = dict(state.listeners)
    warming: dict[str, Warming] = {}
    for name, pending in state.warming_listeners.items():
        assert isinstance(pending.resource, Listener)
        if all(route in routes for route in pending.resource.route_names):
            listeners[name] = pending.resource
            effective.append(Change(type_urls.LISTENER, name, pending.version))
        else:
            warming[name] = pending
    return replace(state, routes=routes, listeners=listeners, warming_listeners=warming), effective


_STEPS: Final = {
    type_urls.CLUSTER: _apply_clusters,
    type_urls.ENDPOINT: _apply_endpoints,
    type_urls.LISTENER: _apply_listeners,
    type_urls.ROUTE: _apply_routes,
}


class ProxyConfig:
    """The current state of one proxy, as its ADS client drives it (an `meshsim.xds.ads_client.Applier`)."""

    def __init__(self, cache: ResourceCache) -> None:
        self.active = ActiveConfig(cache)

    def __call__(self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
        """Take one response in."""
        self.active, applied = self.active.apply(type_url, changed, removed, version)
        return applied


def load_config(
    resources: Mapping[str, Mapping[str, bytes]], cache: ResourceCache | None = None, version: str = ""
) -> tuple[ActiveConfig, tuple[Rejected, ...]]:
    """The state of a proxy that got all of these at once (type URL to name to bytes), and what it refused."""
    state = ActiveConfig(cache or ResourceCache())
    rejected: list[Rejected] = []
    for type_url in (type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE):
        state, applied = state.apply(type_url, resources.get(type_url, {}), (), version)
        rejected += applied.rejected
    return state, tuple(rejected)
