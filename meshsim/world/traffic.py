"""What clients send: the `traffic` of a scenario as sources of the engine that follow pods as they come and go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject
from meshsim.dataplane.specs import Arrivals, FlowSpec, LevelPiece, PeriodicSpec, RouteKind, RouteSpec, SourceSpec
from meshsim.errors import InputError
from meshsim.network import OUTSIDE_PARTY
from meshsim.recording import TrafficInfo
from meshsim.scenario import Arrivals as Spacing
from meshsim.scenario import Connections, Gateway, Traffic
from meshsim.units import Nanos
from meshsim.workload import connection_count, most_users, rate_pieces, user_pieces
from meshsim.world.behaviour import Behaviour, to_distribution
from meshsim.world.directory import Group, PodEntry
from meshsim.world.flows import Flow
from meshsim.world.sessions import SessionValues

if TYPE_CHECKING:
    from meshsim.world.model import World

_NOBODY: Final = RouteSpec(kind=RouteKind.LOCAL_REPLY, status=0)
"""Where no pod takes the traffic: no connection, no answer."""


@dataclass(slots=True)
class _Stream:
    """One traffic entry and the flows it sends to."""

    number: int
    """Its place among the scenario's."""
    traffic: Traffic
    source: int = -1
    flows: dict[str, Flow] = field(default_factory=dict)
    """By pod: the sender, or the gateway a client outside comes to."""
    idle: int = -1
    """Flow of the engine that stands in while no pod is up."""
    current: tuple[int, ...] = ()
    sessions: SessionValues | None = None
    """Its sessions where their requests tell which one they belong to."""


class TrafficControl:
    """All traffic of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._streams = [_Stream(*item) for item in enumerate(world.loaded.scenario.traffic)]

    def start(self) -> None:
        """Make the sources, with the pods there are now."""
        for stream in self._streams:
            traffic = stream.traffic
            spec = self._spec(traffic)
            stream.sessions = _sessions(traffic, spec)
            gateway = traffic.through.name if traffic.through is not None else ""
            self._world.sink.add_record(TrafficInfo(traffic.name, gateway, self._client_latency(traffic)))
            flows = self._flows(stream)
            stream.current = flows
            stream.source = self._world.engine.add_source(replace(spec, flows=flows))

    def refresh(self) -> None:
        """Pods came or went: sources send where somebody is."""
        for stream in self._streams:
            flows = self._flows(stream)
            if flows != stream.current:
                stream.current = flows
                self._world.engine.set_source_flows(stream.source, flows, self._world.env.instant)

    def silence(self) -> None:
        """Send nothing from now on: what is left is the control plane."""
        for stream in self._streams:
            self._world.engine.set_rate(stream.source, 0.0, self._world.env.instant)

    def _spec(self, traffic: Traffic) -> SourceSpec:
        """A traffic as a source of the engine, without the flows it sends to."""
        stop = traffic.stop if traffic.stop is not None else self._world.loaded.scenario.duration
        length = stop - traffic.start
        connections = connection_count(traffic, length)
        levels = user_pieces(traffic) or rate_pieces(traffic, length, self._world.seed)
        return SourceSpec(
            flows=(),
            arrivals=_spacing(traffic),
            rate_per_s=traffic.rate or 0.0,
            users=connections or most_users(traffic),
            think=to_distribution(traffic.think) if traffic.think is not None else None,
            start=traffic.start,
            stop=stop,
            latency=self._client_latency(traffic),
            levels=tuple(LevelPiece(*piece) for piece in levels),
            instants=tuple(traffic.replay.at or ()) if traffic.replay is not None else (),
            periodic=_periodic(traffic.connections, length) if traffic.connections is not None else None,
            sessions=(traffic.sessions.count or 0) if traffic.sessions is not None else 0,
        )

    def _client_latency(self, traffic: Traffic) -> Nanos:
        """Way from the client to the proxy: none inside a pod, that of the topology from outside."""
        if traffic.through is None:
            return 0
        return self._world.settings.latencies.outside.one_way

    def _flows(self, stream: _Stream) -> tuple[int, ...]:
        live = [entry for entry in self._entries(stream.traffic) if entry.alive and entry.reachable]
        if not live:
            return (self._idle(stream),)
        numbers = []
        for entry in live:
            key = f"{entry.id}/{entry.number}"
            if key not in stream.flows:
                stream.flows[key] = self._make(stream, entry)
            numbers.append(stream.flows[key].number)
        return tuple(numbers)

    def _idle(self, stream: _Stream) -> int:
        """The flow that stands in while no pod is up; clients outside miss the gateway they go to."""
        if stream.idle < 0:
            client = _client(stream.traffic)
            group = self._world.directory.group_number(client)
            spec = FlowSpec(proxy=-1, workload=group, pod=-1, call=-1, edge=stream.number)
            stream.idle = self._world.engine.add_flow(spec)
            request = stream.traffic.request
            self._world.router.flows.append(
                Flow(
                    number=stream.idle,
                    caller=None,
                    entry=_absent(),
                    source=client,
                    source_pod="",
                    traffic=stream.number,
                    expected=self._missed(stream),
                    host=request.hostname,
                    port=request.port,
                    authority=request.host,
                    method=request.method,
                    path=request.path,
                    headers=request.headers,
                )
            )
            self._world.router.fix_route(stream.idle, _NOBODY)
        return stream.idle

    def _missed(self, stream: _Stream) -> Group:
        """Whom the clients of a traffic do not reach while no pod is up."""
        known = [flow.entry.group for flow in stream.flows.values()]
        if known:
            return known[-1]
        through = stream.traffic.through
        if through is None:
            return Group("", stream.traffic.request.hostname, "")
        return Group(through.namespace or "", through.name, "")

    def _make(self, stream: _Stream, entry: PodEntry) -> Flow:
        """What a pod sends, or a gateway's pod passes on: as in Istio's metrics the gateway counts as the caller then
        (istio_requests_total{source_workload="istio-ingressgateway"})."""
        traffic = stream.traffic
        request = traffic.request
        outside = traffic.through is not None
        return self._world.router.add_flow(
            FlowSpec(
                proxy=entry.proxy_number,
                workload=self._world.directory.group_number(entry.group),
                pod=-1,
                call=-1,
                edge=stream.number,
                size=request.size,
            ),
            caller=None if outside else entry,
            entry=entry,
            source=entry.group,
            source_pod=entry.name,
            traffic=stream.number,
            host=request.hostname,
            port=request.port,
            authority=request.host,
            method=request.method,
            path=request.path,
            headers=stream.sessions.template(request.headers) if stream.sessions is not None else request.headers,
            sessions=stream.sessions,
            entry_port=self._gateway_port(traffic, entry) if outside else 0,
        )

    # ---- who sends, or takes traffic in --------------------------------------------------------------------------

    def _entries(self, traffic: Traffic) -> list[PodEntry]:
        if traffic.through is not None:
            service = self._service(traffic.through, traffic.name)
            return self._behind(service)
        assert traffic.from_ is not None
        pods = self._world.kube.pods(traffic.from_.namespace or "", traffic.from_.match)
        entries = (self._world.directory.get(f"{pod.name}.{pod.namespace}") for pod in pods)
        return [entry for entry in entries if entry is not None]

    def _service(self, gateway: Gateway, name: str) -> ApiObject:
        objects = self._world.kube.server.objects
        found = [s for s in objects.select("Service", "", gateway.namespace) if s.name == gateway.name]
        if not found:
            raise InputError(f"traffic '{name}' goes through '{gateway.name}', but there is no such Service")
        return found[0]

    def _behind(self, service: ApiObject) -> list[PodEntry]:
        """Ready pods of a gateway's service, as a load balancer in front of it sees them."""
        found: dict[str, PodEntry] = {}
        for item in self._world.kube.server.objects.select("EndpointSlice", None, service.namespace):
            if item.labels.get("kubernetes.io/service-name") != service.name:
                continue
            for endpoint in item.fields.items("endpoints"):
                if endpoint.fields("conditions").optional_flag("ready") is False:
                    continue
                for address in endpoint.texts("addresses"):
                    entry = self._world.directory.at(address)
                    if entry is not None:
                        found[entry.id] = entry
        return [found[key] for key in sorted(found)]

    def _gateway_port(self, traffic: Traffic, entry: PodEntry) -> int:
        assert traffic.through is not None
        service = self._service(traffic.through, traffic.name)
        wanted = traffic.through.port or traffic.request.port
        for port in service.spec.items("ports"):
            if port.integer("port") == wanted:
                target = port.value("targetPort")
                if isinstance(target, str) and not target.isdigit():
                    return self._world.router.facts[entry.id].ports.get(target, wanted)
                return int(target) if isinstance(target, int | str) else wanted
        known = ", ".join(port.text("port") for port in service.spec.items("ports"))
        raise InputError(
            f"traffic '{traffic.name}' comes to port {wanted}, which Service {service.name} does not have",
            None,
            f"its ports are {known}",
        )


_SPACINGS: Final = {
    Spacing.POISSON: Arrivals.POISSON,
    Spacing.CONSTANT: Arrivals.CONSTANT,
    Spacing.JITTERED: Arrivals.JITTERED,
}


def _spacing(traffic: Traffic) -> Arrivals:
    if traffic.users is not None or traffic.user_ramp is not None:
        return Arrivals.CLOSED
    if traffic.connections is not None:
        return Arrivals.PERIODIC
    if traffic.replay is not None:
        return Arrivals.REPLAYED
    return _SPACINGS[traffic.arrivals]


def _sessions(traffic: Traffic, spec: SourceSpec) -> SessionValues | None:
    told = traffic.sessions
    if told is None or (told.header is None and told.cookie is None):
        return None
    return SessionValues(traffic.name, spec.sessions or spec.users, told.header or "", told.cookie or "")


def _periodic(connections: Connections, length: Nanos) -> PeriodicSpec:
    return PeriodicSpec(
        length=length, jitter=connections.jitter, uniform=connections.uniform, catch_up=connections.catch_up
    )


def _client(traffic: Traffic) -> Group:
    return Group("", traffic.name, "")


def _absent() -> PodEntry:
    return PodEntry(
        name="",
        namespace="",
        uid="",
        address="",
        party=OUTSIDE_PARTY,
        group=Group("", "", ""),
        service_account="",
        has_proxy=False,
        is_gateway=False,
        number=-1,
        proxy_number=-1,
        behaviour=Behaviour(-1, ()),
        alive=False,
        reachable=False,
    )
