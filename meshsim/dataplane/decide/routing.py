"""From a request to a virtual host and a route (Envoy source/common/router/config_impl.cc)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Final, NamedTuple

from meshsim.dataplane.decide.decision import Trail
from meshsim.dataplane.decide.filter_configs import FilterConfig
from meshsim.dataplane.decide.hash_policies import request_hash
from meshsim.dataplane.decide.match_trees import find_action
from meshsim.dataplane.decide.route_match import PathKind, Stream
from meshsim.dataplane.decide.routes import (
    Forward,
    Route,
    RouteConfiguration,
    TlsRequirement,
    VirtualHost,
    WeightedCluster,
)
from meshsim.dataplane.decide.strings import ascii_lower
from meshsim.dataplane.decide.subjects import Subject


class Chosen(NamedTuple):
    """The outcome of routing."""

    virtual_host: VirtualHost | None
    route: Route | None
    needs_tls: bool = False
    """Plaintext on a virtual host that wants TLS: answered with a redirect to https."""
    weighted: WeightedCluster | None = None
    """The cluster of a weighted set, once it is drawn."""


NOTHING: Final = Chosen(None, None)


def without_port(host: str) -> str:
    """The host up to its last colon; a bracketed address keeps its own."""
    colon = host.rfind(":")
    return host if colon < 0 or host.rfind("]") > colon else host[:colon]


def find_virtual_host(table: RouteConfiguration, host: str) -> tuple[VirtualHost | None, str]:
    """The virtual host for an authority, and which kind of domain matched.

    Exact, then the longest ``*suffix``, then the longest ``prefix*``, then ``*``; the star stands for at least one
    character.
    """
    if table.ignore_port:
        host = without_port(host)
    host = ascii_lower(host)
    index = table.domains
    found = index.exact.get(host)
    if found is not None:
        return found, f"domain {host}"
    for length, suffixes in index.suffixes:
        found = suffixes.get(host[-length:] if length else "") if length < len(host) else None
        if found is not None:
            return found, f"domain *{host[-length:] if length else ''}"
    for length, prefixes in index.prefixes:
        found = prefixes.get(host[:length]) if length < len(host) else None
        if found is not None:
            return found, f"domain {host[:length]}*"
    return index.default, "domain *" if index.default else f"no domain for {host!r}"


def choose_route(
    table: RouteConfiguration, stream: Stream, internal: bool, trail: Trail, subject: Callable[[], Subject]
) -> Chosen:
    """The first route of the virtual host that matches; `subject` is what a matcher tree looks at."""
    host = stream.headers.get(table.host_header or ":authority")
    if host is None:
        return Chosen(None, None)
    virtual_host, reason = find_virtual_host(table, host)
    if trail:
        trail.add("virtual host", virtual_host.name if virtual_host else "none", reason)
    if virtual_host is None:
        return Chosen(None, None)
    if virtual_host.require_tls is not TlsRequirement.NONE and stream.headers.get("x-forwarded-proto") != "https":
        external_only = virtual_host.require_tls is TlsRequirement.EXTERNAL_ONLY
        if not (external_only and internal):
            if trail:
                trail.add("route", "redirect to https", "the virtual host requires TLS")
            return Chosen(virtual_host, None, needs_tls=True)
    pathless = stream.bare_path is None
    routes = virtual_host.routes
    if virtual_host.tree is not None:
        routes = find_action(virtual_host.tree, subject()) or ()
        if trail:
            trail.add("matcher tree", f"{len(routes)} routes", "")
    for route in routes:
        if pathless and route.match.kind is not PathKind.CONNECT:
            continue
        why_not = route.match.why_not(stream)
        if not why_not:
            if trail:
                trail.add("route", _shown(route), str(route.match))
            return Chosen(virtual_host, route)
        if trail:
            trail.add("route passed over", _shown(route), why_not)
    if trail:
        trail.add("route", "none", "no route of the virtual host matches")
    return Chosen(virtual_host, None)


def _shown(route: Route) -> str:
    return f"{route.number} {route.name}".rstrip()


def draw_cluster(route: Route, stream: Stream) -> WeightedCluster | None:
    """The cluster of a weighted set for this stream; None when the route has one cluster.

    The draw is the stream's own random number, which runtime fractions and mirrors see too, unless the request brings
    one (`selected_cluster`).
    """
    action = route.action
    if not isinstance(action, Forward) or not action.clusters.weighted:
        return None
    selected = selected_cluster(action, stream)
    if selected is not None:
        return selected
    bounds = list(accumulate(cluster.weight for cluster in action.clusters.weighted))
    return action.clusters.weighted[stream.chance.stream_interval(bounds[-1], bounds)]


def selected_cluster(action: Forward, stream: Stream) -> WeightedCluster | None:
    """The cluster of a weighted set that a request selects by a number in a header, or by its hash.

    Envoy source/common/router/weighted_cluster_specifier.cc.
    """
    clusters = action.clusters
    value: int | None = None
    if clusters.use_hash:
        value = request_hash(action.hash_policies, stream.headers, stream.connection.source).value
    elif clusters.random_header:
        header = stream.headers.get(clusters.random_header) or ""
        value = int(header) if header.isascii() and header.isdigit() and int(header) < 2**64 else None
    if value is None:
        return None
    value %= clusters.total_weight
    bounds = accumulate(cluster.weight for cluster in clusters.weighted)
    return next(cluster for cluster, bound in zip(clusters.weighted, bounds) if value < bound)


def filter_config(name: str, chosen: Chosen, table: RouteConfiguration | None) -> FilterConfig | None:
    """The most specific per-route configuration of a filter: weighted cluster, route, virtual host, table."""
    for level in (chosen.weighted, chosen.route, chosen.virtual_host, table if chosen.route else None):
        if level is not None and name in level.filters:
            return level.filters[name]
    return None
