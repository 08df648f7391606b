"""What one connection is sent for a request or a push: the steps, their resources, their cost."""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.connections import Connection
from meshsim.controlplane.dependencies import Extent, Scope, extents
from meshsim.controlplane.host_names import host_within, resolve_short_name
from meshsim.controlplane.model import Service
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.resources import Resource, generate
from meshsim.controlplane.timing import PilotTiming
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.ads_server import Received
from meshsim.xds.wire import count_virtual_hosts


@dataclass(frozen=True, slots=True)
class Step:
    """One response to make: a type, and which of its resources."""

    type_url: str
    names: tuple[str, ...] | None = None
    """Exactly these names (answers to requests), `None` = all the proxy watches."""
    hosts: frozenset[str] | None = None
    """Only resources of these services, plus inbound and static clusters; `None` = no restriction."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The content of one response."""

    resources: tuple[Resource, ...]
    removed: tuple[str, ...]
    cost: Nanos
    """CPU time of generation."""


def request_steps(connection: Connection, received: Received) -> list[Step]:
    """Responses to a request: its type, and after CDS also EDS, so that no cluster waits in warming for an assignment
    it will never ask for (istio pilot/pkg/xds/delta.go forceEDSPush)."""
    wildcard = connection.stream.watches[received.type_url].wildcard
    steps = [Step(received.type_url, None if wildcard else received.names)]
    if received.type_url == type_urls.CLUSTER and type_urls.ENDPOINT in connection.stream.watches:
        steps.append(Step(type_urls.ENDPOINT))
    return steps


def push_steps(connection: Connection, request: PushRequest, push: PushContext, before: Scope) -> list[Step]:
    """Responses of a push, in push order, for the types the proxy watches and the changes touch."""
    wanted = extents(request, connection.proxy, push.mesh.root_namespace)
    hosts = affected_hosts(request, push, before, connection.scope)
    return [
        Step(type_url, None, hosts if wanted[type_url] is Extent.PARTIAL else None)
        for type_url in connection.stream.watched_types()
        if type_url in wanted
    ]


def affected_hosts(request: PushRequest, push: PushContext, before: Scope, after: Scope) -> frozenset[str]:
    """Host names whose clusters and assignments a partial push regenerates."""
    hosts: dict[str, None] = {}
    for key in request.keys:
        if key.kind in ("Endpoints", "ServiceEntry"):
            hosts[key.name] = None
            hosts.update(dict.fromkeys(s.hostname for s in push.services if _made_from(s, key)))
        elif key.kind == "DestinationRule":
            hosts.update(dict.fromkeys(_ruled(push, key)))
        elif key.kind == "PeerAuthentication":
            hosts.update(dict.fromkeys(s.hostname for s in push.services if s.namespace == key.namespace))
    # A VirtualService or Sidecar changes clusters only where it changes which services the proxy sees.
    hosts.update(dict.fromkeys(sorted(after.hosts - before.hosts)))
    return frozenset(hosts)


def _made_from(service: Service, key: ConfigKey) -> bool:
    source = service.source
    return source is not None and (source.kind, source.name, source.namespace) == tuple(key)


def _ruled(push: PushContext, key: ConfigKey) -> list[str]:
    """Hosts a DestinationRule is for: all it may cover when it is gone or a wildcard."""
    for rule in push.configs("DestinationRule", key.namespace):
        if rule.name == key.name:
            host = resolve_short_name(rule.spec.text("host"), key.namespace, push.mesh.domain)
            return [s.hostname for s in push.services if host_within(s.hostname, host)]
    return [s.hostname for s in push.services]


def generate_step(
    push: PushContext, connection: Connection, step: Step, timing: PilotTiming
) -> Generated | None:
    """The resources of one step; `None` when there is nothing to send."""
    watch = connection.stream.watches.get(step.type_url)
    if watch is None:
        return None
    names = tuple(watch.names) if step.names is None else step.names
    if step.type_url == type_urls.ENDPOINT and step.hosts is not None:
        names = tuple(n for n in names if host_of_cluster(n) in step.hosts)
    if not names and not watch.wildcard:
        return None
    made = generate(push, connection.proxy, step.type_url, names)
    removed: tuple[str, ...] = ()
    if watch.wildcard:
        present = {r.name for r in made}
        removed = tuple(n for n in watch.names if n not in present)
    cost = _cost(step.type_url, made, timing)
    if step.type_url == type_urls.CLUSTER and step.hosts is not None:
        made = tuple(r for r in made if not r.name.startswith("outbound|") or host_of_cluster(r.name) in step.hosts)
        cost = _cost(step.type_url, made, timing)
    return Generated(made, removed, cost)


def host_of_cluster(name: str) -> str:
    """Host name in ``outbound|80|v1|reviews.default.svc.cluster.local`` and ``outbound_.80_.v1_.host``."""
    return name.rsplit("|", 1)[-1] if "|" in name else name.rsplit("_.", 1)[-1]


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


