"""One request inside a connection manager: its route, and the HTTP filters it passes.

Rules: Envoy source/common/http/filter_manager.cc and source/extensions/filters/http (fault, cors, rbac, jwt_authn,
ext_authz, header_mutation, buffer), measured on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshsim.dataplane.decide.chances import Chance
from meshsim.dataplane.decide.connection_managers import ConnectionManager, HttpFilter
from meshsim.dataplane.decide.decision import Flag, RateLimit, Reply, Surroundings, Trail
from meshsim.dataplane.decide.downstream import Prepared
from meshsim.dataplane.decide.fault_headers import asked_by_headers
from meshsim.dataplane.decide.filter_configs import (
    AlpnConfig,
    BufferConfig,
    CorsConfig,
    ExtAuthzConfig,
    FaultConfig,
    FilterConfig,
    HeaderMutationConfig,
    LocalRateLimitConfig,
    Passive,
    PerRoute,
    RbacPerRoute,
    Unmodelled,
)
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.jwt import FILTER_NAME as JWT_FILTER
from meshsim.dataplane.decide.jwt import check_jwt
from meshsim.dataplane.decide.jwt_config import JwtConfig, JwtPerRoute
from meshsim.dataplane.decide.metadata import Json
from meshsim.dataplane.decide.mutations import HeaderMutations, apply_mutations
from meshsim.dataplane.decide.rate_limits import Descriptor, asked_buckets, descriptors
from meshsim.dataplane.decide.rbac import RbacConfig
from meshsim.dataplane.decide.route_match import Stream
from meshsim.dataplane.decide.routes import Forward, RouteConfiguration
from meshsim.dataplane.decide.routing import (
    NOTHING,
    Chosen,
    choose_route,
    draw_cluster,
    filter_config,
    selected_cluster,
)
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.dataplane.decide.subjects import Subject
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.units import Nanos

_HOST_RULES_TOO: Final = 1
"""`vh_rate_limits` INCLUDE."""
_RBAC: str = "envoy.filters.http.rbac"


@dataclass(slots=True)
class Exchange:
    """A request on its way through one connection manager."""

    manager: ConnectionManager
    table: RouteConfiguration | None
    connection: Connection
    request: Request
    sni: str
    tls: bool
    prepared: Prepared
    chance: Chance
    resolve: bool
    """Whether weights, faults and mirrors are drawn, or left to the run as policies."""
    surroundings: Surroundings
    trail: Trail
    place: str = ""
    """Listener and filter chain."""
    metadata: dict[str, dict[str, Json]] = field(default_factory=dict)
    chosen: Chosen = NOTHING
    overridden: bool = False
    """Whether any level of the route has filter configurations of its own."""
    delay: Nanos = 0
    flags: list[Flag] = field(default_factory=list)
    fault: FaultConfig | None = None
    rate_limit: RateLimit | None = None
    holds: bool = False
    """Whether a filter waits for the whole request."""
    alpn: AlpnConfig | None = None
    cors_headers: tuple[tuple[str, str], ...] = ()
    response_mutations: list[HeaderMutations] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    unmodelled: list[str] = field(default_factory=list)

    @property
    def stream(self) -> Stream:
        """What matchers see now."""
        return Stream(self.prepared.headers, self.connection, self.chance, self.metadata)

    def route(self) -> None:
        """Choose virtual host and route, and the cluster of a weighted set when it is to be drawn."""
        table = self.table
        if table is None:
            self.chosen = Chosen(None, None)
            return
        stream = self.stream
        chosen = choose_route(table, stream, self.prepared.internal, self.trail, self.subject)
        if chosen.route is not None:
            action = chosen.route.action
            weighted = action.clusters.weighted if isinstance(action, Forward) else ()
            if self.resolve or any(w.filters for w in weighted):
                chosen = chosen._replace(weighted=draw_cluster(chosen.route, stream))
            elif weighted and isinstance(action, Forward):
                chosen = chosen._replace(weighted=selected_cluster(action, stream))
        self.chosen = chosen
        host, route, drawn = chosen.virtual_host, chosen.route, chosen.weighted
        own = table.filters or (host and host.filters) or (route and route.filters) or (drawn and drawn.filters)
        self.overridden = bool(own)

    def run_filters(self) -> Reply | None:
        """Every filter before the router; the answer of the first that gives one."""
        manager = self.manager
        for http_filter in manager.deciding_filters if self.overridden else manager.acting_filters:
            reply = self._run(http_filter)
            if reply is not None:
                if self.trail:
                    self.trail.add("http filter", http_filter.name, f"answers {reply.status}: {reply.details}")
                return reply
        return None

    def _run(self, http_filter: HttpFilter) -> Reply | None:
        if http_filter.discovered:
            self.unmodelled.append(http_filter.name)
            return None
        config: FilterConfig = http_filter.config
        own = filter_config(http_filter.name, self.chosen, self.table) if self.overridden else None
        if own is None:
            if http_filter.disabled:
                return None
        elif isinstance(own, PerRoute):
            if own.disabled:
                return None
            own = own.config or config
        if isinstance(config, JwtConfig):
            return self._jwt(config, own if isinstance(own, JwtPerRoute) else None)
        if isinstance(config, Passive):
            return self._cors(own) if isinstance(own, CorsConfig) else None
        effect = config if own is None else own
        act = _ACTS.get(type(effect))
        return act(self, http_filter.name, effect) if act else None

    def _rbac_of_route(self, name: str, config: RbacPerRoute) -> Reply | None:
        return self._rbac(name, config.config) if config.config else None

    def _limit(self, name: str, config: LocalRateLimitConfig) -> None:
        if config.enabled.never or config.enforced.never:
            return
        asked = asked_buckets(config.buckets, self._descriptors(config), config.default, config.always_default)
        limits = [] if self.rate_limit is None else self.rate_limit.chain()
        place = self._place_of(name)
        for bucket in asked:
            limits.append(
                RateLimit(
                    bucket.max_tokens,
                    bucket.tokens_per_fill,
                    bucket.fill_interval,
                    config.status,
                    config.enabled,
                    config.enforced,
                    self.fault is not None,
                    f"{place}, {bucket.entries}" if bucket.entries else place,
                    config.per_connection,
                )
            )
        for limit in reversed(limits):
            self.rate_limit = limit._replace(then=None if limit is limits[-1] else self.rate_limit)

    def _descriptors(self, config: LocalRateLimitConfig) -> list[Descriptor]:
        """What the request is to local rate limits: by the filter's own rules, else by those of route and host."""
        rules, route, host = config.rules, self.chosen.route, self.chosen.virtual_host
        if not rules and config.buckets and route is not None and host is not None:
            action = route.action if isinstance(route.action, Forward) else None
            own = action.rate_limits if action is not None else ()
            both = config.host_rules == _HOST_RULES_TOO or (config.host_rules == 0 and not own)
            both = both or (action is not None and action.with_host_limits)
            rules = own + host.rate_limits if both else own
        cluster = self._cluster_name() if rules else ""
        return descriptors(rules, config.stage, self.prepared.headers, self.connection.source, cluster)

    def _place_of(self, name: str) -> str:
        """Where the configuration of a filter that counts stands: each has state of its own."""
        host, route = self.chosen.virtual_host, self.chosen.route
        levels = (
            (self.chosen.weighted, f"route {route.number if route else 0} of {host.name if host else ''}, weighted"),
            (route, f"route {route.number if route else 0} of {host.name if host else ''}"),
            (host, f"virtual host {host.name if host else ''}"),
            (self.table if route else None, "table"),
        )
        for level, place in levels if self.overridden else ():
            if level is not None and name in level.filters:
                return f"{name} of {self.table.name if self.table else ''}, {place}"
        return f"{name} of {self.place}"

    def _offer(self, name: str, config: AlpnConfig) -> None:
        self.alpn = config

    def _mutate(self, name: str, config: HeaderMutationConfig) -> None:
        for mutations in config.request:
            apply_mutations(self.prepared.headers, mutations, lambda text: text)
        self.response_mutations += config.response

    def _pass_over(self, name: str, config: Unmodelled) -> None:
        self.unmodelled.append(name)

    def subject(self) -> Subject:
        """The request as access rules see it."""
        connection = self.connection
        return Subject(
            self.prepared.headers,
            self.stream.bare_path,
            parse_ip(connection.destination),
            connection.destination_port,
            parse_ip(connection.source),
            parse_ip(self.prepared.remote),
            self.sni,
            self.tls,
            connection.certificate,
            self.metadata,
            connection.source_port,
        )

    def _rbac(self, name: str, config: RbacConfig) -> Reply | None:
        subject = self.subject()
        if config.shadow:
            verdict = config.shadow.evaluate(subject)
            left = self.metadata.setdefault(_RBAC, {})
            if verdict.policy:
                left[f"{config.shadow_prefix}shadow_effective_policy_id"] = verdict.policy
            left[f"{config.shadow_prefix}shadow_engine_result"] = "allowed" if verdict.allowed else "denied"
            if self.trail:
                self.trail.add("rbac shadow", verdict.policy or "none", "allowed" if verdict.allowed else "denied")
        if config.rules is None:
            return None
        verdict = config.rules.evaluate(subject)
        if self.trail:
            action = config.rules.action.name
            self.trail.add("rbac", verdict.policy or "none", f"{action}: {'allowed' if verdict.allowed else 'denied'}")
        if verdict.allowed:
            return None
        return Reply(403, "RBAC: access denied", f"rbac_access_denied_matched_policy[{verdict.policy or 'none'}]")

    def _jwt(self, config: JwtConfig, own: JwtPerRoute | None) -> Reply | None:
        verdict = check_jwt(config, own, self.stream, self.surroundings.now)
        if verdict.metadata:
            self.metadata.setdefault(JWT_FILTER, {}).update(verdict.metadata)
        if verdict.status != 200:
            headers = (("www-authenticate", verdict.challenge),) if verdict.challenge else ()
            return Reply(verdict.status, verdict.failure, verdict.details, headers=headers)
        if self.trail and verdict.accepted:
            self.trail.add("jwt", ", ".join(dict.fromkeys(verdict.accepted)), "token accepted")
        if verdict.reroute:
            self.route()
        return None

    def _fault(self, name: str, config: FaultConfig) -> Reply | None:
        headers = self.prepared.headers
        if not config.acts or (config.upstream_cluster and config.upstream_cluster != self._cluster_name()):
            return None
        if not all(h.matches(headers) for h in config.headers):
            return None
        if config.downstream_nodes and headers.get("x-envoy-downstream-service-node") not in config.downstream_nodes:
            return None
        if config.delay_from_header or config.abort_from_header or config.rate_from_header:
            config = asked_by_headers(config, headers)
        if config.most_active is not None:
            config = config._replace(counted_for=self.manager.stat_prefix)
        self.fault = config
        if not self.resolve:
            certain = config.abort_share.always and not config.delay and config.most_active is None
            return self._abort(config) if certain else None
        if config.most_active == 0:
            return None
        share = config.delay_share
        if config.delay and not share.never and self.chance.fresh_below(share.denominator, share.numerator):
            self.delay = config.delay
            self.flags.append(Flag.DELAY_INJECTED)
        share = config.abort_share
        aborts = config.abort_status or config.abort_grpc_status is not None
        if aborts and not share.never and self.chance.fresh_below(share.denominator, share.numerator):
            return self._abort(config)
        return None

    def _abort(self, config: FaultConfig) -> Reply | None:
        """The reply of the abort; one in gRPC terms is a 200, whose status clients of gRPC alone get."""
        grpc = config.abort_grpc_status
        if not config.abort_status and grpc is None:
            return None
        headers = (("grpc-status", str(grpc)),) if grpc is not None and not config.abort_status else ()
        status = config.abort_status or 200
        return Reply(status, "fault filter abort", "fault_filter_abort", (Flag.FAULT_INJECTED,), headers)

    def _cluster_name(self) -> str:
        """The cluster of the route as filters see it."""
        route = self.chosen.route
        if route is None or not isinstance(route.action, Forward):
            return ""
        return self.chosen.weighted.name if self.chosen.weighted else route.action.clusters.name

    def _ext_authz(self, name: str, config: ExtAuthzConfig) -> Reply | None:
        if config.enabled_metadata and not config.enabled_metadata.matches(self.metadata):
            return None
        share = config.enabled
        if not share.always and not self.chance.fresh_below(share.denominator, share.numerator):
            return None
        self.asked.append(config.cluster)
        answer = self.surroundings.authorize(config.cluster)
        if self.trail:
            self.trail.add("ext_authz", config.cluster, "allowed" if answer.allowed else f"denied {answer.status}")
        if answer.failed:
            if config.failure_mode_allow:
                return None
            return Reply(config.status_on_error, "", "ext_authz_error", (Flag.UNAUTHORIZED_EXTERNALLY,))
        if answer.allowed:
            for name, value in answer.headers:
                self.prepared.headers.set(name, value)
            return None
        flags = (Flag.UNAUTHORIZED_EXTERNALLY,)
        return Reply(answer.status, answer.body, "ext_authz_denied", flags, answer.headers)

    def _buffer(self, name: str, config: BufferConfig) -> Reply | None:
        """The whole body is waited for; with its length known, it is announced."""
        self.holds = True
        if self.request.body > config.max_request_bytes:
            return Reply(413, "Payload Too Large", "request_payload_too_large")
        if self.request.body and "content-length" not in self.prepared.headers:
            self.prepared.headers.set("content-length", str(self.request.body))
        return None

    def _cors(self, config: CorsConfig) -> Reply | None:
        headers = self.prepared.headers
        origin = headers.get("origin")
        if origin is None or config.enabled.never:
            return None
        allowed = any(o.matches("*") or o.matches(origin) for o in config.origins)
        preflight = headers.get(":method") == "OPTIONS" and headers.get("access-control-request-method")
        if preflight:
            if not allowed:
                return None if config.forward_not_matching_preflights else Reply(200, "", "cors_response")
            return Reply(200, "", "cors_response", headers=tuple(_preflight_headers(config, origin, headers)))
        if allowed:
            found = [("access-control-allow-origin", origin)]
            if config.credentials:
                found.append(("access-control-allow-credentials", "true"))
            if config.expose:
                found.append(("access-control-expose-headers", config.expose))
            self.cors_headers = tuple(found)
        return None


_ACTS: Mapping[type, Callable[[Exchange, str, Any], Reply | None]] = {
    RbacPerRoute: Exchange._rbac_of_route,
    RbacConfig: Exchange._rbac,
    FaultConfig: Exchange._fault,
    ExtAuthzConfig: Exchange._ext_authz,
    BufferConfig: Exchange._buffer,
    LocalRateLimitConfig: Exchange._limit,
    AlpnConfig: Exchange._offer,
    HeaderMutationConfig: Exchange._mutate,
    Unmodelled: Exchange._pass_over,
}
"""What a filter does, by its configuration; a route's own, if any, replaces the chain's."""


def _preflight_headers(config: CorsConfig, origin: str, headers: HeaderMap) -> list[tuple[str, str]]:
    found = [("access-control-allow-origin", origin)]
    if config.credentials:
        found.append(("access-control-allow-credentials", "true"))
    if config.methods:
        found.append(("access-control-allow-methods", config.methods))
    if config.headers:
        found.append(("access-control-allow-headers", config.headers))
    if config.expose:
        found.append(("access-control-expose-headers", config.expose))
    if config.max_age:
        found.append(("access-control-max-age", config.max_age))
    if config.private_network and headers.get("access-control-request-private-network") == "true":
        found.append(("access-control-allow-private-network", "true"))
    return found
