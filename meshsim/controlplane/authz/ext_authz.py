"""External authorizers of the mesh configuration as ext_authz filters (istio authz/builder/extauthz.go, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from meshsim.api import Fields
from meshsim.controlplane.authz.matchers import metadata_matcher
from meshsim.units import SECOND, Nanos
from meshsim.xds.messages import (
    base_pb2,
    config_source_pb2,
    duration_pb2,
    grpc_service_pb2,
    http_ext_authz_pb2,
    http_status_pb2,
    http_uri_pb2,
    metadata_matcher_pb2,
    network_ext_authz_pb2,
    string_pb2,
    value_pb2,
)

HTTP_RBAC: Final = "envoy.filters.http.rbac"
NETWORK_RBAC: Final = "envoy.filters.network.rbac"
MATCH_PREFIX: Final = "istio-ext-authz"
SHADOW_PREFIX: Final = "istio_ext_authz_"
_DEFAULT_TIMEOUT: Final[Nanos] = 600 * SECOND


class ClusterLookup(Protocol):
    """Host and outbound cluster of ``host`` or ``namespace/host`` at a port; ``None`` when ambiguous or unknown."""

    def __call__(self, service: str, port: int) -> tuple[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class ExternalAuthorizer:
    """The filters of a provider; HTTP providers have no TCP filter."""

    http: http_ext_authz_pb2.ExtAuthz
    tcp: network_ext_authz_pb2.ExtAuthz | None


def external_authorizers(providers: Sequence[Fields], lookup: ClusterLookup) -> Mapping[str, ExternalAuthorizer | None]:
    """External authorizers by provider name; ``None`` for one whose settings are wrong or whose service is unknown."""
    found: dict[str, ExternalAuthorizer | None] = {}
    for provider in providers:
        name = provider.text("name")
        if "envoyExtAuthzHttp" in provider:
            built = _http_provider(name, provider.fields("envoyExtAuthzHttp"), lookup)
        elif "envoyExtAuthzGrpc" in provider:
            built = _grpc_provider(name, provider.fields("envoyExtAuthzGrpc"), lookup)
        else:
            continue
        found[name] = built if name and name not in found else None
    return found


def _http_provider(name: str, settings: Fields, lookup: ClusterLookup) -> ExternalAuthorizer | None:
    target = _target(settings, lookup)
    prefix = settings.text("pathPrefix")
    if target is None or (prefix and not prefix.startswith("/")) or not _valid_headers(settings):
        return None
    hostname, cluster = target
    service = http_ext_authz_pb2.HttpService(
        path_prefix=prefix,
        server_uri=http_uri_pb2.HttpUri(uri=f"http://{hostname}", cluster=cluster, timeout=_timeout(settings)),
    )
    extra = settings.text_map("includeAdditionalHeadersInCheck")
    if extra:
        service.authorization_request.headers_to_add.extend(
            base_pb2.HeaderValue(key=key, value=extra[key]) for key in sorted(extra)
        )
    response = http_ext_authz_pb2.AuthorizationResponse(
        allowed_upstream_headers=_headers(settings.texts("headersToUpstreamOnAllow")),
        allowed_client_headers=_headers(settings.texts("headersToDownstreamOnDeny")),
        allowed_client_headers_on_success=_headers(settings.texts("headersToDownstreamOnAllow")),
    )
    if response.ByteSize():
        service.authorization_response.CopyFrom(response)
    allowed = settings.texts("includeRequestHeadersInCheck") or settings.texts("includeHeadersInCheck")
    http = http_ext_authz_pb2.ExtAuthz(
        http_service=service,
        allowed_headers=_headers(allowed),
        status_on_error=_status(settings),
        failure_mode_allow=settings.flag("failOpen"),
        clear_route_cache=settings.flag("clearRouteCache"),
        transport_api_version=config_source_pb2.ApiVersion.V3,
        filter_enabled_metadata=_enabled_by(HTTP_RBAC, name),
        with_request_body=_request_body(settings),
    )
    return ExternalAuthorizer(http, None)


def _grpc_provider(name: str, settings: Fields, lookup: ClusterLookup) -> ExternalAuthorizer | None:
    target = _target(settings, lookup)
    if target is None:
        return None
    hostname, cluster = target
    service = grpc_service_pb2.GrpcService(
        envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=cluster, authority=hostname),
        timeout=_timeout(settings),
    )
    http = http_ext_authz_pb2.ExtAuthz(
        grpc_service=service,
        status_on_error=_status(settings),
        failure_mode_allow=settings.flag("failOpen"),
        clear_route_cache=settings.flag("clearRouteCache"),
        transport_api_version=config_source_pb2.ApiVersion.V3,
        filter_enabled_metadata=_enabled_by(HTTP_RBAC, name),
        with_request_body=_request_body(settings),
    )
    tcp = network_ext_authz_pb2.ExtAuthz(
        stat_prefix="tcp.",
        grpc_service=service,
        failure_mode_allow=settings.flag("failOpen"),
        transport_api_version=config_source_pb2.ApiVersion.V3,
        filter_enabled_metadata=_enabled_by(NETWORK_RBAC, name),
    )
    return ExternalAuthorizer(http, tcp)


def _target(settings: Fields, lookup: ClusterLookup) -> tuple[str, str] | None:
    port = settings.integer("port")
    if not 1 <= port <= 65535:
        return None
    status = settings.text("statusOnError")
    if status and (not status.isdigit() or int(status) not in http_status_pb2.StatusCode.values()):
        return None
    return lookup(settings.text("service"), port)


def _status(settings: Fields) -> http_status_pb2.HttpStatus | None:
    code = settings.text("statusOnError")
    for name, number in http_status_pb2.StatusCode.items():
        if str(number) == code:
            return http_status_pb2.HttpStatus(code=http_status_pb2.StatusCode.Value(name))
    return None


def _timeout(settings: Fields) -> duration_pb2.Duration:
    timeout = duration_pb2.Duration()
    found = settings.duration("timeout")
    timeout.FromNanoseconds(_DEFAULT_TIMEOUT if found is None else found)
    return timeout


def _valid_headers(settings: Fields) -> bool:
    """A lone ``*`` is refused in every list of headers."""
    lists = (
        "includeRequestHeadersInCheck",
        "includeHeadersInCheck",
        "headersToDownstreamOnDeny",
        "headersToDownstreamOnAllow",
        "headersToUpstreamOnAllow",
    )
    return not any("*" in settings.texts(key) for key in lists)


def _headers(names: Sequence[str]) -> string_pb2.ListStringMatcher | None:
    if not names:
        return None
    patterns = []
    for name in names:
        if name.startswith("*"):
            patterns.append(string_pb2.StringMatcher(suffix=name[1:], ignore_case=True))
        elif name.endswith("*"):
            patterns.append(string_pb2.StringMatcher(prefix=name[:-1], ignore_case=True))
        else:
            patterns.append(string_pb2.StringMatcher(exact=name, ignore_case=True))
    return string_pb2.ListStringMatcher(patterns=patterns)


def _request_body(settings: Fields) -> http_ext_authz_pb2.BufferSettings | None:
    if "includeRequestBodyInCheck" not in settings:
        return None
    body = settings.fields("includeRequestBodyInCheck")
    return http_ext_authz_pb2.BufferSettings(
        max_request_bytes=body.integer("maxRequestBytes"),
        allow_partial_message=body.flag("allowPartialMessage"),
        pack_as_bytes=body.flag("packAsBytes"),
    )


def _enabled_by(filter_name: str, provider: str) -> metadata_matcher_pb2.MetadataMatcher:
    """The filter asks only about requests that a shadow rule of this provider matched."""
    prefix = string_pb2.StringMatcher(prefix=f"{MATCH_PREFIX}-{provider}")
    value = value_pb2.ValueMatcher(string_match=prefix)
    return metadata_matcher(filter_name, (f"{SHADOW_PREFIX}shadow_effective_policy_id",), value)
