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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, NamedTuple, TypeVar, cast

from meshsim.dataplane.decide.chains import ListenerIndex
from meshsim.dataplane.decide.cluster_validation import unknown_cluster
from meshsim.dataplane.decide.clusters import Cluster, LoadAssignment
from meshsim.dataplane.decide.listeners import Listener
from meshsim.dataplane.decide.rejected import MalformedResourceError, ResourceRejectedError
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.dataplane.resource_cache import BY_NAME, Resource, ResourceCache, check_readable
from meshsim.xds import type_urls
from meshsim.xds.client import Applied, Change, Rejected, Wait, WaitKey
from meshsim.xds.sharing import share

W = TypeVar("W", Cluster, Listener)


class Warming(NamedTuple, Generic[W]):
    """A resource that is not used yet, and the version that brought it."""

    resource: W
    version: str


class Unmodelled(NamedTuple):
    """Something in a resource that a real Envoy would act on and this model does not."""

    type_url: str
    name: str
    what: str


class ClusterWaits(NamedTuple):
    """How long clusters that warm wait for their endpoints."""

    warming: Mapping[str, Warming[Cluster]]
    limited: Mapping[WaitKey, Wait]
    """Those that do not wait for ever."""

    @classmethod
    def of(cls, warming: Mapping[str, Warming[Cluster]]) -> ClusterWaits:
        """The waits of these."""
        limited = [w.resource for w in warming.values() if w.resource.endpoints_timeout]
        return cls(warming, {(type_urls.CLUSTER, c.name): Wait(c.endpoints_timeout, c) for c in limited})


@dataclass(frozen=True, slots=True, eq=False)
class ActiveConfig:
    """One state of one proxy's configuration; every change gives a new one, compared by identity."""

    cache: ResourceCache
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    assignments: Mapping[str, LoadAssignment] = field(default_factory=dict)
    """By the name endpoints are asked for by."""
    routes: Mapping[str, RouteConfiguration] = field(default_factory=dict)
    warming_clusters: Mapping[str, Warming[Cluster]] = field(default_factory=dict)
    warming_listeners: Mapping[str, Warming[Listener]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of the last response of each type that was accepted as a whole."""
    endpoint_names: tuple[str, ...] = ()
    route_names: tuple[str, ...] = ()
    index: ListenerIndex = field(default=ListenerIndex({}), repr=False)
    """The listeners by where connections reach them; follows `listeners` by itself."""
    cluster_waits: ClusterWaits = field(default=ClusterWaits({}, {}), repr=False)
    """Follows `warming_clusters` by itself."""
    workers_started: bool = True
    """False until every listener of the first LDS response is ready: none accepts before."""
    addresses: frozenset[str] | None = None
    """The host's own addresses besides loopback, without which a listener cannot bind; None = whatever is asked for."""
    reads_all: bool = False
    """Whether endpoints and tables that nobody follows have to be readable, as under state of the world."""
    drains: bool = False
    """Whether listeners that were replaced or removed hold their route tables until `drained`."""
    draining_routes: tuple[str, ...] = ()
    """Route tables that only draining listeners need."""
    missed_routes: frozenset[str] = frozenset()
    """Route tables that were waited for until a refused response ended it; nothing waits for them again."""

    def __post_init__(self) -> None:
        if self.index.listeners is not self.listeners:
            object.__setattr__(self, "index", ListenerIndex(self.listeners))
        if self.cluster_waits.warming is not self.warming_clusters:
            object.__setattr__(self, "cluster_waits", ClusterWaits.of(self.warming_clusters))

    def assignment_of(self, cluster: Cluster) -> LoadAssignment | None:
        """Hosts of a cluster: its endpoints by EDS, or those written into it."""
        return self.assignments.get(cluster.eds_name) if cluster.eds_name else cluster.assignment

    def apply(
        self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str
    ) -> tuple[ActiveConfig, Applied]:
        """The state after one response, and what became of it: valid resources apply even when others are refused."""
        rejected: list[Rejected] = []
        try:
            decoded = self._decode(type_url, changed, rejected)
        except MalformedResourceError as error:
            return self._refuse(type_url, error.message, version)
        step = _STEPS[type_url]
        state, effective = step(self, decoded, removed, version, rejected)
        if rejected:
            state, ended = _stop_waiting(state, type_url, version)
            effective += ended
        else:
            state = replace(state, versions={**self.versions, type_url: version})
        return state, state.applied(effective, rejected)._replace(
            rewatched=state.warming_clusters is not self.warming_clusters
            and any(self.warming_clusters.get(n) is not w for n, w in state.warming_clusters.items()),
            warm_meanwhile=type_url == type_urls.CLUSTER
            and _warm_meanwhile(self, cast("Mapping[str, Cluster]", decoded)),
        )

    def _decode(self, type_url: str, changed: Mapping[str, bytes], rejected: list[Rejected]) -> dict[str, Resource]:
        """The resources of a response that are followed; those that are refused join `rejected`."""
        followed = changed
        if type_url in BY_NAME:
            names = frozenset(self.wanted[type_url])
            followed = {name: body for name, body in changed.items() if name in names}
        found = self.cache.known(type_url, followed)
        unknown = [name for name in (changed if self.reads_all else found) if found.get(name) is None]
        for name in unknown:
            if name not in followed:
                check_readable(type_url, changed[name])
                continue
            try:
                found[name] = self.cache.named(type_url, name, changed[name])
            except MalformedResourceError:
                raise
            except ResourceRejectedError as error:
                rejected.append(Rejected(name, error.message))
        decoded = {name: resource for name, resource in found.items() if resource is not None}
        if type_url in (type_urls.LISTENER, type_urls.ROUTE):
            for name, resource in list(decoded.items()):
                missing = unknown_cluster(resource, (self.clusters, self.warming_clusters))
                if missing:
                    rejected.append(Rejected(name, missing))
                    del decoded[name]
        return decoded

    def applied(self, effective: Sequence[Change], rejected: Sequence[Rejected]) -> Applied:
        """What a client has to know of the state that a response led to."""
        waits, draining = bool(self.warming_clusters), bool(self.draining_routes)
        return Applied(
            tuple(effective), tuple(rejected), self.wanted, waits, draining=draining, waits=self._limited_waits()
        )

    def _limited_waits(self) -> Mapping[WaitKey, Wait]:
        """What is waited for no longer than its configuration says."""
        found = dict(self.cluster_waits.limited)
        for listener, _ in self.warming_listeners.values():
            for name, timeout in listener.route_timeouts.items():
                if name not in self.routes and name not in self.missed_routes:
                    found.setdefault((type_urls.ROUTE, name), Wait(timeout))
        return found

    def expire(self, key: WaitKey) -> tuple[ActiveConfig, Applied]:
        """The state once something did not come in time, as Envoy's onConfigUpdateFailed goes on without it.

        A cluster keeps the endpoints that came for an earlier one under the name (source/extensions/clusters/eds/
        eds.cc); a listener serves without the table; without any listener the workers start.
        """
        type_url, name = key
        state, effective, rewatched = self, list[Change](), False
        if type_url == type_urls.CLUSTER and name:
            state, effective = _warm(self, (name,))
            rewatched = name in self.clusters and bool(self.clusters[name].eds_name)
        elif type_url == type_urls.ROUTE:
            state = replace(self, missed_routes=self.missed_routes | {name})
            state, effective = _settle_listeners(state, state.listeners, state.warming_listeners, state.routes)
        elif type_url == type_urls.LISTENER:
            state = replace(self, workers_started=True)
        return state, state.applied(effective, ())._replace(rewatched=rewatched)

    @property
    def wanted(self) -> Mapping[str, tuple[str, ...]]:
        """Names that this configuration refers to, by type."""
        return {type_urls.ENDPOINT: self.endpoint_names, type_urls.ROUTE: self.route_names + self.draining_routes}

    def drained(self) -> ActiveConfig:
        """The state once every draining listener is gone."""
        names = frozenset(self.route_names)
        routes = {n: r for n, r in self.routes.items() if n in names}
        return replace(self, routes=routes, draining_routes=(), missed_routes=self.missed_routes & names)

    def _refuse(self, type_url: str, reason: str, version: str) -> tuple[ActiveConfig, Applied]:
        """What becomes of a response of which nothing is applied."""
        state, ended = _stop_waiting(self, type_url, version)
        return state, state.applied(ended, (Rejected("", reason),))

    def unmodelled(self, among: Mapping[str, Sequence[str]] | None = None) -> Iterator[Unmodelled]:
        """Everything in the active resources (`among`: in those of these types and names) that decisions leave out."""
        if not self.cache.noted:
            return
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
    others = bool(removed)
    for resource in cast("Mapping[str, Cluster]", decoded).values():
        name = resource.name
        waiting = warming.get(name)
        known = waiting.resource if waiting else active.get(name)
        if known is resource:
            continue
        if resource.eds_name:
            others = True
            warming[name] = Warming(resource, version)
        else:
            others = others or known is not None
            warming.pop(name, None)
            active[name] = resource
            effective.append(Change(type_urls.CLUSTER, name, version))
    if not others:
        return replace(state, clusters=active), effective
    for name in removed:
        had = active.pop(name, None) is not None
        if warming.pop(name, None) is not None or had:
            effective.append(Change(type_urls.CLUSTER, name, version, removed=True))
    used = dict.fromkeys([c.eds_name for c in active.values() if c.eds_name])
    used.update(dict.fromkeys(map(_eds_name, warming.values())))
    assignments = state.assignments
    if not assignments.keys() <= used.keys():
        assignments = {n: a for n, a in assignments.items() if n in used}
    names = tuple(used) if tuple(used) != state.endpoint_names else state.endpoint_names
    return (
        replace(state, clusters=active, warming_clusters=warming, assignments=assignments, endpoint_names=names),
        effective,
    )


def _warm_meanwhile(state: ActiveConfig, decoded: Mapping[str, Cluster]) -> bool:
    """Whether applying these clusters one by one leaves none waiting at some moment."""
    waiting = dict.fromkeys(state.warming_clusters)
    for resource in decoded.values():
        if not resource.eds_name:
            waiting.pop(resource.name, None)
        elif state.clusters.get(resource.name) is not resource:
            waiting[resource.name] = None
        else:
            continue
        if not waiting:
            return True
    return False


def _apply_endpoints(
    state: ActiveConfig, decoded: Mapping[str, Resource], removed: Sequence[str], version: str, _: list[Rejected]
) -> tuple[ActiveConfig, list[Change]]:
    """New endpoints, and the clusters that waited for them.

    A removal leaves the hosts of active clusters alone; a cluster that waits becomes active without any.
    """
    assignments = dict(state.assignments)
    arrived: dict[str, object] = dict(decoded)
    effective: list[Change] = []
    waiting = frozenset(map(_eds_name, state.warming_clusters.values())) if removed else frozenset()
    for name in removed:
        if name in waiting:
            arrived[name] = None
            if assignments.pop(name, None) is not None:
                effective.append(Change(type_urls.ENDPOINT, name, version, removed=True))
    has = assignments.get
    effective += [Change(type_urls.ENDPOINT, name, version) for name, new in decoded.items() if has(name) is not new]
    assignments.update(cast("Mapping[str, LoadAssignment]", decoded))
    state = replace(state, assignments=share(assignments))
    state, warmed = _warm(state, [n for n, w in state.warming_clusters.items() if _eds_name(w) in arrived])
    return state, effective + warmed


def _warm(state: ActiveConfig, names: Sequence[str]) -> tuple[ActiveConfig, list[Change]]:
    """The state in which these clusters wait no longer."""
    if not names:
        return state, []
    ended = {name: state.warming_clusters[name] for name in names}
    warming = {name: pending for name, pending in state.warming_clusters.items() if name not in ended}
    clusters = share({**state.clusters, **{name: pending.resource for name, pending in ended.items()}})
    effective = [Change(type_urls.CLUSTER, name, pending.version) for name, pending in ended.items()]
    return replace(state, clusters=clusters, warming_clusters=warming), effective


def _eds_name(pending: Warming[Cluster]) -> str:
    return pending.resource.eds_name


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
    owners.update({address: w.resource.name for w in warming.values() for address in w.resource.addresses})
    for resource in decoded.values():
        assert isinstance(resource, Listener)
        name = resource.name
        if resource.ignored or (name in warming and warming[name].resource is resource):
            continue
        if active.get(name) is resource:
            warming.pop(name, None)
            continue
        clash = _clash(resource, owners) or _unbindable(resource, state.addresses)
        if clash:
            rejected.append(Rejected(name, clash))
            continue
        owners.update(dict.fromkeys(resource.addresses, name))
        warming[name] = Warming(resource, version)
    state, started = _settle_listeners(state, active, warming, state.routes)
    return state, effective + started


def _settle_listeners(
    state: ActiveConfig,
    listeners: Mapping[str, Listener],
    waiting: Mapping[str, Warming[Listener]],
    routes: Mapping[str, RouteConfiguration],
) -> tuple[ActiveConfig, list[Change]]:
    """The state in which listeners that miss nothing are active, at first all of them or none.

    Tables that no listener needs go, or drain with the listener that had them.
    """
    active, warming = dict(listeners), dict(waiting)
    ready = [
        (name, pending)
        for name, pending in waiting.items()
        if all(r in routes or r in state.missed_routes for r in pending.resource.route_names)
    ]
    effective: list[Change] = []
    started = state.workers_started or len(ready) == len(waiting)
    for name, pending in ready if started else ():
        active[name] = pending.resource
        del warming[name]
        effective.append(Change(type_urls.LISTENER, name, pending.version))
    names = dict.fromkeys(r for x in active.values() for r in x.route_names)
    names.update(dict.fromkeys(r for pending in warming.values() for r in pending.resource.route_names))
    draining: dict[str, None] = {}
    if state.drains:
        gone = (x for n, x in state.listeners.items() if active.get(n) is not x)
        held = [*state.draining_routes, *(r for x in gone for r in x.route_names)]
        draining = {r: None for r in held if r not in names}
    route_names = tuple(names) if tuple(names) != state.route_names else state.route_names
    settled = replace(
        state,
        listeners=active,
        warming_listeners=warming,
        routes={n: r for n, r in routes.items() if n in names or n in draining},
        route_names=route_names,
        draining_routes=tuple(draining),
        missed_routes=frozenset(r for r in state.missed_routes if r in names or r in draining),
        workers_started=started,
    )
    return settled, effective


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


def _unbindable(listener: Listener, own: frozenset[str] | None) -> str:
    """Why a listener cannot bind, or an empty text."""
    if own is None or not listener.bound:
        return ""
    for address, port in listener.addresses:
        ip = parse_ip(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip is not None and not ip.is_loopback and not ip.is_unspecified and address not in own:
            return f"cannot bind '{address}:{port}': Cannot assign requested address"
    return ""


def _apply_routes(
    state: ActiveConfig, decoded: Mapping[str, Resource], removed: Sequence[str], version: str, _: list[Rejected]
) -> tuple[ActiveConfig, list[Change]]:
    """New route tables, and the listeners that waited for them; a removal is ignored, the routes stay."""
    routes = dict(state.routes)
    known = dict.fromkeys(state.route_names + state.draining_routes)
    effective: list[Change] = []
    for name, resource in decoded.items():
        assert isinstance(resource, RouteConfiguration)
        if name in known and routes.get(name) is not resource:
            routes[name] = resource
            effective.append(Change(type_urls.ROUTE, name, version))
    if not state.warming_listeners:
        return replace(state, routes=routes), effective
    state, started = _settle_listeners(state, state.listeners, state.warming_listeners, routes)
    return state, effective + started


def _stop_waiting(state: ActiveConfig, type_url: str, version: str) -> tuple[ActiveConfig, list[Change]]:
    """After a refused EDS or RDS response nothing waits for its kind any more: clusters go on without hosts, listeners
    without routes (eds.cc and rds_route_config_subscription.cc, onConfigUpdateFailed: start-up has to continue)."""
    if type_url == type_urls.ENDPOINT and state.warming_clusters:
        names = tuple(dict.fromkeys(_eds_name(w) for w in state.warming_clusters.values()))
        return _apply_endpoints(state, {}, names, version, [])
    if type_url == type_urls.ROUTE:
        wanted = state.wanted[type_urls.ROUTE]
        state = replace(state, missed_routes=frozenset(r for r in wanted if r not in state.routes))
    if type_url in (type_urls.ROUTE, type_urls.LISTENER):
        return _settle_listeners(state, state.listeners, state.warming_listeners, state.routes)
    return state, []


_STEPS: Final = {
    type_urls.CLUSTER: _apply_clusters,
    type_urls.ENDPOINT: _apply_endpoints,
    type_urls.LISTENER: _apply_listeners,
    type_urls.ROUTE: _apply_routes,
}


Step = Callable[[ActiveConfig, str, Mapping[str, bytes], tuple[str, ...], str], tuple[ActiveConfig, Applied]]
"""What a response leads to, as `ActiveConfig.apply`."""


class ProxyConfig:
    """The current state of one proxy, as its ADS client drives it (an `meshsim.xds.ads_client.Applier`)."""

    def __init__(
        self,
        cache: ResourceCache,
        *,
        drains: bool = False,
        addresses: frozenset[str] | None = None,
        reads_all: bool = False,
    ) -> None:
        self.active = ActiveConfig(
            cache, workers_started=False, addresses=addresses, reads_all=reads_all, drains=drains
        )
        self._step: Step = ActiveConfig.apply

    @classmethod
    def beginning(cls, state: ActiveConfig, step: Step) -> ProxyConfig:
        """A proxy in a state that others may have too, which comes from one to the next by `step`."""
        made = cls(state.cache)
        made.active, made._step = state, step
        return made

    def drained(self) -> Mapping[str, tuple[str, ...]]:
        """Every draining listener is gone; returns the names that are still wanted."""
        self.active = self.active.drained()
        return self.active.wanted

    def __call__(self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
        """Take one response in."""
        self.active, applied = self._step(self.active, type_url, changed, tuple(removed), version)
        return applied

    def expire(self, key: WaitKey) -> Applied:
        """Go on without something that did not come in time."""
        self.active, applied = self.active.expire(key)
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
