"""Decisions of every proxy as the event core's routes, clusters and hosts, made anew whenever something changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import lcm
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.dataplane.active import Unmodelled
from meshsim.dataplane.decide.clusters import Endpoint
from meshsim.dataplane.decide.decision import Decision, Disposition, Upstream, UpstreamTls
from meshsim.dataplane.decide.endpoints import Labels
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Protocol, Request, Transport
from meshsim.dataplane.specs import (
    NOWHERE,
    ClusterSpec,
    Flag,
    FlowSpec,
    HostSpec,
    InboundKind,
    Locality,
    RouteKind,
    RouteSpec,
)
from meshsim.network import OUTSIDE_PARTY
from meshsim.network.dns import Answer, AnswerKind, Resolver
from meshsim.scenario import Call
from meshsim.units import Nanos
from meshsim.world.cluster_contexts import ClusterContexts
from meshsim.world.counting import CountedCluster
from meshsim.world.directory import Group, PodEntry
from meshsim.world.flows import Flow, Way, way_of
from meshsim.world.interception import Interception
from meshsim.world.pod_facts import PodFacts
from meshsim.world.proxies import RunningProxy
from meshsim.world.services import Backends
from meshsim.world.sessions import SessionValues
from meshsim.world.translation import (
    MOST_MARKED,
    HostPlace,
    cluster_spec,
    direct_cluster,
    flags_of,
    forward_route,
    hang_up,
    host_place,
    inbound_kind,
    local_route,
    newly_omitted,
    plain_place,
    reply_status,
    session_cluster,
)
from meshsim.world.views import ProxyViews
from meshsim.xds import type_urls

if TYPE_CHECKING:
    from meshsim.world.model import World

_NO_NAME: Final = RouteSpec(kind=RouteKind.LOCAL_REPLY, status=0)
"""The host cannot be resolved: the application has nowhere to connect to."""
_PLAIN: Final = UpstreamTls("", tls=False, mutual=False)
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Methods whose requests are all headers."""

Hosts = tuple[tuple[str, HostSpec], ...]


class Target(NamedTuple):
    """An endpoint of a cluster, and what its assignment says of it."""

    endpoint: Endpoint
    place: HostPlace


@dataclass(slots=True, eq=False)
class Slot:
    """One cluster of one proxy in the engine, with what its hosts were computed from."""

    number: int
    spec: ClusterSpec
    flow: Flow
    upstream: Upstream | None
    """`None` for a caller without sidecar."""
    endpoints: tuple[Target, ...]
    hosts: Hosts = ()
    requests: list[Request] = field(default_factory=list)
    """What is sent to it, by class: the other end may treat each differently."""
    users: dict[tuple[int, int], int] = field(default_factory=dict)
    """Class of each flow's requests, by flow and place in its route."""

    def class_of(self, user: tuple[int, int], request: Request) -> int:
        """The class of a request from now on; that of a request nobody sends any more is given away."""
        self.users.pop(user, None)
        if request in self.requests:
            found = self.requests.index(request)
        else:
            used = set(self.users.values())
            found = next((n for n in range(len(self.requests)) if n not in used), len(self.requests))
            self.requests[found : found + 1] = [request]
        self.users[user] = found
        return found


@dataclass(slots=True)
class Router:
    """All flows of a world and their state in the engine."""

    world: World
    flows: list[Flow] = field(default_factory=list)
    facts: dict[str, PodFacts] = field(default_factory=dict)
    """By proxy id."""
    interception: Interception = field(default_factory=Interception)
    on_cluster: Callable[[CountedCluster], None] | None = None
    """Hears the names of each cluster as the engine gets it."""
    on_security: Callable[[int, str, str, Nanos], None] | None = None
    """Hears how connections to an endpoint of a cluster are protected, and since when."""
    on_meaning: Callable[[Flow, Nanos], None] | None = None
    """Hears whom the requests of a flow are for, and since when."""
    _slots: dict[tuple[int, str], Slot] = field(default_factory=dict)
    """By entry pod (or minus the flow, for callers without sidecar) and cluster."""
    _by_address: dict[str, dict[int, Slot]] = field(default_factory=dict)
    _by_entry: dict[int, list[Flow]] = field(default_factory=dict)
    _given: dict[int, tuple[RouteSpec, Way]] = field(default_factory=dict)
    _marked: list[Labels] = field(default_factory=list)
    """Sets of labels that retries omit hosts for."""
    _contexts: ClusterContexts = field(init=False)
    _views: ProxyViews = field(init=False)
    _resolver: Resolver = field(init=False)
    _backends: Backends = field(init=False)

    def __post_init__(self) -> None:
        objects = self.world.kube.server.objects
        self._contexts = ClusterContexts(self.world.engine)
        self._views = ProxyViews(self.world.mesh.trust_domain)
        self._resolver = Resolver(objects, self.world.mesh.domain)
        self._backends = Backends(objects)

    # ---- flows --------------------------------------------------------------------------------------------------

    def add_calls(self, entry: PodEntry) -> None:
        """Make the flows of what a pod calls."""
        pod = self.world.kube.server.get("Pod", entry.namespace, entry.name)
        if pod is None:
            return
        for number, call in self.world.behaviours.of(pod).calls:
            self._add_call(entry, number, call)

    def _add_call(self, entry: PodEntry, number: int, call: Call) -> None:
        spec = FlowSpec(
            proxy=entry.proxy_number,
            workload=self.world.directory.group_number(entry.group),
            pod=entry.number,
            call=number,
            size=call.size,
        )
        self.add_flow(
            spec,
            caller=entry,
            entry=entry,
            source=entry.group,
            source_pod=entry.name,
            host=call.host,
            port=call.port,
            authority=call.to,
            method=call.method,
            path=call.path,
            headers=call.headers,
        )

    def add_flow(
        self,
        spec: FlowSpec,
        *,
        caller: PodEntry | None,
        entry: PodEntry,
        source: Group,
        source_pod: str,
        host: str,
        port: int,
        authority: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        traffic: int = -1,
        entry_port: int = 0,
        sessions: SessionValues | None = None,
    ) -> Flow:
        """A new flow with its route as of now."""
        flow = Flow(
            number=self.world.engine.add_flow(spec),
            caller=caller,
            entry=entry,
            source=source,
            source_pod=source_pod,
            host=host,
            port=port,
            authority=authority,
            method=method,
            path=path,
            headers=headers,
            body=0 if method in _BODILESS else spec.size,
            call=spec.call,
            traffic=traffic,
            entry_port=entry_port,
            sessions=sessions,
        )
        self.flows.append(flow)
        self._by_entry.setdefault(entry.number, []).append(flow)
        self.compile(flow)
        return flow

    def fix_route(self, number: int, spec: RouteSpec) -> None:
        """Give a flow a route that no configuration changes."""
        self._give(self.flows[number], spec, Way())

    # ---- what changes -------------------------------------------------------------------------------------------

    def compile_all(self) -> None:
        """Every flow anew."""
        for flow in self.flows:
            if flow.entry.number >= 0:
                self.compile(flow)

    def on_proxy_changed(self, running: RunningProxy, changed: Mapping[str, list[str]]) -> None:
        """A proxy's traffic follows other configuration: its own flows, and what others meet at its listeners."""
        entry = self.world.directory.get(running.proxy.id)
        if entry is None:
            return
        for flow in self._by_entry.get(entry.number, ()):
            self.compile(flow)
        if type_urls.LISTENER in changed or type_urls.CLUSTER in changed:
            self.on_pod(entry)

    def on_pod(self, entry: PodEntry) -> None:
        """What is at a pod's address changed."""
        for slot in list(self._by_address.get(entry.address, {}).values()):
            self._refresh(slot)

    def on_links_changed(self) -> None:
        """Latencies or reachability changed."""
        for slot in self._slots.values():
            self._refresh(slot)

    def on_kube_change(self, kind: str) -> None:
        """Names and backends of services changed: whoever goes by them looks again."""
        if kind in ("Service", "EndpointSlice", "ServiceEntry"):
            for flow in self.flows:
                if flow.caller is not None and flow.entry.reachable:
                    self.compile(flow)

    # ---- one flow -----------------------------------------------------------------------------------------------

    def compile(self, flow: Flow) -> None:
        """Decide anew what becomes of a flow's requests and tell the engine."""
        self._compile(flow)
        if self.on_meaning is not None:
            self.on_meaning(flow, self.world.env.instant)

    def _compile(self, flow: Flow) -> None:
        request = Request(
            method=flow.method,
            authority=flow.authority,
            path=flow.path,
            headers=tuple(flow.headers.items()),
            body=flow.body,
        )
        if flow.caller is None:
            self._name_expected(flow, None)
            self._through_proxy(flow, flow.entry.address, flow.entry_port, request)
            return
        answer = self._resolver.resolve(flow.host, flow.caller.namespace)
        self._name_expected(flow, answer)
        if answer is None or not answer.addresses:
            self._give(flow, _NO_NAME, Way())
            return
        address = answer.addresses[flow.number % len(answer.addresses)]
        if flow.entry.has_proxy and self._captured(flow.entry, address, flow.port):
            self._through_proxy(flow, address, flow.port, request)
        else:
            self._direct(flow, address, flow.port, request)

    def _name_expected(self, flow: Flow, answer: Answer | None) -> None:
        """Whom requests that reach no pod were for: the service's own name, or the host as written."""
        if answer is None:
            flow.service = flow.host
            flow.expected = Group("", flow.host, "")
            return
        flow.service = answer.host
        flow.expected = _meant(answer)

    def _name_routed(self, flow: Flow, upstreams: Sequence[Upstream]) -> None:
        """Requests of clients outside were for the service that the gateway routes them to."""
        host = upstreams[0].name.rpartition("|")[2] if upstreams else ""
        answer = self._resolver.resolve(host, flow.entry.namespace) if host else None
        if answer is not None:
            flow.expected = _meant(answer)

    def _captured(self, entry: PodEntry, address: str, port: int) -> bool:
        return self.interception.captures_outbound(entry.id, address, port)

    def _through_proxy(self, flow: Flow, address: str, port: int, request: Request) -> None:
        running = self.world.fleet.proxies.get(flow.entry.id)
        if running is None:
            self._give(flow, RouteSpec(kind=RouteKind.LOCAL_REPLY, status=0, flag=Flag.UF), Way())
            return
        connection = Connection(
            source=flow.entry.address if flow.caller is not None else _CLIENT_ADDRESS,
            destination=address,
            destination_port=port,
        )
        ways = self._views.outbound(running, connection, request, gateway=flow.caller is None)
        if flow.caller is None:
            self._name_routed(flow, ways[0][1].upstreams)
        first, routes = 0, []
        for _, decision in ways:
            routes.append(self._route(flow, first, request, decision))
            first += len(decision.upstreams) + len(decision.policies.mirrors)
        if len(ways) == 1:
            self._give(flow, routes[0], way_of(ways[0][1]))
            return
        whole = lcm(*(share.denominator for share, _ in ways))
        weights = (int(share * whole) for share, _ in ways)
        names = dict.fromkeys(decision.route for _, decision in ways)
        way = Way(" or ".join(names), way_of(ways[0][1]).session)
        self._give(flow, RouteSpec(kind=RouteKind.DRAWN, ways=tuple(zip(weights, routes))), way)

    def _route(self, flow: Flow, first: int, request: Request, decision: Decision) -> RouteSpec:
        """One way of a flow's requests; `first` numbers its clusters among those of all ways.

        DEVIATION: where a runtime fraction guards a route with a mirror for a share of the requests, both are drawn on
        numbers of their own; Envoy has one for both.
        """
        if decision.disposition is not Disposition.FORWARDED and not decision.policies.connect_attempts:
            return local_route(decision)
        upstreams = decision.upstreams
        self._mark(flow, decision)
        shadows = [mirror for mirror in decision.policies.mirrors if mirror.upstream.known]
        high = decision.policies.high_priority
        asked = [*((u, high) for u in upstreams), *((mirror.upstream, False) for mirror in shadows)]
        places = [
            self._slot(flow, place, upstream, request, decision, above)
            for place, (upstream, above) in enumerate(asked, first)
        ]
        numbers = [number for number, _ in places]
        clusters = tuple(zip(numbers, (upstream.weight for upstream in upstreams)))
        parts = (mirror.fraction.parts_per_million for mirror in shadows)
        mirrors = tuple(zip(numbers[len(clusters) :], parts))
        classes = tuple(kind for _, kind in places) if any(kind for _, kind in places) else ()
        client = flow.entry.address if flow.caller is not None else None
        return forward_route(decision, clusters, mirrors, classes, client, flow.sessions, marked=self._marked)

    def _mark(self, flow: Flow, decision: Decision) -> None:
        """Have the hosts marked that retries omit by their labels, before those of the route's clusters are made.

        DEVIATION: hosts of any number of sets of labels may be omitted in Envoy, those of the first six here.
        """
        fresh = newly_omitted(decision.policies.retry, self._marked)
        room = MOST_MARKED - len(self._marked)
        if len(fresh) > room:
            what = f"retries that omit hosts by more than {MOST_MARKED} sets of labels"
            self.world.unmodelled.add(flow.entry.id, Unmodelled(type_urls.ROUTE, decision.route, what))
        self._marked += fresh[:room]

    def _direct(self, flow: Flow, address: str, port: int, request: Request) -> None:
        """An application that no rule redirects: kube-proxy picks the backend of a cluster IP."""
        endpoints = _equals(self._backends.of(address, port))
        key = (-1 - flow.number, f"{address}:{port}")
        number, _ = self._place(key, flow, 0, f"{flow.service}:{port}", direct_cluster(), None, request, endpoints)
        self._give(flow, RouteSpec(kind=RouteKind.FORWARD, clusters=((number, 1),)), Way())

    def _give(self, flow: Flow, spec: RouteSpec, way: Way) -> None:
        if self._given.get(flow.number) == (spec, way):
            return
        self._given[flow.number] = (spec, way)
        flow.ways.append(way)
        self.world.engine.set_route(flow.number, spec, self.world.env.instant)

    # ---- clusters -----------------------------------------------------------------------------------------------

    def _slot(
        self, flow: Flow, place: int, upstream: Upstream, request: Request, decision: Decision, high: bool
    ) -> tuple[int, int]:
        """The engine's number of an upstream cluster for requests of a priority, -1 when the proxy has no such cluster,
        and the class there."""
        cluster = upstream.cluster
        if cluster is None:
            return -1, 0
        upstream_request = Request(
            method=decision.method or request.method,
            authority=decision.authority or request.authority,
            path=decision.path or request.path,
            headers=decision.headers,
        )
        if upstream.destination is not None:
            target = upstream.destination
            endpoints = _equals(self._backends.of(target.address, target.port))
            key = (flow.entry.number, f"{upstream.name} {target.address}:{target.port}")
        else:
            endpoints = _targets(upstream, self._marked)
            key = (flow.entry.number, upstream.name)
        spec = cluster_spec(
            flow.entry.proxy_number, cluster, upstream.http2, upstream.assignment, locality=self._locality(flow.entry)
        )
        if decision.policies.connect_attempts:
            key, spec = (key[0], f"tcp {key[1]}"), session_cluster(spec)
        number, kind = self._place(key, flow, place, upstream.name, spec, upstream, upstream_request, endpoints)
        counted = CountedCluster(flow.entry.id, upstream.name)
        at = self.world.env.instant
        return self._contexts.find(
            number, upstream, high, self._slots[key].hosts, at, partial(self._tell, counted)
        ), kind

    def _tell(self, cluster: CountedCluster) -> None:
        """The engine has one more number for this cluster."""
        if self.on_cluster is not None:
            self.on_cluster(cluster)

    def _locality(self, entry: PodEntry) -> Locality:
        """Where a proxy tells that it is."""
        running = self.world.fleet.proxies.get(entry.id)
        if running is None:
            return NOWHERE
        locality = running.proxy.locality
        return locality.region, locality.zone, locality.subzone

    def _place(
        self,
        key: tuple[int, str],
        flow: Flow,
        place: int,
        name: str,
        spec: ClusterSpec,
        upstream: Upstream | None,
        request: Request,
        endpoints: tuple[Target, ...],
    ) -> tuple[int, int]:
        slot = self._slots.get(key)
        if slot is None:
            slot = Slot(self.world.engine.add_cluster(spec), spec, flow, upstream, endpoints)
            self._slots[key] = slot
            self._tell(CountedCluster(flow.entry.id if upstream is not None else "", name))
        else:
            slot.flow, slot.upstream, slot.endpoints = flow, upstream, endpoints
            if replace(slot.spec, overprovisioning=spec.overprovisioning) != spec:
                self.world.engine.set_cluster(slot.number, spec, self.world.env.instant)
            slot.spec = spec
        kind = slot.class_of((flow.number, place), request)
        assignment = upstream.assignment if upstream is not None else None
        drop = assignment.drop.parts_per_million if assignment is not None else 0
        self.world.engine.set_policy(slot.number, drop, spec.overprovisioning, self.world.env.instant)
        self._refresh(slot)
        return slot.number, kind

    def _refresh(self, slot: Slot) -> None:
        found = tuple((str(endpoint), self._host(slot, endpoint, place)) for endpoint, place in slot.endpoints)
        if found == slot.hosts:
            return
        for endpoint, _ in slot.endpoints:
            self._by_address.setdefault(endpoint.address, {})[slot.number] = slot
        slot.hosts = found
        if self.on_security is not None:
            for endpoint, _ in slot.endpoints:
                security = _security(_transport(slot.upstream, endpoint))
                self.on_security(slot.number, str(endpoint), security, self.world.env.instant)
        self.world.engine.set_hosts(slot.number, found, self.world.env.instant)

    # ---- hosts --------------------------------------------------------------------------------------------------

    def _host(self, slot: Slot, endpoint: Endpoint, place: HostPlace) -> HostSpec:
        target = self.world.directory.at(endpoint.address)
        source = slot.flow.entry
        path = self.world.network.between(source.party, target.party if target is not None else OUTSIDE_PARTY)
        transport = _transport(slot.upstream, endpoint)
        first, *others = (self._inbound(slot, request, endpoint, target, transport) for request in slot.requests)
        kind, status, flag = first
        behaviour = target.behaviour if target is not None else self.world.behaviours.default
        handler, *handlers = (behaviour.handler_of(request.method, request.path) for request in slot.requests)
        apart = any(other != first for other in others) or any(other != handler for other in handlers)
        return HostSpec(
            pod=target.number if target is not None else -1,
            handler=handler,
            latency=path.one_way,
            jitter=path.jitter,
            handshake_rtts=2 if transport.tls else 1,
            inbound=kind,
            inbound_status=status,
            inbound_flag=flag,
            by_class=tuple(others) if apart else (),
            handlers=tuple(handlers) if apart else (),
            reachable=path.reachable and source.reachable and (target is None or target.reachable),
            lost=path.lost,
            wire=self.world.settings.wire,
            external=self.world.settings.outside_service if target is None else None,
            **place,
        )

    def _inbound(
        self, slot: Slot, request: Request, endpoint: Endpoint, target: PodEntry | None, transport: UpstreamTls
    ) -> tuple[InboundKind, int, Flag]:
        """What an attempt to send a request meets at the other end."""
        if target is None:
            return InboundKind.SERVE, 200, Flag.NONE
        running = self.world.fleet.proxies.get(target.id)
        if not target.has_proxy or not self.interception.captures_inbound(
            target.id, slot.flow.entry.address, target.address, endpoint.port
        ):
            # Who does not know TLS answers the handshake with something else, or closes: that is no connection.
            kind = InboundKind.REFUSE if transport.tls else InboundKind.SERVE
            return kind, 200, Flag.NONE
        if running is None:
            return InboundKind.REFUSE, 200, Flag.NONE
        decision = self._views.inbound(
            running, _connection(slot, endpoint, transport, self._identity(slot.flow)), request
        )
        kind = inbound_kind(decision)
        flag = hang_up(decision) if kind is InboundKind.RESET else flags_of(decision)
        return kind, reply_status(decision) or 200, flag

    def _identity(self, flow: Flow) -> str:
        return f"spiffe://{self.world.mesh.trust_domain}/{flow.entry.identity}"


_CLIENT_ADDRESS: Final = "203.0.113.10"
"""A client outside (documentation range, RFC 5737)."""


def _meant(answer: Answer) -> Group:
    """Whom a resolved host means."""
    name = answer.service if answer.kind in (AnswerKind.SERVICE, AnswerKind.HEADLESS) else answer.host
    return Group(answer.namespace, name, "")


def _targets(upstream: Upstream, marked: Sequence[Labels]) -> tuple[Target, ...]:
    """Every endpoint of a cluster, healthy or not, and where it stands there."""
    if upstream.cluster is None or upstream.assignment is None:
        return ()
    return tuple(
        Target(endpoint, host_place(upstream.cluster, group, endpoint, marked))
        for group in upstream.assignment.localities
        for endpoint in group.endpoints
    )


def _equals(endpoints: tuple[Endpoint, ...]) -> tuple[Target, ...]:
    """Endpoints without an order among them."""
    return tuple(Target(endpoint, plain_place(endpoint)) for endpoint in endpoints)


def _transport(upstream: Upstream | None, endpoint: Endpoint) -> UpstreamTls:
    if upstream is None or upstream.cluster is None:
        return _PLAIN
    name, _ = upstream.cluster.socket_for(endpoint)
    return next((t for t in upstream.transports if t.match == name), _PLAIN)


def _security(transport: UpstreamTls) -> str:
    """How a connection is protected, in the words of a recording."""
    if transport.tls:
        return "mutual_tls" if transport.mutual else "tls"
    return "none"


def _connection(slot: Slot, endpoint: Endpoint, transport: UpstreamTls, identity: str) -> Connection:
    if not transport.tls:
        kind = Transport.PLAINTEXT
    elif transport.mutual:
        kind = Transport.MTLS
    else:
        kind = Transport.TLS
    http2 = slot.upstream is not None and slot.upstream.http2
    return Connection(
        source=slot.flow.entry.address,
        destination=endpoint.address,
        destination_port=endpoint.port,
        transport=kind,
        sni=transport.sni,
        alpn=transport.alpn,
        certificate=PeerCertificate((identity,)) if kind is Transport.MTLS else None,
        protocol=Protocol.HTTP2 if http2 else Protocol.HTTP11,
    )
