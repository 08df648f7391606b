"""HTTP connection managers as decoded values (envoy/extensions/filters/network/http_connection_manager/v3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from meshsim.dataplane.decide.durations import fetch_timeout, nanos, optional_nanos
from meshsim.dataplane.decide.extensions import check_registered, extension_name
from meshsim.dataplane.decide.filter_configs import (
    CORS_FILTER,
    FaultConfig,
    FilterConfig,
    Passive,
    RouterConfig,
    decode_filter_config,
)
from meshsim.dataplane.decide.jwt_config import JwtConfig
from meshsim.dataplane.decide.paths import EscapedSlashes
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_decoding import decode_route_configuration
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.dataplane.decide.strings import IpNetwork, Notes, decode_cidr
from meshsim.units import Nanos
from meshsim.xds.messages import http_connection_manager_pb2


class Codec(Enum):
    """`codec_type`."""

    AUTO = 0
    HTTP1 = 1
    HTTP2 = 2
    HTTP3 = 3


class ForwardCert(Enum):
    """What becomes of x-forwarded-client-cert."""

    SANITIZE = 0
    FORWARD_ONLY = 1
    APPEND_FORWARD = 2
    SANITIZE_SET = 3
    ALWAYS_FORWARD_ONLY = 4


class ServerHeader(Enum):
    """What becomes of the response's server header."""

    OVERWRITE = 0
    APPEND_IF_ABSENT = 1
    PASS_THROUGH = 2


class HttpFilter(NamedTuple):
    """One filter of the chain; `discovered` ones come by ECDS."""

    name: str
    config: FilterConfig
    disabled: bool
    discovered: bool


class CertDetails(NamedTuple):
    """Which parts of the client certificate go into x-forwarded-client-cert."""

    subject: bool
    cert: bool
    chain: bool
    dns: bool
    uri: bool


@dataclass(frozen=True, slots=True)
class ConnectionManager:
    """A decoded connection manager."""

    codec: Codec
    stat_prefix: str
    route_config_name: str
    """Name asked for by RDS, empty for an inline table."""
    route_config: RouteConfiguration | None
    filters: tuple[HttpFilter, ...]
    deciding_filters: tuple[HttpFilter, ...]
    """Those before the router that can have a part in the decision."""
    acting_filters: tuple[HttpFilter, ...]
    """Those of them that have one where the route says nothing about filters."""
    tracing: bool
    server_name: str
    server_header: ServerHeader
    use_remote_address: bool
    xff_trusted_hops: int
    skip_xff_append: bool
    internal_networks: tuple[IpNetwork, ...] | None
    """None: no request is internal."""
    generate_request_id: bool
    preserve_request_id: bool
    request_id_in_response: bool
    forward_cert: ForwardCert
    cert_details: CertDetails
    upgrades: tuple[tuple[str, bool], ...]
    normalize_path: bool
    merge_slashes: bool
    escaped_slashes: EscapedSlashes
    strip_matching_port: bool
    strip_any_port: bool
    strip_trailing_dot: bool
    accept_http_10: bool
    default_host_for_http_10: str
    underscores_rejected: bool
    underscores_dropped: bool
    stream_idle_timeout: Nanos
    request_timeout: Nanos
    max_stream_duration: Nanos | None
    idle_timeout: Nanos
    max_requests_per_connection: int
    via: str
    add_user_agent: bool
    append_forwarded_port: bool
    scheme: str
    """Scheme that overwrites the request's, empty = by transport."""
    suppress_envoy_headers: bool
    respects_expected: bool
    """Whether the time that an Envoy before this one gives a request limits it here."""
    routes_timeout: Nanos
    """How long a table by RDS is waited for, 0 = for ever."""


def decode_connection_manager(
    message: http_connection_manager_pb2.HttpConnectionManager, notes: Notes
) -> ConnectionManager:
    """The connection manager; raises `ResourceRejectedError` with the reason of the NACK."""
    for log in message.access_log:
        check_registered(log.name, log.typed_config)
    common, http1 = message.common_http_protocol_options, message.http_protocol_options
    ranges = message.internal_address_config.cidr_ranges
    name, inline = _routes(message, notes)
    _note_unmodelled(message, notes)
    filters = _filters(message, notes)
    deciding = tuple(f for f in filters if f.discovered or _decides(f.config))
    details = message.set_current_client_cert_details
    underscores = common.headers_with_underscores_action
    escaped = message.path_with_escaped_slashes_action
    router = next((f.config for f in filters if isinstance(f.config, RouterConfig)), RouterConfig(False))
    return ConnectionManager(
        Codec(message.codec_type),
        message.stat_prefix,
        name,
        inline,
        filters,
        deciding,
        _acting(deciding),
        message.HasField("tracing"),
        message.server_name or "envoy",
        ServerHeader(message.server_header_transformation),
        message.use_remote_address.value,
        message.xff_num_trusted_hops,
        message.skip_xff_append,
        tuple(map(decode_cidr, ranges)) if message.HasField("internal_address_config") else None,
        message.generate_request_id.value if message.HasField("generate_request_id") else True,
        message.preserve_external_request_id,
        message.always_set_request_id_in_response,
        ForwardCert(message.forward_client_cert_details),
        CertDetails(details.subject.value, details.cert, details.chain, details.dns, details.uri),
        _upgrades(message),
        message.normalize_path.value,
        message.merge_slashes,
        EscapedSlashes(escaped or EscapedSlashes.KEEP_UNCHANGED.value),
        message.strip_matching_host_port,
        message.strip_any_host_port,
        message.strip_trailing_host_dot,
        http1.accept_http_10,
        http1.default_host_for_http_10,
        underscores == 1,
        underscores == 2,
        nanos(message.stream_idle_timeout) if message.HasField("stream_idle_timeout") else 300_000_000_000,
        nanos(message.request_timeout),
        optional_nanos(common.max_stream_duration, common.HasField("max_stream_duration")),
        nanos(common.idle_timeout) if common.HasField("idle_timeout") else 3_600_000_000_000,
        common.max_requests_per_connection.value,
        message.via,
        message.add_user_agent.value,
        message.append_x_forwarded_port,
        message.scheme_header_transformation.scheme_to_overwrite,
        router.suppress_envoy_headers,
        router.respects_expected,
        fetch_timeout(message.rds.config_source) if message.HasField("rds") else 0,
    )


def _filters(message: http_connection_manager_pb2.HttpConnectionManager, notes: Notes) -> tuple[HttpFilter, ...]:
    """The filters in their order; raises `ResourceRejectedError` for an order that Envoy refuses."""
    filters = tuple(_http_filter(f, notes) for f in message.http_filters)
    _check_filters(filters, [extension_name(f.typed_config) for f in message.http_filters])
    return filters


def _upgrades(message: http_connection_manager_pb2.HttpConnectionManager) -> tuple[tuple[str, bool], ...]:
    """Protocols a request may be upgraded to, and whether it may."""
    return tuple(
        (u.upgrade_type.lower(), u.enabled.value if u.HasField("enabled") else True) for u in message.upgrade_configs
    )


def _routes(
    message: http_connection_manager_pb2.HttpConnectionManager, notes: Notes
) -> tuple[str, RouteConfiguration | None]:
    kind = message.WhichOneof("route_specifier")
    if kind == "rds":
        _check_source(message.rds)
        return message.rds.route_config_name, None
    if kind == "route_config":
        inline = decode_route_configuration(message.route_config)
        notes += inline.unmodelled
        return "", inline
    if kind is None:
        raise ResourceRejectedError("HttpConnectionManagerValidationError.RouteSpecifier: value is required")
    notes.append("scoped routes")
    return "", None


def _check_source(rds: http_connection_manager_pb2.Rds) -> None:
    if not rds.HasField("config_source") and not rds.route_config_name.startswith("xdstp://"):
        raise ResourceRejectedError(
            "An RDS config must have either a 'config_source' or an xDS-TP based 'route_config_name'. Error while "
            f"parsing RDS config: {rds}"
        )


def _note_unmodelled(message: http_connection_manager_pb2.HttpConnectionManager, notes: Notes) -> None:
    if nanos(message.request_headers_timeout):
        notes.append("timeout of request headers")
    if message.HasField("local_reply_config"):
        notes.append("local reply configuration")
    if message.original_ip_detection_extensions:
        notes.append("original IP detection extensions")
    if message.early_header_mutation_extensions:
        notes.append("early header mutation extensions")


def _http_filter(message: http_connection_manager_pb2.HttpFilter, notes: Notes) -> HttpFilter:
    decoded, noted = _decoded_filter(message.SerializeToString())
    notes.extend(noted)
    return decoded


@lru_cache(maxsize=1024)
def _decoded_filter(body: bytes) -> tuple[HttpFilter, tuple[str, ...]]:
    """A filter and what it notes; connection managers of a mesh have most of theirs in common."""
    notes: Notes = []
    return _new_filter(http_connection_manager_pb2.HttpFilter.FromString(body), notes), tuple(notes)


def _new_filter(message: http_connection_manager_pb2.HttpFilter, notes: Notes) -> HttpFilter:
    if not message.HasField("config_discovery"):
        check_registered(message.name, message.typed_config)
    if message.HasField("config_discovery"):
        notes.append(f"HTTP filter {message.name} by extension discovery")
        return HttpFilter(message.name, Passive("discovered"), message.disabled, True)
    return HttpFilter(message.name, decode_filter_config(message.typed_config, notes), message.disabled, False)


def _decides(config: FilterConfig) -> bool:
    passive = isinstance(config, Passive) and config.type_name != CORS_FILTER
    return not passive and not isinstance(config, RouterConfig)


def _acting(filters: tuple[HttpFilter, ...]) -> tuple[HttpFilter, ...]:
    """Tokens may lead to another route in the middle of the chain, so with them every filter is looked at."""
    if any(isinstance(f.config, JwtConfig) for f in filters):
        return filters
    return tuple(f for f in filters if f.discovered or not (f.disabled or _rests(f.config)))


def _rests(config: FilterConfig) -> bool:
    return isinstance(config, Passive) or (isinstance(config, FaultConfig) and not config.acts)


def _check_filters(filters: tuple[HttpFilter, ...], kinds: Sequence[str]) -> None:
    for i, http_filter in enumerate(filters):
        last = i == len(filters) - 1
        terminal = isinstance(http_filter.config, RouterConfig)
        if terminal and not last:
            raise ResourceRejectedError(
                f"Error: terminal filter named {http_filter.name} of type {kinds[i]} must be the last filter in a http "
                "filter chain."
            )
        if last and terminal and http_filter.disabled:
            raise ResourceRejectedError(
                f"Error: the last (terminal) filter ({http_filter.name}) in the chain cannot be disabled by default."
            )
        if last and not terminal:
            raise ResourceRejectedError(
                f"Error: non-terminal filter named {http_filter.name} of type {kinds[i]} is the last filter in a http "
                "filter chain."
            )
