"""Access logs of listeners, HTTP connection managers and TCP proxies.

istio pilot/pkg/networking/core/accesslog.go and pilot/pkg/model/telemetry_logging.go, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format

from meshsim.api import Fields
from meshsim.controlplane.provider_clusters import ProviderCluster, lookup_cluster
from meshsim.controlplane.telemetry import AppliedTelemetry, ListenerClass, default_providers, logging_choices
from meshsim.xds.messages import (
    accesslog_pb2,
    base_pb2,
    cel_access_log_filter_pb2,
    config_source_pb2,
    extension_pb2,
    file_access_log_pb2,
    grpc_access_log_pb2,
    grpc_service_pb2,
    otel_access_log_pb2,
    otlp_common_pb2,
    reqwithoutquery_formatter_pb2,
    struct_pb2,
    substitution_format_string_pb2,
)
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext

AccessLog = accesslog_pb2.AccessLog
AccessLogFilter = accesslog_pb2.AccessLogFilter

_FILE: Final = "envoy.access_loggers.file"
_HTTP_GRPC: Final = "envoy.access_loggers.http_grpc"
_TCP_GRPC: Final = "envoy.tcp_grpc_access_log"
_OTEL: Final = "envoy.access_loggers.open_telemetry"
_ALS_CLUSTER: Final = "envoy_accesslog_service"
_STATE: Final = ("upstream_peer", "downstream_peer")
_WASM_STATE: Final = (
    *_STATE,
    "wasm.upstream_peer",
    "wasm.upstream_peer_id",
    "wasm.downstream_peer",
    "wasm.downstream_peer_id",
)

TEXT_FORMAT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "
    "%ROUTE_NAME%\n"
)
"""Istio's default text format (EnvoyTextLogFormat)."""

JSON_FORMAT: Final[Mapping[str, str]] = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""Istio's default JSON format (EnvoyJSONLogFormatIstio)."""


class LogPlace(Enum):
    """What writes the log."""

    HTTP = "http"
    TCP = "tcp"
    LISTENER = "listener"
    """A connection that no filter chain took."""


def access_logs(
    push: PushContext, applied: AppliedTelemetry, listener_class: ListenerClass, place: LogPlace
) -> list[accesslog_pb2.AccessLog]:
    """Access logs as Telemetry and default providers say, else as the older fields of the mesh configuration do."""
    mesh = push.mesh.fields
    if place is LogPlace.LISTENER and mesh.flag("disableEnvoyListenerLog"):
        return []
    configured = []
    if applied.logging or default_providers(push, "accessLogging"):
        configured = [
            (choice, log)
            for choice in logging_choices(push, applied, listener_class)
            if (log := _provider_log(push, choice.provider)) is not None
        ]
    if not configured:
        return _mesh_logs(mesh, place)
    out = []
    for choice, log in configured:
        if choice.disabled:
            continue
        filters = [_no_route_filter()] if place is LogPlace.LISTENER else []
        if choice.expression is not None:
            filters.append(_expression_filter(choice.expression))
        _set_filter(log, filters)
        out.append(log)
    return out


def _mesh_logs(mesh: Fields, place: LogPlace) -> list[accesslog_pb2.AccessLog]:
    """`accessLogFile` and `enableEnvoyAccessLogService`."""
    filters = [_no_route_filter()] if place is LogPlace.LISTENER else []
    out = []
    path = mesh.text("accessLogFile")
    if path:
        log = _mesh_file_log(mesh, path)
        _set_filter(log, filters)
        out.append(log)
    if mesh.flag("enableEnvoyAccessLogService"):
        common = _grpc_common(ProviderCluster("", _ALS_CLUSTER), _WASM_STATE)
        if place is LogPlace.HTTP:
            common.log_name = "http_envoy_accesslog"
            config = pack(grpc_access_log_pb2.HttpGrpcAccessLogConfig(common_config=common))
            log = AccessLog(name=_HTTP_GRPC, typed_config=config)
        else:
            common.log_name = "listener_envoy_accesslog" if place is LogPlace.LISTENER else "tcp_envoy_accesslog"
            config = pack(grpc_access_log_pb2.TcpGrpcAccessLogConfig(common_config=common))
            log = AccessLog(name=_TCP_GRPC, typed_config=config)
        _set_filter(log, filters)
        out.append(log)
    return out


def _set_filter(log: accesslog_pb2.AccessLog, filters: Sequence[accesslog_pb2.AccessLogFilter]) -> None:
    if len(filters) == 1:
        log.filter.CopyFrom(filters[0])
    elif filters:
        log.filter.and_filter.filters.extend(filters)


def _no_route_filter() -> accesslog_pb2.AccessLogFilter:
    return AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=["NR"]))


def _expression_filter(expression: str) -> accesslog_pb2.AccessLogFilter:
    config = cel_access_log_filter_pb2.ExpressionFilter(expression=expression)
    return AccessLogFilter(
        extension_filter=accesslog_pb2.ExtensionFilter(
            name="envoy.access_loggers.extension_filters.cel", typed_config=pack(config)
        )
    )


# --- providers ---------------------------------------------------------------------------------------------------


def _provider_log(push: PushContext, provider: Fields) -> accesslog_pb2.AccessLog | None:
    """The log of an extension provider; ``None`` for one that does not log or whose service is unknown."""
    if "envoyFileAccessLog" in provider:
        settings = provider.fields("envoyFileAccessLog")
        plain = "logFormat" not in settings and not settings.flag("omitEmptyValues")
        if provider.text("name") == "envoy" and plain:
            return _mesh_file_log(push.mesh.fields, settings.text("path"))
        return _file_log(settings)
    for kind in ("envoyHttpAls", "envoyTcpAls", "envoyOtelAls"):
        if kind in provider:
            settings = provider.fields(kind)
            target = lookup_cluster(push, settings.text("service"), settings.integer("port"))
            if target is None:
                return None
            if kind == "envoyOtelAls":
                return _otel_log(settings, target)
            return _grpc_log(settings, target, http=kind == "envoyHttpAls")
    return None


def _mesh_file_log(mesh: Fields, path: str) -> accesslog_pb2.AccessLog:
    """The file log in `accessLogEncoding` and `accessLogFormat`."""
    own = mesh.text("accessLogFormat")
    if mesh.text("accessLogEncoding", "TEXT") == "JSON":
        return _as_file(path, _json_format(_parsed_json(own) or JSON_FORMAT, omit_empty=False))
    return _as_file(path, _text_format(own, omit_empty=False))


def _parsed_json(text: str) -> Mapping[str, object] | None:
    """A JSON object, ``None`` for anything else: Pilot then logs an error and uses its default format."""
    try:
        parsed = json.loads(text) if text else None
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _file_log(settings: Fields) -> accesslog_pb2.AccessLog:
    path = settings.text("path", "/dev/stdout") or "/dev/stdout"
    log_format = settings.fields("logFormat")
    omit_empty = settings.flag("omitEmptyValues")
    if "labels" in log_format:
        return _as_file(path, _json_format(log_format.fields("labels").body or JSON_FORMAT, omit_empty))
    return _as_file(path, _text_format(log_format.text("text"), omit_empty))


def _as_file(path: str, log_format: substitution_format_string_pb2.SubstitutionFormatString) -> accesslog_pb2.AccessLog:
    config = file_access_log_pb2.FileAccessLog(path=path, log_format=log_format)
    return AccessLog(name=_FILE, typed_config=pack(config))


def _text_format(text: str, omit_empty: bool) -> substitution_format_string_pb2.SubstitutionFormatString:
    if not text:
        text = TEXT_FORMAT
    elif not text.endswith("\n"):
        text += "\n"
    return substitution_format_string_pb2.SubstitutionFormatString(
        text_format_source=base_pb2.DataSource(inline_string=text),
        omit_empty_values=omit_empty,
        formatters=_formatters(text),
    )


def _json_format(
    labels: Mapping[str, object], omit_empty: bool
) -> substitution_format_string_pb2.SubstitutionFormatString:
    return substitution_format_string_pb2.SubstitutionFormatString(
        json_format=_struct(labels),
        json_format_options=substitution_format_string_pb2.JsonFormatOptions(),
        omit_empty_values=omit_empty,
        formatters=_formatters(*(value for value in labels.values() if isinstance(value, str))),
    )


def _struct(body: Mapping[str, object]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(body), struct_pb2.Struct())


def _formatters(*texts: str) -> list[extension_pb2.TypedExtensionConfig]:
    """The extension that the one operator outside Envoy's built-in set needs."""
    if not any("%REQ_WITHOUT_QUERY" in text for text in texts):
        return []
    config = pack(reqwithoutquery_formatter_pb2.ReqWithoutQuery())
    return [extension_pb2.TypedExtensionConfig(name="envoy.formatter.req_without_query", typed_config=config)]


def _grpc_common(target: ProviderCluster, state: Sequence[str]) -> grpc_access_log_pb2.CommonGrpcAccessLogConfig:
    service = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=target.cluster, authority=target.hostname)
    return grpc_access_log_pb2.CommonGrpcAccessLogConfig(
        grpc_service=grpc_service_pb2.GrpcService(envoy_grpc=service),
        transport_api_version=config_source_pb2.ApiVersion.V3,
        filter_state_objects_to_log=state,
    )


def _grpc_log(settings: Fields, target: ProviderCluster, http: bool) -> accesslog_pb2.AccessLog:
    common = _grpc_common(target, settings.texts("filterStateObjectsToLog") or _STATE)
    common.log_name = settings.text("logName") or ("http_envoy_accesslog" if http else "tcp_envoy_accesslog")
    if not http:
        tcp = grpc_access_log_pb2.TcpGrpcAccessLogConfig(common_config=common)
        return AccessLog(name=_TCP_GRPC, typed_config=pack(tcp))
    config = grpc_access_log_pb2.HttpGrpcAccessLogConfig(
        common_config=common,
        additional_request_headers_to_log=settings.texts("additionalRequestHeadersToLog"),
        additional_response_headers_to_log=settings.texts("additionalResponseHeadersToLog"),
        additional_response_trailers_to_log=settings.texts("additionalResponseTrailersToLog"),
    )
    return AccessLog(name=_HTTP_GRPC, typed_config=pack(config))


def _otel_log(settings: Fields, target: ProviderCluster) -> accesslog_pb2.AccessLog:
    log_format = settings.fields("logFormat")
    text = log_format.text("text") or TEXT_FORMAT
    labels = {k: v if isinstance(v, str) else "" for k, v in log_format.fields("labels").body.items()}
    common = _grpc_common(target, _WASM_STATE)
    common.log_name = settings.text("logName") or "otel_envoy_accesslog"
    config = otel_access_log_pb2.OpenTelemetryAccessLogConfig(
        common_config=common,
        disable_builtin_labels=True,
        body=otlp_common_pb2.AnyValue(string_value=text),
        formatters=_formatters(text, *labels.values()),
    )
    for key in sorted(labels):
        config.attributes.values.add(key=key, value=otlp_common_pb2.AnyValue(string_value=labels[key]))
    return AccessLog(name=_OTEL, typed_config=pack(config))
