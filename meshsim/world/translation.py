"""Decisions as the event core takes them: routes, clusters and hosts in its own terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypedDict

from meshsim.dataplane.balancing import OVERPROVISIONING
from meshsim.dataplane.decide.balancers import Balancer, LbKind
from meshsim.dataplane.decide.clusters import (
    Cluster,
    Discovery,
    Endpoint,
    Health,
    LoadAssignment,
    LocalityEndpoints,
    Thresholds,
)
from meshsim.dataplane.decide.decision import Decision, Disposition, Policies, RateLimit
from meshsim.dataplane.decide.decision import Flag as DecisionFlag
from meshsim.dataplane.decide.endpoints import NO_TEXT, Labels
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.hash_policies import NO_HASH, RequestHash, request_hash
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.health_checks import CheckKind
from meshsim.dataplane.decide.routes import RetryPolicy
from meshsim.dataplane.specs import (
    GRPC,
    NOWHERE,
    UNLIMITED,
    ClusterSpec,
    FaultSpec,
    Flag,
    HashingSpec,
    HealthCheckSpec,
    InboundKind,
    LbPolicy,
    LimitSpec,
    Locality,
    Mark,
    RateLimitSpec,
    RetryOn,
    RouteKind,
    RouteSpec,
    SlowStartSpec,
    ZoneSpec,
)
from meshsim.units import SECOND, Nanos
from meshsim.world.sessions import SessionValues

MOST_MARKED: Final = 6
"""Sets of labels that the core can tell hosts by."""
_TCP_REST: Final = 600 * SECOND
"""After which a connection closes that no session took (TcpProtocolOptions.idle_timeout)."""
_RETRY_ON: Final = {
    "5xx": RetryOn.FIVE_XX,
    "gateway-error": RetryOn.GATEWAY_ERROR,
    "connect-failure": RetryOn.CONNECT_FAILURE,
    "refused-stream": RetryOn.REFUSED_STREAM,
    "reset": RetryOn.RESET,
    "reset-before-request": RetryOn.RESET_BEFORE_REQUEST,
    "retriable-4xx": RetryOn.RETRIABLE_4XX,
    "retriable-status-codes": RetryOn.RETRIABLE_STATUS_CODES,
    "envoy-ratelimited": RetryOn.ENVOY_RATELIMITED,
    "retriable-headers": RetryOn.RETRIABLE_HEADERS,
    "cancelled": RetryOn.GRPC_CANCELLED,
    "deadline-exceeded": RetryOn.GRPC_DEADLINE_EXCEEDED,
    "resource-exhausted": RetryOn.GRPC_RESOURCE_EXHAUSTED,
    "internal": RetryOn.GRPC_INTERNAL,
    "unavailable": RetryOn.GRPC_UNAVAILABLE,
}
_FLAGS: Final = {flag.name: flag for flag in Flag}
_POLICIES: Final = {
    LbKind.ROUND_ROBIN: LbPolicy.ROUND_ROBIN,
    LbKind.LEAST_REQUEST: LbPolicy.LEAST_REQUEST,
    LbKind.RANDOM: LbPolicy.RANDOM,
    LbKind.CLUSTER_PROVIDED: LbPolicy.ORIGINAL_DST,
    LbKind.RING_HASH: LbPolicy.RING_HASH,
    LbKind.MAGLEV: LbPolicy.MAGLEV,
}
_OK: Final = 200


def flags_of(decision: Decision) -> Flag:
    """Response flags of a decision, those that the event core's log knows."""
    value = Flag.NONE
    for flag in decision.flags:
        value |= _FLAGS.get(flag.value, Flag.NONE)
    return value


def hang_up(decision: Decision) -> Flag:
    """How a server's proxy closes a connection: by a reset (UR) if it has read nothing of what came, else as usual.

    Without a chain for it the kernel closes a socket with unread data; filters close what they have read (RBAC).
    """
    return Flag.UR if DecisionFlag.NO_ROUTE in decision.flags else Flag.NONE


def reply_status(decision: Decision) -> int:
    """Status of an answer that a proxy makes itself; to gRPC it is one in an HTTP 200."""
    grpc = dict(decision.response_headers).get("grpc-status", "")
    return GRPC + int(grpc) if grpc.isdigit() and decision.status == _OK else decision.status


def local_route(decision: Decision, body: Nanos = 0) -> RouteSpec:
    """The route of a request that the proxy ends itself; its body comes so long after its headers."""
    status = reply_status(decision) if decision.disposition is Disposition.REPLIED else 0
    spec = RouteSpec(kind=RouteKind.LOCAL_REPLY, status=status, flag=flags_of(decision))
    if body and decision.policies.holds:
        spec = replace(with_body(spec, decision.policies, body), idle_timeout=decision.policies.idle_timeout)
    return with_fault(with_limit(spec, decision.policies), decision.policies)


def with_body(spec: RouteSpec, policies: Policies, body: Nanos) -> RouteSpec:
    """The route of requests whose bodies come later than their headers."""
    return replace(spec, body=body, request_timeout=policies.request_timeout, holds=policies.holds)


def forward_route(
    decision: Decision,
    clusters: tuple[tuple[int, int], ...],
    mirrors: tuple[tuple[int, int], ...],
    classes: tuple[int, ...] = (),
    client: str | None = None,
    sessions: SessionValues | None = None,
    body: Nanos = 0,
    marked: Sequence[Labels] = (),
) -> RouteSpec:
    """The route of a request that is sent upstream; cluster numbers are the engine's, -1 where the proxy has none.

    `client`: address the requests come from, None where each client has its own; `sessions`: who sends them, where a
    header or cookie says so; `body`: how long after their headers their bodies come, `core.NEVER` if they never do;
    `marked`: the sets of labels that hosts are marked for.
    """
    policies = decision.policies
    retry = policies.retry
    spec = RouteSpec(
        kind=RouteKind.FORWARD,
        clusters=clusters,
        timeout=policies.timeout,
        per_try_timeout=policies.per_try_timeout,
        mirrors=mirrors,
        idle_timeout=policies.idle_timeout if decision.method else 0,
        max_stream_duration=policies.max_stream_duration or 0,
        hedge=policies.hedge,
        timeout_status=policies.timeout_status,
        follows=() if policies.redirects is None else tuple(sorted(policies.redirects.codes)),
    )
    if policies.connect_attempts:
        return _session_route(spec, decision, classes, client)
    if body:
        spec = replace(with_body(spec, policies, body), large=policies.large)
    # What is too large to be kept is known to be so before anything can be retried, when it comes with its headers.
    lost = policies.large and (not body or policies.holds)
    if retry is not None and retry.retry_on and _may_retry(retry, decision) and not lost:
        tokens = RetryOn.NONE
        for token in retry.retry_on:
            tokens |= _RETRY_ON.get(token, RetryOn.NONE)
        spec = replace(
            spec,
            per_try_idle_timeout=retry.per_try_idle_timeout,
            retries=retry.retries,
            retry_on=tokens,
            retriable_codes=retry.status_codes,
            backoff_base=retry.backoff_base,
            backoff_max=retry.backoff_max,
            host_reselect_attempts=retry.host_reselect_attempts if retry.avoids else 0,
            may_revisit=not retry.previous_hosts,
            avoided_marks=(Mark.CANARY if retry.omit_canary else Mark.NONE) | omitted_marks(retry.omitted, marked),
            previous_priorities=retry.previous_priorities,
        )
    hashed = _hash(decision, client) if policies.hash_policies else NO_HASH
    spec = replace(spec, request_classes=classes, hash=hashed.value, session=hashed.by_session)
    if sessions is not None and hashed.value is not None:
        keys = sessions.hashes(policies.hash_policies, _sent(decision), client)
        if len(frozenset(keys)) > 1:
            spec = replace(spec, hash=None, session=True, session_keys=keys)
    return with_fault(with_limit(spec, policies), policies)


def _session_route(spec: RouteSpec, decision: Decision, classes: tuple[int, ...], client: str | None) -> RouteSpec:
    """The route of a TCP proxy's sessions, whose retries are attempts to connect."""
    policies = decision.policies
    hashed = _hash(decision, client) if policies.hash_policies else NO_HASH
    base, longest = policies.connect_backoff
    return replace(
        spec,
        idle_timeout=policies.idle_timeout,
        timeout_status=0,
        retries=policies.connect_attempts - 1,
        backoff_base=base,
        backoff_max=longest,
        request_classes=classes,
        hash=hashed.value,
        session=hashed.by_session,
    )


def _hash(decision: Decision, client: str | None) -> RequestHash:
    return request_hash(decision.policies.hash_policies, HeaderMap(_sent(decision)), client)


def _sent(decision: Decision) -> tuple[tuple[str, str], ...]:
    """The headers of a request as it is sent upstream."""
    pseudo = ((":method", decision.method), (":authority", decision.authority), (":path", decision.path))
    return *pseudo, *decision.headers


def with_limit(spec: RouteSpec, policies: Policies) -> RouteSpec:
    """The route with the tokens that a local rate limit asks for."""
    return spec if policies.rate_limit is None else replace(spec, limit=_tokens(policies.rate_limit))


def _tokens(limit: RateLimit) -> RateLimitSpec:
    return RateLimitSpec(
        max_tokens=limit.max_tokens,
        tokens_per_fill=limit.tokens_per_fill,
        fill_interval=limit.fill_interval,
        status=limit.status,
        enabled_ppm=limit.enabled.parts_per_million,
        enforced_ppm=limit.enforced.parts_per_million,
        after_fault=limit.after_fault,
        bucket=limit.bucket,
        by_connection=limit.by_connection,
        then=None if limit.then is None else _tokens(limit.then),
    )


def _may_retry(retry: RetryPolicy, decision: Decision) -> bool:
    """Whether the request is one of those that the policy is for."""
    headers = HeaderMap(decision.headers)
    return not retry.retriable_request_headers or any(m.matches(headers) for m in retry.retriable_request_headers)


def with_fault(spec: RouteSpec, policies: Policies) -> RouteSpec:
    """The route with the faults that the fault filter injects before it."""
    fault = policies.fault
    if fault is None or not fault.acts:
        return spec
    abort = fault.abort_status or (0 if fault.abort_grpc_status is None else GRPC + fault.abort_grpc_status)
    return replace(
        spec,
        delay=fault.delay,
        delay_ppm=fault.delay_share.parts_per_million if fault.delay else 0,
        abort_status=abort,
        abort_ppm=fault.abort_share.parts_per_million if abort else 0,
        faults=_faults(fault),
    )


def _faults(fault: FaultConfig) -> FaultSpec | None:
    if fault.most_active is None and not fault.rate_kbps:
        return None
    return FaultSpec(
        most_active=fault.most_active,
        counted_for=fault.counted_for,
        rate=1024 * fault.rate_kbps,
        rate_ppm=fault.rate_share.parts_per_million if fault.rate_kbps else 0,
    )


def cluster_spec(
    proxy: int,
    cluster: Cluster,
    http2: bool,
    assignment: LoadAssignment | None = None,
    *,
    locality: Locality = NOWHERE,
    local: int | None = None,
) -> ClusterSpec:
    """A decoded cluster for the event core, as a proxy in `locality` has it with the policy of its endpoints.

    `local`: the number of the cluster that holds the proxies themselves, where the bootstrap names one.
    """
    limits = cluster.thresholds
    balancer = cluster.balancer
    policy = _POLICIES.get(balancer.kind, LbPolicy.ROUND_ROBIN)
    if cluster.discovery is Discovery.ORIGINAL_DST:
        policy = LbPolicy.ORIGINAL_DST
    return ClusterSpec(
        proxy=proxy,
        policy=policy,
        choice_count=balancer.choice_count,
        panic_threshold=round(cluster.panic_threshold),
        max_connections=limits.connections,
        max_pending_requests=limits.pending_requests,
        max_requests=limits.requests,
        max_retries=limits.retries if limits.retry_budget_percent is None else limits.min_retry_concurrency,
        max_requests_per_connection=cluster.max_requests_per_connection,
        connect_timeout=cluster.connect_timeout,
        http2=http2,
        outlier=cluster.outlier,
        retry_budget=limits.retry_budget_percent,
        max_stream_duration=cluster.max_stream_duration,
        max_concurrent_streams=cluster.max_concurrent_streams,
        idle_timeout=cluster.idle_timeout,
        max_connection_duration=cluster.max_connection_duration,
        locality=locality,
        locality_weighted=balancer.locality_weighted,
        zone=_zone(balancer, local),
        overprovisioning=assignment.overprovisioning if assignment is not None else OVERPROVISIONING,
        weighted_health=assignment is not None and assignment.weighted_health,
        fail_on_panic=balancer.zone_aware.fail_on_panic,
        active_request_bias=balancer.active_request_bias,
        full_scan=balancer.full_scan,
        slow_start=_slow_start(balancer),
        hashing=_hashing(balancer),
        merge_window=balancer.merge_window,
        health_check=_health_check(cluster),
        host_connections=limits.host_connections,
        max_pools=limits.pools,
        high=high_limits(cluster.thresholds_high),
        by_connection=cluster.by_connection,
        preconnect=cluster.preconnect,
        predict=cluster.predict,
        subsets=cluster.subsets is not None,
    )


def session_cluster(spec: ClusterSpec) -> ClusterSpec:
    """A cluster as a TCP proxy uses it: nothing in it is limited by requests or for HTTP alone.

    DEVIATION: connections of a cluster that both HTTP requests and TCP sessions of a proxy use count for each apart.
    """
    return replace(
        spec,
        max_requests=UNLIMITED,
        max_requests_per_connection=1,
        http2=False,
        max_stream_duration=0,
        idle_timeout=_TCP_REST,
        max_connection_duration=0,
        by_connection=False,
        sessions=True,
    )


def high_limits(limits: Thresholds) -> LimitSpec:
    """Limits for requests of high priority."""
    return LimitSpec(
        max_connections=limits.connections,
        max_pending_requests=limits.pending_requests,
        max_requests=limits.requests,
        max_retries=limits.retries if limits.retry_budget_percent is None else limits.min_retry_concurrency,
        retry_budget=limits.retry_budget_percent,
        host_connections=limits.host_connections,
        max_pools=limits.pools,
    )


def _health_check(cluster: Cluster) -> HealthCheckSpec | None:
    check = cluster.health_check
    if check is None:
        return None
    return HealthCheckSpec(
        timeout=check.timeout,
        interval=check.interval,
        healthy_edge_interval=check.healthy_edge_interval,
        unhealthy_interval=check.unhealthy_interval,
        unhealthy_edge_interval=check.unhealthy_edge_interval,
        no_traffic_interval=check.no_traffic_interval,
        no_traffic_healthy_interval=check.no_traffic_healthy_interval,
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
        initial_jitter=check.initial_jitter,
        interval_jitter=check.interval_jitter,
        interval_jitter_percent=check.interval_jitter_percent,
        reuse_connection=check.reuse_connection,
        connects_only=check.kind is CheckKind.TCP,
        expected=check.expected,
        retriable=check.retriable,
        keeps_removed=not cluster.ignore_health_on_removal,
        waits=cluster.waits_for_check,
        unejects=cluster.outlier is None or cluster.outlier.check_unejects,
    )


def _zone(balancer: Balancer, local: int | None) -> ZoneSpec | None:
    if local is None or balancer.locality_weighted:
        return None
    zone = balancer.zone_aware
    return ZoneSpec(
        local=local,
        min_cluster_size=zone.min_cluster_size,
        routing_percent=zone.routing_percent,
        force_local=zone.force_local,
    )


def _slow_start(balancer: Balancer) -> SlowStartSpec | None:
    slow = balancer.slow_start
    if slow is None or balancer.kind not in (LbKind.ROUND_ROBIN, LbKind.LEAST_REQUEST):
        return None
    return SlowStartSpec(window=slow.window, aggression=slow.aggression, least_percent=slow.least_percent)


def _hashing(balancer: Balancer) -> HashingSpec:
    hashing = balancer.hashing
    return HashingSpec(
        least_ring=hashing.least_ring,
        most_ring=hashing.most_ring,
        murmur=hashing.murmur,
        table_size=hashing.table_size,
        balance_factor=hashing.balance_factor,
    )


class HostPlace(TypedDict):
    """What of a host its cluster's assignment says: fields of `HostSpec`."""

    weight: int
    healthy: bool
    degraded: bool
    excluded: bool
    priority: int
    locality: Locality
    locality_weight: int
    hash_key: str
    marks: Mark
    checked: bool


def newly_omitted(retry: RetryPolicy | None, marked: Sequence[Labels]) -> list[Labels]:
    """The sets of labels that retries omit hosts by and that hosts are not marked for yet."""
    return [labels for labels in dict.fromkeys(retry.omitted if retry is not None else ()) if labels not in marked]


def omitted_marks(omitted: Sequence[Labels], marked: Sequence[Labels]) -> Mark:
    """The marks of hosts with these labels, each a set of its own among those that hosts are marked for."""
    found = Mark.NONE
    for number, labels in enumerate(marked):
        if labels in omitted:
            found |= Mark(Mark.LABELLED << number)
    return found


def host_place(
    cluster: Cluster, group: LocalityEndpoints, endpoint: Endpoint, marked: Sequence[Labels] = ()
) -> HostPlace:
    """Where an endpoint stands in its cluster; it is marked for sets of labels that it has (Envoy source/extensions/
    retry/host/omit_host_metadata/omit_host_metadata.cc)."""
    had = [labels for labels in marked if set(labels) <= set(endpoint.subset)]
    own = dict(endpoint.subset).get("hash_key", "")
    named = endpoint.hostname if cluster.balancer.hashing.by_hostname else ""
    key = (own if not own.startswith(NO_TEXT) else "") or named or str(endpoint)
    return HostPlace(
        weight=max(1, endpoint.weight),
        healthy=endpoint.health.usable,
        degraded=endpoint.health is Health.DEGRADED,
        excluded=endpoint.health is Health.DRAINING,
        priority=group.priority,
        locality=(group.region, group.zone, group.sub_zone),
        locality_weight=group.weight,
        hash_key=key,
        marks=(Mark.CANARY if endpoint.canary else Mark.NONE) | omitted_marks(had, marked),
        checked=endpoint.checked,
    )


def plain_place(endpoint: Endpoint) -> HostPlace:
    """Where an endpoint stands among equals."""
    return HostPlace(
        weight=max(1, endpoint.weight),
        healthy=endpoint.health.usable,
        degraded=False,
        excluded=False,
        priority=0,
        locality=NOWHERE,
        locality_weight=0,
        hash_key="",
        marks=Mark.NONE,
        checked=True,
    )


def direct_cluster() -> ClusterSpec:
    """How an application without sidecar reaches a service: connections that kube-proxy spreads at random."""
    return ClusterSpec(proxy=-1, policy=LbPolicy.RANDOM, max_requests_per_connection=1)


def inbound_kind(decision: Decision) -> InboundKind:
    """What an attempt meets at the destination's proxy."""
    match decision.disposition:
        case Disposition.FORWARDED:
            return InboundKind.SERVE
        case Disposition.REPLIED:
            return InboundKind.REPLY
        case Disposition.REFUSED:
            return InboundKind.REFUSE
        case _:
            return InboundKind.RESET
