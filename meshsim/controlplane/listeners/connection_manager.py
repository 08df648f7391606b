"""The HTTP connection manager of every kind of listener.

istio pilot/pkg/networking/core/listener.go (buildHTTPConnectionManager), gateway.go (buildGatewayConnectionManager),
listener_inbound.go (buildSidecarInboundHTTPOpts), release 1.31.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane import filters
from meshsim.controlplane.extensions import Phase
from meshsim.controlplane.listeners.policies import ChainPolicies
from meshsim.controlplane.listeners.profile import Profile
from meshsim.controlplane.listeners.proxy_settings import ProxyHeaders
from meshsim.controlplane.model import Protocol
from meshsim.controlplane.protobuf_values import duration
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import (
    any_pb2,
    config_source_pb2,
    duration_pb2,
    extension_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    preserve_case_pb2,
    protocol_pb2,
    request_id_uuid_pb2,
    route_pb2,
    wrappers_pb2,
)
from meshsim.xds.packing import pack
from meshsim.xds.type_urls import PREFIX

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager

_TYPE_URL: Final = PREFIX + HttpConnectionManager.DESCRIPTOR.full_name


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What tells one connection manager of a profile from another, beside name and routes."""

    listener_class: ListenerClass
    protocol: Protocol
    port: int = 0
    """Where the application or client meant to connect; extensions select by it."""
    proxies_absolute_urls: bool = False
    """The `http_proxy` listener takes requests in proxy form."""
    dynamic_dns_cache: str = ""
    """DNS cache of a dynamic forward proxy; empty without."""
    dynamic_dns_hosts: int = 0


def http_filter(
    profile: Profile,
    settings: HttpSettings,
    stat_prefix: str,
    routes: str | route_pb2.RouteConfiguration,
    policies: ChainPolicies,
) -> listener_components_pb2.Filter:
    """The network filter with a connection manager; `routes` is a name to ask RDS for or the configuration itself."""
    key = (settings, policies)
    template = profile.connection_managers.get(key)
    if template is None:
        built = _template(profile, settings, policies)
        template = profile.connection_managers[key] = built.SerializeToString(deterministic=True)
    out = HttpConnectionManager(stat_prefix=stat_prefix)
    if isinstance(routes, str):
        out.rds.route_config_name = routes
        out.rds.config_source.ads.SetInParent()
        out.rds.config_source.initial_fetch_timeout.SetInParent()
        out.rds.config_source.resource_api_version = config_source_pb2.ApiVersion.V3
    else:
        out.route_config.CopyFrom(routes)
    # Two serialized messages one after the other are their merge; the large part is the same for all.
    packed = any_pb2.Any(type_url=_TYPE_URL, value=template + out.SerializeToString(deterministic=True))
    return listener_components_pb2.Filter(name=filters.HTTP_CONNECTION_MANAGER, typed_config=packed)


def _template(
    profile: Profile, settings: HttpSettings, policies: ChainPolicies
) -> http_connection_manager_pb2.HttpConnectionManager:
    listener_class = settings.listener_class
    parts = profile.of(listener_class)
    headers = parts.headers
    out = HttpConnectionManager(
        use_remote_address=wrappers_pb2.BoolValue(value=listener_class is ListenerClass.GATEWAY),
        stream_idle_timeout=duration_pb2.Duration(),
        upgrade_configs=[HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        access_log=parts.logs,
        proxy_100_continue=True,
        append_x_forwarded_port=headers.forwarded_port,
        server_name=headers.server_name,
        generate_request_id=None if headers.request_id else wrappers_pb2.BoolValue(value=False),
    )
    if headers.pass_server_through:
        out.server_header_transformation = HttpConnectionManager.PASS_THROUGH
    _set_path_normalization(out, profile.mesh.fields.fields("pathNormalization"))
    idle = profile.network.idle_timeout
    if idle is not None:
        out.common_http_protocol_options.idle_timeout.CopyFrom(duration(idle))
    _set_protocol_options(out, profile, settings, headers)
    if listener_class is ListenerClass.SIDECAR_INBOUND:
        _set_client_cert(out, headers.client_cert, headers.client_cert_fields)
    elif listener_class is ListenerClass.GATEWAY:
        _set_gateway_topology(out, profile.proxy_config.fields("gatewayTopology"))
    tracing = parts.tracing
    if tracing.tracing is not None:
        out.tracing.CopyFrom(tracing.tracing)
    request_id = request_id_uuid_pb2.UuidRequestIdConfig(
        use_request_id_for_trace_sampling=wrappers_pb2.BoolValue(value=tracing.request_id_decides)
    )
    out.request_id_extension.typed_config.CopyFrom(pack(request_id))
    out.http_filters.extend(_http_filters(profile, settings, headers, policies))
    return out


_NORMALIZATIONS: Final = {"NONE": False, "DEFAULT": True, "BASE": True}


def _set_path_normalization(out: http_connection_manager_pb2.HttpConnectionManager, setting: Fields) -> None:
    """`pathNormalization` of the mesh."""
    kind = setting.text("normalization", "DEFAULT")
    out.path_with_escaped_slashes_action = HttpConnectionManager.KEEP_UNCHANGED
    out.normalize_path.value = _NORMALIZATIONS.get(kind, True)
    if kind in ("MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"):
        out.merge_slashes = True
    if kind == "DECODE_AND_MERGE_SLASHES":
        out.path_with_escaped_slashes_action = HttpConnectionManager.UNESCAPE_AND_FORWARD


def _set_protocol_options(
    out: http_connection_manager_pb2.HttpConnectionManager,
    profile: Profile,
    settings: HttpSettings,
    headers: ProxyHeaders,
) -> None:
    if settings.proxies_absolute_urls:
        out.http_protocol_options.allow_absolute_url.value = True
    if settings.listener_class is ListenerClass.GATEWAY:
        out.http_protocol_options.SetInParent()
    if profile.accepts_http10:
        out.http_protocol_options.accept_http_10 = True
    if settings.listener_class is ListenerClass.SIDECAR_INBOUND and settings.protocol.is_http2:
        out.http2_protocol_options.SetInParent()
    if headers.preserve_case:
        # Istio sets these options anew, so that HTTP/1.0 and absolute URLs are off again.
        formatter = extension_pb2.TypedExtensionConfig(
            name="preserve_case", typed_config=pack(preserve_case_pb2.PreserveCaseFormatterConfig())
        )
        options = protocol_pb2.Http1ProtocolOptions
        out.http_protocol_options.CopyFrom(
            options(header_key_format=options.HeaderKeyFormat(stateful_formatter=formatter))
        )


def _set_client_cert(out: http_connection_manager_pb2.HttpConnectionManager, forward: str, parts: Fields) -> None:
    """Which parts of a client's certificate the application is told."""
    out.forward_client_cert_details = HttpConnectionManager.ForwardClientCertDetails.Value(forward)
    out.set_current_client_cert_details.subject.value = parts.flag("subject", True)
    out.set_current_client_cert_details.cert = parts.flag("cert")
    out.set_current_client_cert_details.chain = parts.flag("chain")
    out.set_current_client_cert_details.dns = parts.flag("dns", True)
    out.set_current_client_cert_details.uri = parts.flag("uri", True)


def _set_gateway_topology(out: http_connection_manager_pb2.HttpConnectionManager, topology: Fields) -> None:
    """What stands in front of a gateway, and what it tells of its clients' certificates."""
    out.xff_num_trusted_hops = topology.integer("numTrustedProxies")
    forward = topology.text("forwardClientCertDetails", "UNDEFINED")
    forward = "SANITIZE_SET" if forward == "UNDEFINED" else forward
    out.forward_client_cert_details = HttpConnectionManager.ForwardClientCertDetails.Value(forward)
    if forward in ("APPEND_FORWARD", "SANITIZE_SET"):
        out.set_current_client_cert_details.subject.value = True
        out.set_current_client_cert_details.cert = True
        out.set_current_client_cert_details.dns = True
        out.set_current_client_cert_details.uri = True


def _http_filters(
    profile: Profile, settings: HttpSettings, headers: ProxyHeaders, policies: ChainPolicies
) -> list[http_connection_manager_pb2.HttpFilter]:
    """Identity first, then who may come in, then what is measured and done to requests; the router ends the list."""
    listener_class = settings.listener_class
    inbound = listener_class is ListenerClass.SIDECAR_INBOUND

    def extensions(phase: Phase) -> list[http_connection_manager_pb2.HttpFilter]:
        return profile.network.extensions.http_filters(listener_class, settings.port, phase)

    out = [filters.http_metadata_exchange(inbound=inbound, skip_external=headers.mx_in_mesh_only and not inbound)]
    out += policies.custom_http
    out += extensions(Phase.AUTHN)
    out += policies.jwt
    out += extensions(Phase.AUTHZ)
    out += policies.local_http
    out += extensions(Phase.STATS)
    out += extensions(Phase.UNSPECIFIED)
    if settings.protocol is Protocol.GRPC_WEB:
        out.append(filters.grpc_web())
    out.append(filters.grpc_stats())
    if not inbound:
        out.append(filters.alpn())
    out += [filters.fault(), filters.cors()]
    out += profile.of(listener_class).stats
    if settings.dynamic_dns_cache:
        out.append(
            filters.dynamic_forward_proxy(
                settings.dynamic_dns_cache, ipv6=profile.network.ipv6, max_hosts=settings.dynamic_dns_hosts
            )
        )
    out.append(filters.router(suppress_envoy_headers=not headers.debug_headers))
    return out
