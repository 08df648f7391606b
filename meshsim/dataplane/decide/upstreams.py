"""From a cluster name to its hosts and to what is spoken with them (Envoy source/common/upstream).

Priority load, panic and locality rules were measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meshsim.dataplane.balancing import Availability, PriorityShare, share_load
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
from meshsim.dataplane.decide.endpoints import Labels
from meshsim.dataplane.decide.routing import without_port
from meshsim.dataplane.decide.subsets import subset_chain
from meshsim.dataplane.decide.transport_sockets import ClientTls
from meshsim.dataplane.decide.values import Connection, Protocol

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig

_NOTHING: Final = PriorityShare(0, 0, False, 0, 0)


def priority_loads(cluster: Cluster, assignment: LoadAssignment) -> tuple[PriorityShare, ...]:
    """How traffic spreads over the priorities of a cluster; empty without hosts."""
    levels: dict[int, list[Endpoint]] = {}
    for locality in assignment.localities:
        levels.setdefault(locality.priority, []).extend(locality.endpoints)
    if not any(levels.values()):
        return ()
    counts = [_availability(levels.get(n, []), assignment.weighted_health) for n in range(1 + max(levels))]
    return tuple(share_load(counts, cluster.panic_threshold, assignment.overprovisioning))


def _availability(endpoints: list[Endpoint], by_weight: bool) -> Availability:
    counted = [e for e in endpoints if e.health is not Health.DRAINING]
    usable = [e for e in counted if e.health.usable]
    degraded = [e for e in usable if e.health is Health.DEGRADED]

    def measure(group: list[Endpoint]) -> int:
        return sum(e.weight for e in group) if by_weight else len(group)

    healthy = measure(usable) - measure(degraded)
    return Availability(measure(counted), healthy, measure(degraded), len(endpoints), len(counted), len(usable))


def candidates(cluster: Cluster, assignment: LoadAssignment) -> tuple[Endpoint, ...]:
    """Every host that the balancer may pick, in the order of the assignment; empty = no healthy upstream.

    Found once for an assignment, which every decision towards it shares.
    """
    balancer = cluster.balancer
    key = (cluster.panic_threshold, balancer.locality_weighted, balancer.zone_aware.fail_on_panic)
    found = assignment.picks.get(key)
    if found is None:
        found = assignment.picks[key] = _candidates(cluster, assignment)
    return found


def _candidates(cluster: Cluster, assignment: LoadAssignment) -> tuple[Endpoint, ...]:
    shares = priority_loads(cluster, assignment)
    by_locality = cluster.balancer.locality_weighted
    found: list[Endpoint] = []
    for locality in assignment.localities:
        share = shares[locality.priority] if shares else _NOTHING
        if share.panic and (cluster.balancer.zone_aware.fail_on_panic or not share.healthy + share.degraded):
            continue
        if by_locality and not share.panic and not _weighs(locality, assignment):
            continue
        found += [e for e in locality.endpoints if share.panic or _served(e, share)]
    return tuple(found)


def _served(endpoint: Endpoint, share: PriorityShare) -> bool:
    if endpoint.health is Health.DEGRADED:
        return share.degraded > 0
    return endpoint.health.usable and share.healthy > 0


def _weighs(locality: LocalityEndpoints, assignment: LoadAssignment) -> bool:
    """A locality without weight gets nothing as soon as localities are weighted at all."""
    siblings = [x for x in assignment.localities if x.priority == locality.priority]
    return locality.weight > 0 or not any(x.weight for x in siblings)


def resolve(
    config: ActiveConfig, name: str, weight: int, connection: Connection, authority: str, match: Labels = ()
) -> Upstream:
    """The cluster of this name as a decision meets it; `match` is the route's choice among its subsets."""
    cluster = config.clusters.get(name)
    if cluster is None:
        return Upstream(name, weight, None, None, None, False, ())
    assignment = config.assignment_of(cluster)
    destination = _destination(cluster, connection, authority)
    http2 = cluster.http is UpstreamHttp.HTTP2 or (
        cluster.http is UpstreamHttp.AS_DOWNSTREAM and connection.protocol is Protocol.HTTP2
    )
    subsets = None
    if cluster.subsets is not None and assignment is not None:
        subsets = subset_chain(cluster.subsets, assignment, match)
    transports = _transports(cluster, assignment, destination)
    return Upstream(name, weight, cluster, assignment, destination, http2, transports, subsets, match)


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
    return bool(hosts(upstream))


def hosts(upstream: Upstream) -> tuple[Endpoint, ...]:
    """Hosts that the balancer may pick."""
    if upstream.destination is not None:
        return (upstream.destination,)
    cluster, assignment = upstream.cluster, upstream.assignment
    if cluster is None or assignment is None:
        return ()
    if upstream.subsets is None:
        return candidates(cluster, assignment)
    for subset in upstream.subsets:
        found = subset.assignment.endpoints if subset.single else candidates(cluster, subset.assignment)
        if found:
            return found
    return ()


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
