"""Route configurations as decoded values (envoy/config/route/v3); `route_decoding` makes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from meshsim.dataplane.decide.chances import Fractional
from meshsim.dataplane.decide.filter_configs import FilterConfig
from meshsim.dataplane.decide.headers import HeaderMap, HeaderMatcher
from meshsim.dataplane.decide.match_trees import MatchTree
from meshsim.dataplane.decide.mutations import HeaderMutations
from meshsim.dataplane.decide.rate_limits import DescriptorRule
from meshsim.dataplane.decide.route_match import RouteMatch
from meshsim.units import Nanos


class RegexRewrite(NamedTuple):
    """RE2::GlobalReplace on the path without query, or on a header."""

    pattern: re.Pattern[str]
    substitution: str


class WeightedCluster(NamedTuple):
    """One cluster of a weighted set, with the changes that apply when it is drawn."""

    name: str
    weight: int
    cluster_header: str
    request: HeaderMutations
    response: HeaderMutations
    host_rewrite: str
    filters: Mapping[str, FilterConfig]
    metadata_match: tuple[tuple[str, str], ...] = ()
    """Labels of the subset that counts there, beside those of the route."""


class ClusterChoice(NamedTuple):
    """Where a route sends: one cluster, the cluster a header names, or a weighted set."""

    name: str = ""
    header: str = ""
    weighted: tuple[WeightedCluster, ...] = ()
    total_weight: int = 0
    random_header: str = ""
    """Header that overrides the random number of a weighted set."""
    use_hash: bool = False
    unmodelled: str = ""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often an attempt is repeated (Envoy source/common/router/retry_policy_impl.cc)."""

    retry_on: tuple[str, ...]
    retries: int
    per_try_timeout: Nanos
    per_try_idle_timeout: Nanos
    status_codes: tuple[int, ...]
    previous_hosts: bool
    previous_priorities: int
    """`update_frequency` of the previous_priorities plugin, 0 without."""
    host_reselect_attempts: int
    backoff_base: Nanos
    backoff_max: Nanos
    retriable_headers: tuple[HeaderMatcher, ...]
    retriable_request_headers: tuple[HeaderMatcher, ...]
    omit_canary: bool = False
    """Whether retries avoid hosts that are canaries."""
    reset_headers: tuple[tuple[str, bool], ...] = ()
    """Headers of an answer that say when to retry: name, and whether as seconds since 1970 or from now."""
    reset_longest: Nanos = 300_000_000_000
    """What says later than this is not followed."""
    omitted: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Labels of `envoy.lb`: retries avoid hosts that have all of one of these sets."""

    @property
    def avoids(self) -> bool:
        """Whether there are hosts that retries avoid."""
        return self.previous_hosts or self.omit_canary or bool(self.omitted)


class HashSource(Enum):
    """What a hash policy hashes."""

    HEADER = "header"
    COOKIE = "cookie"
    SOURCE_IP = "connection_properties"
    QUERY_PARAMETER = "query_parameter"
    FILTER_STATE = "filter_state"


class HashPolicy(NamedTuple):
    """One entry of a hash policy list."""

    source: HashSource
    name: str = ""
    terminal: bool = False
    cookie_ttl: Nanos | None = None
    """None: a missing cookie is not made up."""
    cookie_path: str = ""
    rewrite: RegexRewrite | None = None


class Mirror(NamedTuple):
    """A shadow of a share of the requests."""

    cluster: str
    cluster_header: str
    fraction: Fractional
    suffix: bool
    """Whether ``-shadow`` is appended to the host."""
    host_rewrite: str


@dataclass(frozen=True, slots=True)
class PathRewrite:
    """How the path is rewritten; at most one is set."""

    prefix: str = ""
    regex: RegexRewrite | None = None
    template: str = ""


@dataclass(frozen=True, slots=True)
class HostRewrite:
    """How the authority is rewritten; at most one is set."""

    literal: str = ""
    header: str = ""
    path_regex: RegexRewrite | None = None
    auto: bool = False
    append_forwarded_host: bool = False


class InternalRedirects(NamedTuple):
    """Which redirects of the upstream the proxy follows by itself."""

    most: int
    """How many in a row."""
    codes: frozenset[int]
    cross_scheme: bool
    listed: frozenset[str] | None = None
    """Names of the routes that they may lead to, None = any."""
    once: bool = False
    """Whether a route leads a request to another one once only (previous_routes)."""
    safe: bool = False
    """Whether they may not lead from http to https (safe_cross_scheme)."""


class Forward(NamedTuple):
    """Send the request upstream."""

    clusters: ClusterChoice
    not_found_status: int
    path: PathRewrite
    host: HostRewrite
    timeout: Nanos
    """0 = none."""
    idle_timeout: Nanos | None
    max_stream_duration: Nanos | None
    grpc_timeout_header_max: Nanos | None
    limits_stream: bool
    """Whether `max_stream_duration` is there at all: the route timeout is not used then."""
    max_grpc_timeout: Nanos | None
    """Older form: a gRPC request's own timeout counts up to here, 0 = any; the route's timeout is not used then."""
    grpc_timeout_offset: Nanos
    grpc_header_offset: Nanos
    """What `max_stream_duration` takes off a request's own timeout."""
    retry: RetryPolicy | None
    mirrors: tuple[Mirror, ...]
    hash_policies: tuple[HashPolicy, ...]
    high_priority: bool
    metadata_match: tuple[tuple[str, str], ...]
    """Subset of the load balancer: key and value."""
    upgrades: tuple[tuple[str, bool], ...]
    """Upgrade types allowed or refused here, over what the connection manager says."""
    redirects: InternalRedirects | None = None
    hedge: bool | None = None
    """`hedge_on_per_try_timeout` of its hedge policy, None without one."""
    rate_limits: tuple[DescriptorRule, ...] = ()
    with_host_limits: bool = False
    """Whether rate limits of the virtual host count beside its own, whatever a filter says."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect."""

    status: int
    scheme: str
    https: bool
    host: str
    port: int
    path: str
    rewrite: PathRewrite
    strip_query: bool


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """Answer at once."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class NonForwarding:
    """Nothing is sent upstream; meant for proxyless gRPC servers."""


Action: TypeAlias = Forward | Redirect | DirectResponse | NonForwarding


class Route(NamedTuple):
    """One route of a virtual host."""

    name: str
    number: int
    """Position in its virtual host, from 0."""
    match: RouteMatch
    action: Action
    request: HeaderMutations
    response: HeaderMutations
    filters: Mapping[str, FilterConfig]
    config: str
    """``istio.config`` of the metadata: the Istio resource behind the route."""
    decorator: str
    decorator_propagate: bool = True
    kept: int | None = None
    """Bytes of a request that are kept for its retries, None = as many as the listener keeps of a connection."""


class TlsRequirement(Enum):
    """`require_tls` of a virtual host."""

    NONE = 0
    EXTERNAL_ONLY = 1
    ALL = 2


class VirtualCluster(NamedTuple):
    """A class of requests that is counted by itself."""

    name: str
    headers: tuple[HeaderMatcher, ...]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class VirtualHost:
    """Routes of a set of domains."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: TlsRequirement
    request: HeaderMutations
    response: HeaderMutations
    filters: Mapping[str, FilterConfig]
    attempt_count: bool
    attempt_count_in_response: bool
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    tree: MatchTree[tuple[Route, ...]] | None = None
    """Chooses the routes that are tried, instead of `routes`."""
    unmodelled: tuple[str, ...] = ()
    rate_limits: tuple[DescriptorRule, ...] = ()

    def virtual_cluster(self, headers: HeaderMap) -> str:
        """Name that the request is counted under: the first whose headers match, else ``other``; empty without any."""
        if not self.virtual_clusters:
            return ""
        found = (v.name for v in self.virtual_clusters if all(h.matches(headers) for h in v.headers))
        return next(found, "other")


class DomainIndex(NamedTuple):
    """Domains of a route configuration by how they are searched; lengths run from long to short."""

    exact: Mapping[str, VirtualHost]
    suffixes: tuple[tuple[int, Mapping[str, VirtualHost]], ...]
    prefixes: tuple[tuple[int, Mapping[str, VirtualHost]], ...]
    default: VirtualHost | None


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class RouteConfiguration:
    """A decoded route table; compared by identity, as equal bytes decode to one object."""

    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    domains: DomainIndex
    ignore_port: bool
    host_header: str
    """Header that holds the host to look up, empty = the authority."""
    request: HeaderMutations
    response: HeaderMutations
    filters: Mapping[str, FilterConfig]
    most_specific_wins: bool
    internal_only_headers: tuple[str, ...]
    ignore_path_parameters: bool
    unmodelled: tuple[str, ...] = field(default=())
    validates: bool | None = None
    """Whether its clusters have to exist when it is loaded; None = as usual, inline but not by RDS."""
