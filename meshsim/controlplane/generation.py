"""What one connection is sent for a request or a push: the steps, their resources, their cost."""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.controlplane.changes import PushRequest
from meshsim.controlplane.cluster_delta import AssignmentFilter, ClusterDelta, cluster_delta
from meshsim.controlplane.connections import Connection
from meshsim.controlplane.dependencies import Extent, concerns_clusters, extents
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.resources import Resource, generate
from meshsim.controlplane.timing import PilotTiming
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.ads_server import Received, RequestKind
from meshsim.xds.bodies import Bodies
from meshsim.xds.wire import count_virtual_hosts


@dataclass(frozen=True, slots=True)
class Step:
    """One response to make: a type, and which of its resources."""

    type_url: str
    names: tuple[str, ...] | None = None
    """Exactly these names (answers to requests, partial assignments), `None` = all the proxy watches."""
    delta: ClusterDelta | None = None
    """Only clusters of these services, plus inbound and static ones; `None` = no restriction."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The content of one response."""

    resources: Bodies[Resource]
    removed: tuple[str, ...]
    cost: Nanos
    """CPU time of generation."""


def request_steps(connection: Connection, received: Received) -> list[Step]:
    """Responses to a request: its type, and after CDS also EDS, so that no cluster waits in warming for an assignment
    it will never ask for (istio pilot/pkg/xds/delta.go forceEDSPush). Names that were only dropped are answered with
    none, which only extension configurations send."""
    everything = connection.stream.watches[received.type_url].wildcard and received.kind is not RequestKind.UNSUBSCRIBE
    steps = [Step(received.type_url, None if everything else received.names)]
    if received.type_url == type_urls.CLUSTER and type_urls.ENDPOINT in connection.stream.watches:
        steps.append(Step(type_urls.ENDPOINT))
    return steps


def push_steps(push: PushContext, connection: Connection, request: PushRequest) -> list[Step]:
    """Responses of a push, in push order, for the types the proxy watches and the changes touch."""
    wanted = extents(request, connection.proxy, push.mesh.root_namespace)
    return [
        _partial_step(push, connection, request, type_url) if wanted[type_url] is Extent.PARTIAL else Step(type_url)
        for type_url in connection.stream.watched_types()
        if type_url in wanted
    ]


def _partial_step(push: PushContext, connection: Connection, request: PushRequest, type_url: str) -> Step:
    scope = connection.scope.sidecar_scope
    before = connection.scope_before.sidecar_scope if connection.scope_before is not None else None
    watched = connection.stream.watches[type_url].names
    if type_url == type_urls.CLUSTER:
        keys = [key for key in request.keys if concerns_clusters(key, request)]
        return Step(type_url, delta=cluster_delta(keys, watched, scope, before))
    chosen = AssignmentFilter(request, connection.proxy, scope, before)
    return Step(type_url, chosen.choose(watched, push))


def generate_step(push: PushContext, connection: Connection, step: Step, timing: PilotTiming) -> Generated | None:
    """The resources of one step; `None` when there is nothing to send.

    Assignments and routes are sent when there is one; extension configurations also when there is none any more, but
    never as removed (istio pilot/pkg/xds/delta.go pushDeltaXds and the generators).
    """
    watch = connection.stream.watches.get(step.type_url)
    if watch is None:
        return None
    names = tuple(watch.names) if step.names is None else step.names
    if not names and not watch.wildcard and step.type_url != type_urls.EXTENSION:
        return None
    hosts = None if step.delta is None else step.delta.hosts
    made = Bodies.of(generate(push, connection.proxy, step.type_url, names, hosts))
    removed: tuple[str, ...] = ()
    if watch.wildcard:
        candidates = watch.names if step.delta is None else step.delta.candidates
        if candidates:
            gone = set(candidates).difference(made.table)
            removed = tuple(sorted([name for name in gone if name in watch.names]))
    return Generated(made, removed, _cost(step.type_url, made, timing))


def _cost(type_url: str, made: tuple[Resource, ...], timing: PilotTiming) -> Nanos:
    if type_url == type_urls.CLUSTER:
        return timing.per_cluster * len(made)
    if type_url == type_urls.ENDPOINT:
        return timing.per_assignment * len(made)
    if type_url == type_urls.LISTENER:
        return timing.listeners_base + timing.per_listener * len(made)
    if type_url == type_urls.ROUTE:
        return timing.per_virtual_host * sum(count_virtual_hosts(r.body) for r in made)
    return timing.per_other * len(made)
