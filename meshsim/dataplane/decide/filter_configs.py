"""Configurations of HTTP filters, of the chain and per route, as decoded values.

A filter that has no part in what is decided (statistics, metadata, tracing) is `Passive`; one that the model does not
know, and that could change the outcome, is `Unmodelled` and noted by its decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from google.protobuf import any_pb2

from meshsim.dataplane.decide.chances import ALWAYS, Fractional, decode_fraction
from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.headers import HeaderMatcher, decode_header_matcher
from meshsim.dataplane.decide.jwt_config import JwtConfig, JwtPerRoute, decode_jwt, decode_jwt_per_route
from meshsim.dataplane.decide.metadata import MetadataMatcher, decode_metadata_matcher
from meshsim.dataplane.decide.mutations import HeaderMutations, decode_mutations
from meshsim.dataplane.decide.rate_limits import Descriptor, DescriptorRule, TokenBucket, decode_rules
from meshsim.dataplane.decide.rbac import RbacConfig, decode_rbac
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import Notes, StringMatcher, decode_string_matcher
from meshsim.units import Nanos
from meshsim.xds.istio_messages import AlpnFilterConfig
from meshsim.xds.messages import (
    base_pb2,
    buffer_pb2,
    cors_pb2,
    fault_pb2,
    header_mutation_pb2,
    http_ext_authz_pb2,
    http_local_ratelimit_pb2,
    http_rbac_pb2,
    jwt_authn_pb2,
    route_components_pb2,
    router_pb2,
    token_bucket_pb2,
    typed_struct_pb2,
    xds_typed_struct_pb2,
)


class Passive(NamedTuple):
    """A filter that leaves decisions alone."""

    type_name: str


class Unmodelled(NamedTuple):
    """A filter whose effect is not known here."""

    type_name: str


class FaultConfig(NamedTuple):
    """The fault filter (Envoy source/extensions/filters/http/fault/fault_filter.cc)."""

    delay: Nanos
    delay_share: Fractional
    delay_from_header: bool
    abort_status: int
    abort_grpc_status: int | None
    abort_share: Fractional
    abort_from_header: bool
    upstream_cluster: str
    headers: tuple[HeaderMatcher, ...]
    downstream_nodes: tuple[str, ...]
    most_active: int | None = None
    """How many faults may be under way, None = any number."""
    counted_for: str = ""
    """Whose faults are counted together: the statistics of the connection manager."""
    rate_kbps: int = 0
    """KiB a second at which answers pass, 0 = as they come."""
    rate_share: Fractional = ALWAYS
    rate_from_header: bool = False

    @property
    def acts(self) -> bool:
        """Whether anything is configured at all."""
        delays = self.delay or self.delay_from_header
        aborts = self.abort_status or self.abort_from_header or self.abort_grpc_status is not None
        return bool(delays or aborts or self.rate_kbps or self.rate_from_header)


class CorsConfig(NamedTuple):
    """A CORS policy of a route or virtual host."""

    origins: tuple[StringMatcher, ...]
    methods: str
    headers: str
    expose: str
    max_age: str
    credentials: bool
    enabled: Fractional
    forward_not_matching_preflights: bool
    private_network: bool


class RbacPerRoute(NamedTuple):
    """RBAC of a route; without rules the filter is off there."""

    config: RbacConfig | None


class ExtAuthzConfig(NamedTuple):
    """External authorization: whom it asks and when."""

    cluster: str
    timeout: Nanos
    failure_mode_allow: bool
    status_on_error: int
    enabled_metadata: MetadataMatcher | None
    enabled: Fractional


class LocalRateLimitConfig(NamedTuple):
    """The token buckets of the local rate limit filter; both shares must be above zero for it to act."""

    status: int
    default: TokenBucket | None
    enabled: Fractional
    enforced: Fractional
    per_connection: bool
    buckets: tuple[TokenBucket, ...] = ()
    """For requests of some descriptors."""
    always_default: bool = True
    """Whether requests of those take a token of the default bucket too."""
    rules: tuple[DescriptorRule, ...] = ()
    """Which descriptors requests have, in place of what routes say of it."""
    stage: int = 0
    host_rules: int = 0
    """Whether the virtual host's rules count: 0 where its route has none, 1 always, 2 never."""


class BufferConfig(NamedTuple):
    """The buffer filter."""

    max_request_bytes: int


class HeaderMutationConfig(NamedTuple):
    """The header mutation filter: request and response mutations, each a list applied in order."""

    request: tuple[HeaderMutations, ...]
    response: tuple[HeaderMutations, ...]


class AlpnConfig(NamedTuple):
    """Istio's ALPN filter: what is offered upstream, by protocol of the upstream connection."""

    overrides: Mapping[int, tuple[str, ...]]


class RouterConfig(NamedTuple):
    """The router filter."""

    suppress_envoy_headers: bool
    respects_expected: bool = False
    """Whether the time that an Envoy before this one gives a request limits it here."""


class PerRoute(NamedTuple):
    """The FilterConfig wrapper of a route: a filter switched off, or on with a configuration of its own."""

    disabled: bool
    config: FilterConfig | None


FilterConfig: TypeAlias = (
    Passive
    | Unmodelled
    | FaultConfig
    | CorsConfig
    | RbacConfig
    | RbacPerRoute
    | JwtConfig
    | JwtPerRoute
    | ExtAuthzConfig
    | LocalRateLimitConfig
    | BufferConfig
    | HeaderMutationConfig
    | AlpnConfig
    | RouterConfig
    | PerRoute
)

CORS_FILTER: Final = "envoy.extensions.filters.http.cors.v3.Cors"
"""The CORS filter itself has no configuration; its policies stand in routes."""
_PASSIVE: Final = frozenset(
    {
        "stats.PluginConfig",
        "io.istio.http.peer_metadata.Config",
        "envoy.tcp.metadataexchange.config.MetadataExchange",
        "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
        CORS_FILTER,
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
        "envoy.extensions.filters.http.on_demand.v3.OnDemand",
        "envoy.extensions.filters.http.set_filter_state.v3.Config",
    }
)


def decode_filter_config(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    """The configuration of a filter, of a chain or of a route, by its type."""
    type_name = packed.type_url.rpartition("/")[2]
    if type_name in ("udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"):
        wrapped = _typed_struct(packed, type_name).rpartition("/")[2]
        return _passive_or_not(wrapped, notes)
    decoder = _DECODERS.get(type_name)
    return decoder(packed, notes) if decoder else _passive_or_not(type_name, notes)


def _typed_struct(packed: any_pb2.Any, type_name: str) -> str:
    if type_name.startswith("udpa"):
        return unpack_valid(packed, typed_struct_pb2.TypedStruct).type_url
    return unpack_valid(packed, xds_typed_struct_pb2.TypedStruct).type_url


def _passive_or_not(type_name: str, notes: Notes) -> FilterConfig:
    if type_name in _PASSIVE:
        return Passive(type_name)
    notes.append(f"filter {type_name}")
    return Unmodelled(type_name)


def _fault(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, fault_pb2.HTTPFault)
    delay, abort, rate = message.delay, message.abort, message.response_rate_limit
    return FaultConfig(
        nanos(delay.fixed_delay),
        decode_fraction(delay.percentage),
        delay.HasField("header_delay"),
        abort.http_status,
        abort.grpc_status if abort.WhichOneof("error_type") == "grpc_status" else None,
        decode_fraction(abort.percentage),
        abort.HasField("header_abort"),
        message.upstream_cluster,
        tuple(decode_header_matcher(h, notes) for h in message.headers),
        tuple(message.downstream_nodes),
        message.max_active_faults.value if message.HasField("max_active_faults") else None,
        rate_kbps=rate.fixed_limit.limit_kbps,
        rate_share=decode_fraction(rate.percentage),
        rate_from_header=rate.HasField("header_limit"),
    )


def cors_config(message: cors_pb2.CorsPolicy | route_components_pb2.CorsPolicy, notes: Notes) -> CorsConfig:
    """A CORS policy, of the filter's own type or of the route's older one."""
    forward = message.forward_not_matching_preflights
    return CorsConfig(
        tuple(decode_string_matcher(o, notes) for o in message.allow_origin_string_match),
        message.allow_methods,
        message.allow_headers,
        message.expose_headers,
        message.max_age,
        message.allow_credentials.value,
        decode_fraction(message.filter_enabled.default_value) if message.HasField("filter_enabled") else ALWAYS,
        forward.value if message.HasField("forward_not_matching_preflights") else True,
        message.allow_private_network_access.value,
    )


def _cors(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    return cors_config(unpack_valid(packed, cors_pb2.CorsPolicy), notes)


def _rbac(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    return decode_rbac(unpack_valid(packed, http_rbac_pb2.RBAC), "HTTP", notes)


def _rbac_per_route(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, http_rbac_pb2.RBACPerRoute)
    return RbacPerRoute(decode_rbac(message.rbac, "HTTP", notes) if message.HasField("rbac") else None)


def _jwt(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    return decode_jwt(unpack_valid(packed, jwt_authn_pb2.JwtAuthentication), notes)


def _jwt_per_route(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    return decode_jwt_per_route(unpack_valid(packed, jwt_authn_pb2.PerRouteConfig))


def _ext_authz(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, http_ext_authz_pb2.ExtAuthz)
    service = message.WhichOneof("services")
    grpc, http = message.grpc_service, message.http_service.server_uri
    has_metadata = message.HasField("filter_enabled_metadata")
    return ExtAuthzConfig(
        http.cluster if service == "http_service" else grpc.envoy_grpc.cluster_name,
        nanos(http.timeout if service == "http_service" else grpc.timeout) or 200_000_000,
        message.failure_mode_allow,
        message.status_on_error.code or 403,
        decode_metadata_matcher(message.filter_enabled_metadata, notes) if has_metadata else None,
        decode_fraction(message.filter_enabled.default_value) if message.HasField("filter_enabled") else ALWAYS,
    )


_SHORTEST_FILL: Final[Nanos] = 50_000_000
_REFUSALS: Final = 400
"""From this status on a limit may answer with it (Envoy source/extensions/filters/http/local_ratelimit/
local_ratelimit.h, toErrorCode)."""


def _local_rate_limit(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, http_local_ratelimit_pb2.LocalRateLimit)
    if message.descriptors and message.local_rate_limit_per_downstream_connection:
        notes.append("local rate limit descriptors for each connection")
    listed = [tuple((entry.key, entry.value) for entry in d.entries) for d in message.descriptors]
    doubled = next((d for d in listed if listed.count(d) > 1), None)
    if doubled is not None:
        named = ", ".join(f"{key}={value}" for key, value in doubled)
        raise ResourceRejectedError(f"duplicate descriptor in the local rate descriptor: {named}")
    always = message.always_consume_default_token_bucket
    return LocalRateLimitConfig(
        message.status.code if message.status.code >= _REFUSALS else 429,
        _bucket(message.token_bucket, "") if message.HasField("token_bucket") else None,
        decode_fraction(message.filter_enabled.default_value),
        decode_fraction(message.filter_enforced.default_value),
        message.local_rate_limit_per_downstream_connection,
        tuple(_bucket(d.token_bucket, "descriptor ", entries) for d, entries in zip(message.descriptors, listed)),
        always.value if message.HasField("always_consume_default_token_bucket") else True,
        decode_rules(message.rate_limits, notes),
        message.stage,
        int(message.vh_rate_limits),
    )


def _bucket(message: token_bucket_pb2.TokenBucket, whose: str, entries: Descriptor = ()) -> TokenBucket:
    interval = nanos(message.fill_interval)
    if interval < _SHORTEST_FILL:
        raise ResourceRejectedError(f"local rate limit {whose}token bucket fill timer must be >= 50ms")
    tokens = message.tokens_per_fill.value if message.HasField("tokens_per_fill") else 1
    return TokenBucket(message.max_tokens, tokens, interval, entries)


def _buffer(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    return BufferConfig(unpack_valid(packed, buffer_pb2.Buffer).max_request_bytes.value)


def _buffer_per_route(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, buffer_pb2.BufferPerRoute)
    return PerRoute(
        message.disabled, None if message.disabled else BufferConfig(message.buffer.max_request_bytes.value)
    )


def _header_mutation(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    mutations = unpack_valid(packed, header_mutation_pb2.HeaderMutation).mutations

    def one(remove: str, append: base_pb2.HeaderValueOption) -> HeaderMutations:
        return decode_mutations((), (remove,)) if remove else decode_mutations((append,), ())

    return HeaderMutationConfig(
        tuple(one(m.remove, m.append) for m in mutations.request_mutations),
        tuple(one(m.remove, m.append) for m in mutations.response_mutations),
    )


def _alpn(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, AlpnFilterConfig)
    return AlpnConfig({o.upstream_protocol: tuple(o.alpn_override) for o in message.alpn_override})


def _router(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, router_pb2.Router)
    if message.strict_check_headers:
        notes.append("strict checks of headers")
    return RouterConfig(message.suppress_envoy_headers, message.respect_expected_rq_timeout)


def _per_route(packed: any_pb2.Any, notes: Notes) -> FilterConfig:
    message = unpack_valid(packed, route_components_pb2.FilterConfig)
    inner = decode_filter_config(message.config, notes) if message.HasField("config") else None
    return PerRoute(message.disabled, inner)


_HTTP: Final = "envoy.extensions.filters.http."
_DECODERS: Final[Mapping[str, Callable[[any_pb2.Any, Notes], FilterConfig]]] = {
    f"{_HTTP}fault.v3.HTTPFault": _fault,
    f"{_HTTP}cors.v3.CorsPolicy": _cors,
    f"{_HTTP}rbac.v3.RBAC": _rbac,
    f"{_HTTP}rbac.v3.RBACPerRoute": _rbac_per_route,
    f"{_HTTP}jwt_authn.v3.JwtAuthentication": _jwt,
    f"{_HTTP}jwt_authn.v3.PerRouteConfig": _jwt_per_route,
    f"{_HTTP}ext_authz.v3.ExtAuthz": _ext_authz,
    f"{_HTTP}local_ratelimit.v3.LocalRateLimit": _local_rate_limit,
    f"{_HTTP}buffer.v3.Buffer": _buffer,
    f"{_HTTP}buffer.v3.BufferPerRoute": _buffer_per_route,
    f"{_HTTP}header_mutation.v3.HeaderMutation": _header_mutation,
    f"{_HTTP}router.v3.Router": _router,
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig": _alpn,
    "envoy.config.route.v3.FilterConfig": _per_route,
}
