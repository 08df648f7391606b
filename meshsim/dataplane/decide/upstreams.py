"""From a cluster name to its hosts and to what is spoken with them (Envoy source/common/upstream).

Priority load, panic and locality rules were measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from meshsim.dataplane.decide.clusters import (
    Cluster,
    Discovery,
    Endpoint,
    Health,
    LoadAssignment,
    LocalityEndpoints,
    UpstreamHttp,
)
from meshsim.dataplane.decide.decision import Upstream, UpstreamTls
from meshsim.dataplane.decide.routing import without_port
from meshsim.dataplane.decide.transport_sockets import ClientTls
from meshsim.dataplane.decide.values import Connection, Protocol

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig


class PriorityLoad(NamedTuple):
    """Share of one priority."""

    priority: int
    percent: int
    panic: bool
    """Every host of the priority takes part, healthy or not."""


def priority_loads(cluster: Cluster, assignment: LoadAssignment) -> tuple[PriorityLoad, ...]:
    """How traffic spreads over the priorities of a cluster; empty without hosts."""
    count = 1 + max((x.priority for x in assignment.localities), default=-1)
    totals, usable = [0] * count, [0] * count
    for locality in assignment.localities:
        for endpoint in locality.endpoints:
            if endpoint.health is not Health.DRAINING:
                totals[locality.priority] += 1
            usable[locality.priority] += endpoint.health.usable
    health = [min(100, assignment.overprovisioning * u // t) if t else 0 for u, t in zip(usable, totals)]
    norm = min(100, sum(health))
    threshold = cluster.panic_threshold
    panic = [norm < 100 and t > 0 and 100 * u / t < threshold for u, t in zip(usable, totals)]
    if norm == 0:
        return _all_in_panic(totals, panic)
    loads, left = [], 100
    for h in health:
        load = min(left, h * 100 // norm)
        loads.append(load)
        left -= load
    if left:
        first = next(i for i, h in enumerate(health) if h)
        loads[first] += left
    return tuple(PriorityLoad(i, load, panic[i]) for i, load in enumerate(loads))


def _all_in_panic(totals: list[int], panic: list[bool]) -> tuple[PriorityLoad, ...]:
    """Nothing is healthy: load by host count where there is panic, else everything on the first priority (no host)."""
    if not any(totals):
        return ()
    if not any(panic):
        return tuple(PriorityLoad(i, 100 if i == 0 else 0, False) for i in range(len(totals)))
    total = sum(totals)
    loads = [100 * t // total for t in totals]
    loads[next(i for i, t in enumerate(totals) if t)] += 100 - sum(loads)
    return tuple(PriorityLoad(i, load, True) for i, load in enumerate(loads))


def candidates(cluster: Cluster, assignment: LoadAssignment) -> tuple[Endpoint, ...]:
    """Every host that the balancer may pick, in the order of the assignment; empty = no healthy upstream.

    Found once for an assignment, which every decision towards it shares.
    """
    key = (cluster.panic_threshold, cluster.locality_weighted)
    found = assignment.picks.get(key)
    if found is None:
        found = assignment.picks[key] = _candidates(cluster, assignment)
    return found


def _candidates(cluster: Cluster, assignment: LoadAssignment) -> tuple[Endpoint, ...]:
    loads = {load.priority: load for load in priority_loads(cluster, assignment) if load.percent}
    found: list[Endpoint] = []
    for locality in assignment.localities:
        load = loads.get(locality.priority)
        if load is None or (cluster.locality_weighted and not load.panic and not _weighs(locality, assignment)):
            continue
        found += [e for e in locality.endpoints if load.panic or e.health.usable]
    return tuple(found)


def _weighs(locality: LocalityEndpoints, assignment: LoadAssignment) -> bool:
    """A locality without weight gets nothing as soon as localities are weighted at all."""
    siblings = [x for x in assignment.localities if x.priority == locality.priority]
    return locality.weight > 0 or not any(x.weight for x in siblings)


def resolve(config: ActiveConfig, name: str, weight: int, connection: Connection, authority: str) -> Upstream:
    """The cluster of this name as a decision meets it."""
    cluster = config.clusters.get(name)
    if cluster is None:
        return Upstream(name, weight, None, None, None, False, ())
    assignment = config.assignment_of(cluster)
    destination = _destination(cluster, connection, authority)
    http2 = cluster.http is UpstreamHttp.HTTP2 or (
        cluster.http is UpstreamHttp.AS_DOWNSTREAM and connection.protocol is Protocol.HTTP2
    )
    transports = _transports(cluster, assignment, destination)
    return Upstream(name, weight, cluster, assignment, destination, http2, transports)


def _destination(cluster: Cluster, connection: Connection, authority: str) -> Endpoint | None:
    if cluster.discovery is Discovery.ORIGINAL_DST:
        port = cluster.original_dst_port or connection.destination_port
        return Endpoint(connection.destination, port, 1, Health.HEALTHY, (), "", "", ())
    if cluster.discovery is Discovery.CUSTOM:
        host = without_port(authority)
        port = int(authority[len(host) + 1 :] or 0) if authority[len(host) + 1 :].isdigit() else 0
        tls = isinstance(cluster.socket, ClientTls)
        return Endpoint(host, port or (443 if tls else 80), 1, Health.HEALTHY, (), "", "", ())
    return None


def has_host(upstream: Upstream) -> bool:
    """Whether the balancer finds any host."""
    if upstream.destination is not None:
        return True
    if upstream.cluster is None or upstream.assignment is None:
        return False
    return bool(candidates(upstream.cluster, upstream.assignment))


def hosts(upstream: Upstream) -> tuple[Endpoint, ...]:
    """Hosts that the balancer may pick."""
    if upstream.destination is not None:
        return (upstream.destination,)
    if upstream.cluster is None or upstream.assignment is None:
        return ()
    return candidates(upstream.cluster, upstream.assignment)


def transport_to(cluster: Cluster, endpoint: Endpoint) -> UpstreamTls:
    """What is spoken with one endpoint below HTTP."""
    return cluster.transport_for(endpoint.socket_labels)


def _transports(
    cluster: Cluster, assignment: LoadAssignment | None, destination: Endpoint | None
) -> tuple[UpstreamTls, ...]:
    if not cluster.socket_matches or destination:
        return (cluster.transport_for(destination.socket_labels if destination else ()),)
    if assignment is None:
        return ()
    if len(assignment.socket_labels) == 1:
        return (cluster.transport_for(assignment.socket_labels[0]),)
    return tuple(dict.fromkeys(cluster.transport_for(labels) for labels in assignment.socket_labels))


def describe_choice(upstream: Upstream, http: bool) -> str:
    """Why a chosen cluster can or cannot be used, for an explanation."""
    if not upstream.known:
        return "the proxy has no such cluster"
    if not has_host(upstream):
        return "no healthy host"
    share = f"weight {upstream.weight}, " if upstream.weight != 1 else ""
    version = f"{'HTTP/2' if upstream.http2 else 'HTTP/1.1'}, " if http else ""
    kinds = [t.match or ("TLS" if t.tls else "plaintext") for t in upstream.transports]
    return f"{share}{version}{', '.join(kinds) or 'no transport'}"
