"""The Envoy of a recorded experiment in the engine: its configuration decoded, decided and translated as in a world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm
from typing import Any, Final, NamedTuple

from google.protobuf.json_format import ParseError

from meshsim.api import Fields
from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import Connection, Decision, Disposition, Request, Upstream, decide_direct, outcomes
from meshsim.dataplane.decide.clusters import Endpoint, LocalityEndpoints
from meshsim.dataplane.decide.endpoints import Labels
from meshsim.dataplane.decide.redirects import follow_redirect
from meshsim.dataplane.decide.routes import RetryPolicy
from meshsim.dataplane.decide.upstreams import resolve
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import (
    ClusterSpec,
    Distribution,
    FlowSpec,
    HandlerSpec,
    HostSpec,
    InboundKind,
    PodSpec,
    ProxySpec,
    RouteKind,
    RouteSpec,
    Shape,
)
from meshsim.errors import InputError
from meshsim.units import Nanos
from meshsim.world.cluster_contexts import ClusterContexts
from meshsim.world.translation import (
    MOST_MARKED,
    cluster_spec,
    forward_route,
    host_place,
    local_route,
    newly_omitted,
)
from meshsim.world.verify.dynamics_script import Host, locations_of
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2
from meshsim.xds.packing import from_json

LATENCY: Final = 100_000
"""One way over loopback."""
WORK: Final = 10_000
"""CPU time of the proxy for a request, and for its answer."""
_LISTENER: Final = "127.0.0.10"
_PORT: Final = 10_000
_CLIENT: Final = "127.0.0.1"
_SILENT: Final = "127.0.1."
"""Addresses that drop packets."""
_SEE_OTHER: Final = 303
_FEATURES: Final = ("envoy", "re2.", "overload.")
"""First parts of runtime keys that stand for features and limits of the process."""
_MANAGER: Final = "envoy.filters.network.http_connection_manager"
_CONNECTION: Final = Connection(source=_CLIENT, destination=_LISTENER, destination_port=_PORT)


class FlowKey(NamedTuple):
    """What tells requests of one kind from another."""

    method: str
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: int = 0
    """Bytes of the body."""
    after: Nanos = 0
    """How long after the headers it comes, `core.NEVER` if it never does."""
    followed: tuple[tuple[str, str], ...] = ()
    """Redirects that led to it: from which route to which."""


@dataclass(slots=True)
class ProxyModel:
    """The proxy of an experiment: clusters, hosts and flows in the engine, by name."""

    engine: Engine
    experiment: Fields
    hosts: Mapping[str, Host]
    locations: Mapping[tuple[int, str], int] = field(init=False)
    """Numbers of the redirects that hosts answer with, each a status and a location."""
    config: ActiveConfig = field(init=False)
    proxy: int = field(init=False)
    assignments: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """Current endpoints by file."""
    pods: dict[str, int] = field(default_factory=dict)
    """Pod behind each scripted address."""
    closed: set[str] = field(default_factory=set)
    """Addresses whose listener is closed."""
    clusters: dict[str, int] = field(default_factory=dict)
    retry: dict[int, RetryPolicy | None] = field(default_factory=dict)
    """Retry policy of each flow."""
    _contexts: ClusterContexts = field(init=False)
    _marked: list[Labels] = field(default_factory=list)
    """Sets of labels that retries omit hosts for."""
    _upstreams: dict[str, Upstream] = field(default_factory=dict)
    _flows: dict[FlowKey, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.experiment.fields("config")
        _check_runtime(config.fields("bootstrap"))
        self.locations = locations_of(self.experiment)
        work = Distribution(Shape.FIXED, WORK)
        self.proxy = self.engine.add_proxy(
            ProxySpec(workers=max(config.integer("concurrency", 1), 1), outbound=work, inbound=work)
        )
        handler = HandlerSpec(service=Distribution(Shape.FIXED, 0), error_rate=0.0, error_status=503, calls=())
        self.engine.add_handler(handler)
        self.assignments = {name: entry.body for name, entry in config.fields_map("eds").items()}
        for address, host in self.hosts.items():
            pod = PodSpec(proxy=-1, workload=host.number, workers=0, hold_while_calling=False)
            self.pods[address] = self.engine.add_pod(pod)
            if host.down:
                self.closed.add(address)
        self._contexts = ClusterContexts(self.engine)
        self.config = self._load()

    def _load(self) -> ActiveConfig:
        config = self.experiment.fields("config")
        manager = {"name": _MANAGER, "typed_config": config.fields("http_connection_manager").body}
        listener = {
            "name": "listener",
            "address": {"socket_address": {"address": _LISTENER, "port_value": _PORT}},
            "filter_chains": [{"filters": [manager]}],
        }
        try:
            packed = {
                type_urls.CLUSTER: {
                    c.text("name"): from_json(c.body, cluster_pb2.Cluster).SerializeToString()
                    for c in config.items("clusters")
                },
                type_urls.ENDPOINT: {
                    str(body["cluster_name"]): from_json(body, endpoint_pb2.ClusterLoadAssignment).SerializeToString()
                    for body in self.assignments.values()
                },
                type_urls.LISTENER: {"listener": from_json(listener, listener_pb2.Listener).SerializeToString()},
            }
        except ParseError as error:
            raise InputError(f"{self.experiment.text('id')}: {error}") from error
        loaded, rejected = load_config(packed)
        if rejected:
            raise InputError(f"{self.experiment.text('id')}: {rejected[0].reason}")
        return loaded

    # -- flows -------------------------------------------------------------------------------------------------------

    def flow(self, key: FlowKey) -> int:
        """The flow of a kind of request."""
        if key not in self._flows:
            spec = FlowSpec(proxy=self.proxy, workload=0, pod=-1, call=-1, edge=len(self._flows))
            flow = self._flows[key] = self.engine.add_flow(spec)
            self.engine.set_route(flow, self._route(key, flow))
        return self._flows[key]

    def decide(self, key: FlowKey) -> list[tuple[Fraction, Decision]]:
        """What the proxy decides for a kind of request: every way that its random number leads to."""
        request = Request(method=key.method, authority=key.authority, path=key.path, headers=key.headers, body=key.body)
        return outcomes(decide_direct, self.config, _CONNECTION, request)

    def _route(self, key: FlowKey, flow: int) -> RouteSpec:
        ways = self.decide(key)
        self.retry[flow] = ways[0][1].policies.retry
        if len(ways) == 1:
            return self._way(key, ways[0][1])
        whole = lcm(*(share.denominator for share, _ in ways))
        return RouteSpec(
            kind=RouteKind.DRAWN, ways=tuple((int(share * whole), self._way(key, decision)) for share, decision in ways)
        )

    def _way(self, key: FlowKey, decision: Decision) -> RouteSpec:
        if decision.disposition is not Disposition.FORWARDED:
            return local_route(decision, key.after)
        redirects = tuple(self._redirects(key, decision))
        high = decision.policies.high_priority
        clusters = tuple((self._cluster(u, high), u.weight) for u in decision.upstreams)
        mirrors = tuple((self._cluster(m.upstream), m.fraction.parts_per_million) for m in decision.policies.mirrors)
        self._mark(decision.policies.retry)
        spec = forward_route(decision, clusters, mirrors, client=_CLIENT, body=key.after, marked=self._marked)
        eager = self.experiment.flag("hosts_answer_before_the_body_is_complete")
        return replace(spec, eager=eager, redirects=redirects)

    def _mark(self, retry: RetryPolicy | None) -> None:
        """Have the hosts marked that retries omit by their labels."""
        fresh = newly_omitted(retry, self._marked)
        self._marked += fresh
        if len(self._marked) > MOST_MARKED:
            raise InputError(f"retries omit hosts of more than {MOST_MARKED} kinds")
        for name in self.clusters if fresh else ():
            self._give_hosts(name)

    def _redirects(self, key: FlowKey, decision: Decision) -> Iterator[tuple[int, int]]:
        """Where redirects lead that the proxy follows by itself: number of a location, and the flow of the request."""
        if decision.policies.redirects is None:
            return
        for (status, location), number in self.locations.items():
            found, asked = _follow(self.config, decision, status, location, key.followed)
            if found is not None:
                body = 0 if status == _SEE_OTHER and decision.method != asked.method else key.body
                target = FlowKey(
                    asked.method,
                    asked.authority or "",
                    asked.path,
                    asked.headers,
                    body,
                    followed=(*key.followed, (decision.route, found.route)),
                )
                yield number, self.flow(target)

    def _cluster(self, upstream: Upstream, high: bool = False) -> int:
        if upstream.cluster is None:
            return -1
        name = upstream.name
        if name not in self.clusters:
            self._upstreams[name] = upstream
            self.clusters[name] = self.engine.add_cluster(self._spec(upstream))
            self._give_hosts(name)
        return self._contexts.find(self.clusters[name], upstream, high, upstream.assignment)

    # -- hosts -------------------------------------------------------------------------------------------------------

    def _give_hosts(self, name: str, at: Nanos | None = None) -> None:
        upstream = self._upstreams[name]
        assignment = upstream.assignment
        found: list[tuple[str, HostSpec]] = []
        if assignment is not None:
            for group in assignment.localities:
                found += [(str(endpoint), self._host(upstream, group, endpoint)) for endpoint in group.endpoints]
            dropped, factor = assignment.drop.parts_per_million, assignment.overprovisioning
            self.engine.set_policy(self.clusters[name], dropped, factor, at)
        self.engine.set_hosts(self.clusters[name], found, at)
        for match, high in self._contexts.asked(self.clusters[name]):
            upstream = resolve(self.config, name, 1, _CONNECTION, "", match)
            self._contexts.find(self.clusters[name], upstream, high, assignment, at)

    def _spec(self, upstream: Upstream) -> ClusterSpec:
        """A cluster with its balancing, which may compare its zones to those of the proxy's own cluster."""
        bootstrap = self.experiment.fields("config").fields("bootstrap")
        where = bootstrap.fields("node").fields("locality")
        name = bootstrap.fields("cluster_manager").text("local_cluster_name")
        assert upstream.cluster is not None
        local = None
        if name and name != upstream.name:
            local = self._cluster(resolve(self.config, name, 1, _CONNECTION, ""))
        spec = cluster_spec(
            self.proxy,
            upstream.cluster,
            upstream.http2,
            upstream.assignment,
            locality=(where.text("region"), where.text("zone"), where.text("sub_zone")),
            local=local,
        )
        return replace(spec, local=bool(name) and name == upstream.name)

    def _host(self, upstream: Upstream, group: LocalityEndpoints, endpoint: Endpoint) -> HostSpec:
        assert upstream.cluster is not None
        address = str(endpoint)
        host = self.hosts.get(address)
        understands = host is None or host.http2 == upstream.http2
        met = InboundKind.SERVE if understands else InboundKind.MISUNDERSTAND
        refused = address in self.closed or address not in self.pods
        return HostSpec(
            pod=self.pods.get(address, -1),
            handler=0,
            latency=LATENCY,
            jitter=0,
            handshake_rtts=1,
            inbound=InboundKind.REFUSE if refused else met,
            reachable=not address.startswith(_SILENT),
            **host_place(upstream.cluster, group, endpoint, self._marked),
        )

    def listen(self, address: str, listening: bool, at: Nanos) -> None:
        """A host opens or closes its listener."""
        if listening:
            self.closed.discard(address)
        else:
            self.closed.add(address)
        for name in self.clusters:
            self._give_hosts(name, at)

    def update(self, file: str, assignment: Mapping[str, object], at: Nanos) -> None:
        """An endpoint file is rewritten."""
        self.assignments[file] = assignment
        self.config = self._load()
        for name in self.clusters:
            cluster = self.config.clusters[self._upstreams[name].name]
            self._upstreams[name] = self._upstreams[name]._replace(
                cluster=cluster, assignment=self.config.assignment_of(cluster)
            )
            self._give_hosts(name, at)
        for key, flow in list(self._flows.items()):
            self.engine.set_route(flow, self._route(key, flow), at)


def _check_runtime(bootstrap: Fields) -> None:
    """Raise `InputError` for a runtime value that has a part in what happens: the model reads none of them."""
    for layer in bootstrap.fields("layered_runtime").items("layers"):
        key = next((key for key in layer.fields("static_layer") if not key.startswith(_FEATURES)), None)
        if key is not None:
            raise InputError(f"the runtime value {key} is not modelled", None, "write it into the configuration itself")


def _follow(
    config: ActiveConfig, decision: Decision, status: int, location: str, followed: tuple[tuple[str, str], ...]
) -> tuple[Decision | None, Request]:
    """What is decided about the request that a redirect leads to, None if it is not followed; and that request."""
    asked = [Request()]

    def decide(
        config: ActiveConfig, connection: Connection, request: Request | None, explain: bool = False, **more: Any
    ) -> Decision:
        if request is not None:
            asked.append(request)
        return decide_direct(config, connection, request, explain, **more)

    return follow_redirect(decide, config, _CONNECTION, decision, status, location, followed=followed), asked[-1]
