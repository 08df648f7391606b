"""Network filters of a chain, and the TCP proxy at its end.

Rules: Envoy source/common/tcp_proxy/tcp_proxy.cc and source/extensions/filters/network/rbac; outcomes as measured on
1.40. The weighted draw of a TCP proxy is a number of its own, not the stream's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.dataplane.decide.chances import Chance
from meshsim.dataplane.decide.decision import (
    Decision,
    Disposition,
    Flag,
    Place,
    Policies,
    Surroundings,
    Trail,
    Upstream,
)
from meshsim.dataplane.decide.handshake import Handshake
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.listeners import FilterChain
from meshsim.dataplane.decide.metadata import NO_METADATA
from meshsim.dataplane.decide.network_filters import EnforceNetworkRbac, NetworkExtAuthz, SniForwardProxy, TcpProxy
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.dataplane.decide.subjects import Subject
from meshsim.dataplane.decide.upstreams import describe_choice, has_host, resolve
from meshsim.dataplane.decide.values import Connection

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig

_NO_HEADERS: Final = HeaderMap()


class TcpContext(NamedTuple):
    """Where a connection meets the filters of its chain."""

    config: ActiveConfig
    place: Place
    chain: FilterChain
    connection: Connection
    handshake: Handshake
    sni: str
    chance: Chance
    resolve: bool
    surroundings: Surroundings
    trail: Trail


def run_network_filters(context: TcpContext) -> Decision | None:
    """What a filter before the last decides; None when the connection passes."""
    for network_filter in context.chain.filters:
        if isinstance(network_filter, EnforceNetworkRbac) and network_filter.config.rules is not None:
            verdict = network_filter.config.rules.evaluate(_subject(context))
            if context.trail:
                said = "allowed" if verdict.allowed else "denied"
                context.trail.add("network rbac", verdict.policy or "none", said)
            if not verdict.allowed:
                details = f"rbac_access_denied_matched_policy[{verdict.policy or 'none'}]"
                return _closed(context, details, _upstreams(context))
        if isinstance(network_filter, NetworkExtAuthz):
            answer = context.surroundings.authorize(network_filter.cluster)
            if context.trail:
                context.trail.add("ext_authz", network_filter.cluster, "allowed" if answer.allowed else "denied")
            if not answer.allowed:
                return _closed(context, "ext_authz_denied", (), Flag.UNAUTHORIZED_EXTERNALLY)
    return None


def _subject(context: TcpContext) -> Subject:
    """The connection as access rules see it."""
    connection = context.connection
    source = parse_ip(connection.source)
    return Subject(
        _NO_HEADERS,
        None,
        parse_ip(connection.destination),
        connection.destination_port,
        source,
        source,
        context.sni,
        context.handshake.terminated,
        context.handshake.certificate,
        NO_METADATA,
        connection.source_port,
    )


def decide_tcp(context: TcpContext, proxy: TcpProxy) -> Decision:
    """What a TCP proxy does with a connection."""
    upstreams = _upstreams(context)
    if context.trail:
        for upstream in upstreams:
            context.trail.add("cluster", upstream.name, describe_choice(upstream, http=False))
    policies = Policies(
        idle_timeout=proxy.idle_timeout,
        max_stream_duration=proxy.max_duration or None,
        hash_policies=proxy.hash_policies,
        connect_backoff=proxy.backoff,
        connect_attempts=0 if proxy.tunnel_host else proxy.max_connect_attempts,
    )
    if not any(u.known for u in upstreams):
        return _closed(context, "", upstreams, Flag.NO_CLUSTER)._replace(policies=policies)
    if not any(has_host(u) for u in upstreams):
        return _closed(context, "", upstreams, Flag.NO_HEALTHY_UPSTREAM)._replace(policies=policies)
    return Decision(
        Disposition.FORWARDED,
        *context.place,
        config=_config(context, upstreams),
        upstreams=upstreams,
        policies=policies,
        authority=proxy.tunnel_host,
        sni=context.sni,
        handshake=context.handshake,
        steps=tuple(context.trail.steps),
    )


def _config(context: TcpContext, upstreams: tuple[Upstream, ...]) -> str:
    """The Istio resource behind a connection's way: that of the chain, else of its one cluster."""
    one = upstreams[0].cluster if len(upstreams) == 1 else None
    return context.chain.config or (one.config if one else "")


def _upstreams(context: TcpContext) -> tuple[Upstream, ...]:
    """Clusters of the TCP proxy at the end of the chain; a denied connection had its upstream opened too."""
    proxy = context.chain.filters[-1]
    targets = _targets(context, proxy) if isinstance(proxy, TcpProxy) else []
    forward = next((f for f in context.chain.filters if isinstance(f, SniForwardProxy)), None)
    host = f"{context.sni}:{forward.port}" if forward and context.sni else context.sni
    return tuple(resolve(context.config, name, weight, context.connection, host) for name, weight in targets)


def _targets(context: TcpContext, proxy: TcpProxy) -> list[tuple[str, int]]:
    clusters = proxy.clusters
    if len(clusters) == 1 or not context.resolve:
        return [(c.name, c.weight) for c in clusters]
    total = sum(c.weight for c in clusters)
    left = total
    for cluster in clusters[:-1]:
        if cluster.weight and context.chance.fresh_below(left, cluster.weight):
            return [(cluster.name, 1)]
        left -= cluster.weight
    return [(clusters[-1].name, 1)]


def _closed(context: TcpContext, details: str, upstreams: tuple[Upstream, ...], *flags: Flag) -> Decision:
    return Decision(
        Disposition.CLOSED,
        *context.place,
        config=_config(context, upstreams),
        upstreams=upstreams,
        flags=flags,
        details=details,
        sni=context.sni,
        handshake=context.handshake,
        steps=tuple(context.trail.steps),
    )
