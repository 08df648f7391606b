"""The router: from a request whose filters are through to a reply or to upstream clusters.

Rules: Envoy source/common/router/router.cc (decodeHeaders, FilterUtility::finalTimeout, setTimeoutHeaders) and the
failure matrix measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.dataplane.decide.chances import Chance
from meshsim.dataplane.decide.connection_managers import ConnectionManager
from meshsim.dataplane.decide.decision import (
    Decision,
    Disposition,
    Flag,
    MirrorTarget,
    Place,
    Policies,
    Reply,
    Surroundings,
    Trail,
    Upstream,
    UpstreamTls,
)
from meshsim.dataplane.decide.downstream import prepare
from meshsim.dataplane.decide.endpoints import Labels
from meshsim.dataplane.decide.exchange import Exchange
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.handshake import Handshake
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.listeners import Direction
from meshsim.dataplane.decide.mutations import HeaderMutations, apply_mutations
from meshsim.dataplane.decide.replies import LocalReply, local_reply, protocol_error, refused
from meshsim.dataplane.decide.requested import consume_requests, requested_hedge, requested_retry, timeout_status
from meshsim.dataplane.decide.rewriting import (
    FormatContext,
    finalize_request,
    mutation_levels,
    redirect_location,
    rewrite_path,
)
from meshsim.dataplane.decide.route_match import is_grpc
from meshsim.dataplane.decide.routes import (
    DirectResponse,
    Forward,
    HashSource,
    NonForwarding,
    PathRewrite,
    Redirect,
    RetryPolicy,
    Route,
    VirtualHost,
)
from meshsim.dataplane.decide.subsets import merged_labels
from meshsim.dataplane.decide.timeouts import Timeouts, announce_timeouts, request_timeouts
from meshsim.dataplane.decide.upstreams import describe_choice, has_host, resolve
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.units import Nanos

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig
_HTTP11_ALPN, _HTTP2_ALPN = 1, 2
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "TRACE", "CONNECT"})
_KEPT: Final = 1 << 20
"""Bytes that a listener keeps of a connection where it is not told otherwise (per_connection_buffer_limit_bytes)."""
_NO_REDIRECT: Final = Redirect(0, "", False, "", 0, "", PathRewrite(), False)


class HttpContext(NamedTuple):
    """Where a request meets its connection manager."""

    config: ActiveConfig
    place: Place
    manager: ConnectionManager
    direction: Direction
    connection: Connection
    handshake: Handshake
    sni: str
    chance: Chance
    resolve: bool
    surroundings: Surroundings
    trail: Trail


def decide_http(context: HttpContext, request: Request) -> Decision:
    """What the connection manager does with a request."""
    manager, trail = context.manager, context.trail
    table = manager.route_config or context.config.routes.get(manager.route_config_name)
    broken = protocol_error(manager, context.connection, context.handshake)
    if broken is not None:
        return refused(broken, table, context.place, context.handshake, context.sni, trail)
    internal_only = table.internal_only_headers if table else ()
    connection = context.connection
    prepared = prepare(manager, internal_only, connection, context.handshake, request, context.surroundings)
    if trail and prepared.headers.get(":path") != request.path:
        trail.add("path", prepared.headers.get(":path") or "", f"normalised from {request.path}")
    exchange = Exchange(
        manager,
        table,
        connection,
        request,
        context.sni,
        connection.uses_tls and context.handshake.failure == "",
        prepared,
        context.chance,
        context.resolve,
        context.surroundings,
        trail,
        f"{context.place.listener}, {context.place.filter_chain}",
    )
    router = _Router(context, exchange, request)
    if prepared.reply is not None:
        return router.reply(prepared.reply)
    if trail:
        trail.add("route table", table.name if table else "none", (manager.route_config_name and "by RDS") or "inline")
    exchange.route()
    router.trace_request()
    reply = router.upgrade_refused() or exchange.run_filters()
    return router.reply(reply, by_route=False) if reply is not None else router.run()


class _Router:
    """The end of the filter chain for one request."""

    def __init__(self, context: HttpContext, exchange: Exchange, request: Request) -> None:
        self.context = context
        self.request = request
        self.exchange = exchange
        self.headers = exchange.prepared.headers

    @property
    def virtual_host(self) -> VirtualHost | None:
        return self.exchange.chosen.virtual_host

    @property
    def route(self) -> Route | None:
        return self.exchange.chosen.route

    def trace_request(self) -> None:
        """Tracing passes the route's operation on: to the next proxy when outbound, back in the answer when inbound."""
        if not self.context.manager.tracing:
            return
        outbound = self.context.direction is Direction.OUTBOUND
        if not outbound:
            self.headers.remove("x-envoy-decorator-operation")
        route = self.route
        if outbound and route and route.decorator and route.decorator_propagate:
            self.headers.set("x-envoy-decorator-operation", route.decorator)

    def upgrade_refused(self) -> Reply | None:
        """An upgrade that neither route nor connection manager allows."""
        upgrade = (self.headers.get("upgrade") or "").lower()
        if not upgrade:
            return None
        allowed = dict(self.context.manager.upgrades)
        if self.route and isinstance(self.route.action, Forward):
            allowed.update(self.route.action.upgrades)
        return None if allowed.get(upgrade) else Reply(403, "", "upgrade_failed")

    def run(self) -> Decision:
        """What the router does."""
        if self.exchange.chosen.needs_tls:
            location = f"https://{self.headers.get(':authority') or ''}{self.headers.get(':path') or ''}"
            return self.reply(Reply(301, "", "direct_response", headers=(("location", location),)))
        route = self.route
        if route is None:
            return self.reply(Reply(404, "", "route_not_found", (Flag.NO_ROUTE,)))
        action = route.action
        if isinstance(action, Redirect):
            rewrite_path(self.headers, action.rewrite, route.match, not self.context.manager.suppress_envoy_headers)
            location = redirect_location(action, self.headers)
            return self.reply(Reply(action.status, "", "direct_response", headers=(("location", location),)))
        if isinstance(action, DirectResponse):
            location = redirect_location(_NO_REDIRECT, self.headers)
            points = action.status == 201 or 300 <= action.status < 400
            headers = (("location", location),) if points else ()
            return self.reply(Reply(action.status, action.body, "direct_response", headers=headers))
        if isinstance(action, Forward):
            return self._forward(route, action)
        if isinstance(action, NonForwarding):
            return self.reply(Reply(503, "", "cluster_not_found", (Flag.NO_CLUSTER,)))
        return self.reply(Reply(404, "", "route_not_found", (Flag.NO_ROUTE,)))

    def _targets(self, action: Forward) -> list[tuple[str, int, Labels]]:
        """(cluster, weight, labels of the subset) of the route; one when it is drawn already."""
        clusters, weighted, match = action.clusters, self.exchange.chosen.weighted, action.metadata_match
        if weighted is not None:
            own = merged_labels(match, weighted.metadata_match)
            return [(weighted.name or self.headers.get(weighted.cluster_header) or "", 1, own)]
        if not clusters.weighted:
            return [(clusters.name or (self.headers.get(clusters.header) if clusters.header else "") or "", 1, match)]
        bounds, total = [], 0
        for cluster in clusters.weighted:
            total += cluster.weight
            bounds.append(total)
        weights = self.exchange.chance.stream_weights(total, bounds)
        return [
            (c.name or self.headers.get(c.cluster_header) or "", w, merged_labels(match, c.metadata_match))
            for c, w in zip(clusters.weighted, weights)
            if w
        ]

    def _forward(self, route: Route, action: Forward) -> Decision:
        exchange, trail = self.exchange, self.context.trail
        connection, config = self.context.connection, self.context.config
        authority = self.headers.get(":authority") or ""
        upstreams = tuple(
            [
                resolve(config, name, weight, connection, authority, match)
                for name, weight, match in self._targets(action)
            ]
        )
        if trail:
            for upstream in upstreams:
                trail.add("cluster", upstream.name or "none", describe_choice(upstream, http=True))
        if not any(u.cluster is not None for u in upstreams):
            reply = Reply(action.not_found_status, "", "cluster_not_found", (Flag.NO_CLUSTER,))
            return self.reply(reply, upstreams)
        manager = self.context.manager
        timeouts = request_timeouts(action, self.headers, manager.max_stream_duration, manager.respects_expected)
        retry = requested_retry(action.retry, self.headers)
        hedge, timed_out = requested_hedge(bool(action.hedge), self.headers), timeout_status(self.headers)
        consume_requests(self.headers)
        assert exchange.table is not None
        assert self.virtual_host is not None
        if self.virtual_host.attempt_count:
            self.headers.set("x-envoy-attempt-count", "1")
        announce = not manager.suppress_envoy_headers
        announce_timeouts(action, self.headers, timeouts, announce)
        cluster = upstreams[0].name if len(upstreams) == 1 else ""
        finalize_request(
            self.headers,
            exchange.table,
            self.virtual_host,
            route,
            exchange.chosen.weighted,
            lambda text: self._format_context(cluster).format(text),
            announce,
        )
        if exchange.alpn is not None:
            upstreams = tuple([self._with_alpn(u) for u in upstreams])
        self._bodiless(upstreams)
        if not any(has_host(u) for u in upstreams):
            reply = Reply(503, "no healthy upstream", "no_healthy_upstream", (Flag.NO_HEALTHY_UPSTREAM,))
            return self.reply(reply, upstreams)
        policies = self._policies(route, action, timeouts, retry)._replace(hedge=hedge, timeout_status=timed_out)
        return self._decision(Disposition.FORWARDED, upstreams, policies, "via_upstream", self._response(None))

    def _with_alpn(self, upstream: Upstream) -> Upstream:
        """What Istio's ALPN filter has the proxy offer, unless the cluster's metadata forbids it."""
        alpn, cluster = self.exchange.alpn, upstream.cluster
        if alpn is None or cluster is None or not cluster.alpn_override:
            return upstream
        offered = alpn.overrides.get(_HTTP2_ALPN if upstream.http2 else _HTTP11_ALPN, ())
        if not offered:
            return upstream
        if not any(t.tls for t in upstream.transports):
            return upstream
        transports = [
            UpstreamTls(t.match, True, t.mutual, t.sni, offered, t.proxy_protocol) if t.tls else t
            for t in upstream.transports
        ]
        return upstream._replace(transports=tuple(transports))

    def _bodiless(self, upstreams: tuple[Upstream, ...]) -> None:
        """HTTP/1 says that there is no body where a method usually has one."""
        headers = self.headers
        if self.request.body or headers.get(":method") in _WITHOUT_BODY or "content-length" in headers:
            return
        if "upgrade" not in headers and any(u.known and not u.http2 for u in upstreams):
            headers.set("content-length", "0")

    def _policies(self, route: Route, action: Forward, timeouts: Timeouts, retry: RetryPolicy | None) -> Policies:
        exchange = self.exchange
        return Policies(
            timeouts.route,
            self._idle_timeout(),
            timeouts.stream,
            retry,
            self._mirrors(action),
            action.hash_policies,
            self._fault_left(),
            exchange.rate_limit,
            action.high_priority,
            action.metadata_match,
            timeouts.per_try,
            action.redirects,
            request_timeout=self.context.manager.request_timeout,
            holds=exchange.holds,
            large=self.request.body > (_KEPT if route.kept is None else route.kept),
        )

    def _idle_timeout(self) -> Nanos:
        action = self.route.action if self.route else None
        if isinstance(action, Forward) and action.idle_timeout is not None:
            return action.idle_timeout
        return self.context.manager.stream_idle_timeout

    def _fault_left(self) -> FaultConfig | None:
        """The fault that the run draws, where it was not drawn here."""
        return None if self.exchange.resolve else self.exchange.fault

    def _mirrors(self, action: Forward) -> tuple[MirrorTarget, ...]:
        if not action.mirrors:
            return ()
        authority = self.headers.get(":authority") or ""
        found = []
        for mirror in action.mirrors:
            share = mirror.fraction
            if share.never:
                continue
            if self.exchange.resolve and not self.exchange.chance.stream_below(share.denominator, share.numerator):
                continue
            name = mirror.cluster or self.headers.get(mirror.cluster_header) or ""
            upstream = resolve(self.context.config, name, 1, self.context.connection, authority)
            if upstream.known:
                host = mirror.host_rewrite or (_shadow_host(authority) if mirror.suffix else authority)
                found.append(MirrorTarget(self._with_alpn(upstream), share, host))
        return tuple(found)

    def _format_context(self, cluster: str, status: int = 0) -> FormatContext:
        return FormatContext(
            self.headers,
            self.context.connection,
            self.context.surroundings,
            self.exchange.prepared.remote,
            self.context.sni,
            self.route.name if self.route else "",
            self.virtual_host.name if self.virtual_host else "",
            cluster,
            self.context.connection.protocol.value,
            status,
            self.exchange.metadata,
        )

    def reply(self, reply: Reply, upstreams: tuple[Upstream, ...] = (), by_route: bool = True) -> Decision:
        """A local reply; to gRPC it is a status in an HTTP 200. The route has its say on what its router answers."""
        made = local_reply(reply, is_grpc(self.headers))
        response, removed = self._response(reply, made.headers, by_route)
        route = self.route
        if not upstreams and route and isinstance(route.action, Forward):
            authority = self.headers.get(":authority") or ""
            targets = self._targets(route.action)
            connection = self.context.connection
            upstreams = tuple(resolve(self.context.config, n, w, connection, authority, m) for n, w, m in targets)
        policies = Policies(
            fault=self._fault_left(),
            rate_limit=self.exchange.rate_limit,
            idle_timeout=self._idle_timeout() if self.exchange.holds else 0,
            request_timeout=self.context.manager.request_timeout,
            holds=self.exchange.holds,
        )
        return self._decision(
            Disposition.REPLIED, upstreams, policies, reply.details, (response, removed), made, reply.flags
        )

    def _response(
        self, reply: Reply | None, made: HeaderMap | None = None, by_route: bool = True
    ) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Headers that the proxy sets on the answer, and those that it takes away."""
        exchange, context = self.exchange, self.context
        virtual_host, route = exchange.chosen.virtual_host, exchange.chosen.route
        levels: list[HeaderMutations] = []
        if route is not None and exchange.table is not None:
            weighted = exchange.chosen.weighted
            if by_route:
                levels = mutation_levels(exchange.table, virtual_host, route, weighted, lambda level: level.response)
            levels += exchange.response_mutations
        inbound = context.direction is not Direction.OUTBOUND
        operation = route.decorator if route and inbound and context.manager.tracing else ""
        counts = virtual_host is not None and virtual_host.attempt_count_in_response
        hashes = route is not None and isinstance(route.action, Forward) and route.action.hash_policies
        if reply is None and not (levels or exchange.cors_headers or operation or counts or hashes):
            return (), ()
        headers = made or HeaderMap()
        removed: list[str] = []
        status = reply.status if reply else 0
        for mutations in levels:
            apply_mutations(headers, mutations, lambda text: self._format_context("", status).format(text))
            removed += mutations.remove
        if reply is not None:
            for name, value in reply.headers:
                if name != "grpc-status":  # of gRPC clients alone, who have it already
                    headers.set(name, value)
        for name, value in exchange.cors_headers:
            headers.set(name, value)
        if reply is None:
            self._attempts_and_cookies(headers)
        if operation:
            headers.set("x-envoy-decorator-operation", operation)
        return tuple(headers), tuple(removed)

    def _attempts_and_cookies(self, headers: HeaderMap) -> None:
        if self.virtual_host and self.virtual_host.attempt_count_in_response:
            headers.set("x-envoy-attempt-count", "1")
        route = self.route
        if route is None or not isinstance(route.action, Forward):
            return
        for policy in route.action.hash_policies:
            if policy.source is not HashSource.COOKIE or policy.cookie_ttl is None:
                continue
            if f"{policy.name}=" not in (self.headers.get("cookie") or ""):
                age = f"; Max-Age={policy.cookie_ttl // 1_000_000_000}" if policy.cookie_ttl else ""
                path = f"; Path={policy.cookie_path}" if policy.cookie_path else ""
                headers.add("set-cookie", f'{policy.name}="-"{age}{path}; HttpOnly')

    def _decision(
        self,
        disposition: Disposition,
        upstreams: tuple[Upstream, ...],
        policies: Policies,
        details: str,
        response: tuple[tuple[tuple[str, str], ...], tuple[str, ...]],
        made: LocalReply | None = None,
        flags: tuple[Flag, ...] = (),
    ) -> Decision:
        exchange, context, headers = self.exchange, self.context, self.headers
        virtual_host, route = exchange.chosen.virtual_host, exchange.chosen.route
        config = route.config if route else ""
        if not config and len(upstreams) == 1 and upstreams[0].cluster:
            config = upstreams[0].cluster.config
        return Decision(
            disposition,
            *context.place,
            route_config=exchange.table.name if exchange.table else context.manager.route_config_name,
            virtual_host=virtual_host.name if virtual_host else "",
            route=route.name if route else "",
            route_index=route.number if route else -1,
            config=config,
            upstreams=upstreams,
            policies=policies,
            method=headers.get(":method") or "",
            path=headers.get(":path") or "",
            authority=headers.get(":authority") or "",
            headers=headers.plain,
            status=made.status if made else 0,
            body=made.body if made else "",
            flags=(*exchange.flags, *flags),
            details=details,
            response_headers=response[0],
            removed_response_headers=response[1],
            delay=exchange.delay,
            asked=tuple(exchange.asked),
            unmodelled=tuple(exchange.unmodelled),
            sni=context.sni,
            handshake=context.handshake,
            steps=tuple(context.trail.steps),
        )


def _shadow_host(authority: str) -> str:
    """The authority of a shadow: ``-shadow`` before the port."""
    host, colon, port = authority.rpartition(":")
    return f"{host}-shadow:{port}" if colon and port.isdigit() else f"{authority}-shadow"
