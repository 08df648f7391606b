"""The HTTP routes of a VirtualService as Envoy routes.

Modelled on istio pilot/pkg/networking/core/route/route.go (BuildHTTPRoutesForVirtualService, TranslateRoute),
release 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import cluster_name, parse_cluster_name
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.routes.actions import (
    RouteContext,
    apply_direct_response,
    apply_forwarding,
    apply_redirect,
    set_timeout,
)
from meshsim.controlplane.routes.filters import CORS_FILTER, FAULT_FILTER, build_cors, build_fault
from meshsim.controlplane.routes.hash_policy import build_hash_policy
from meshsim.controlplane.routes.headers import NONE, header_operations
from meshsim.controlplane.routes.matches import build_route_match, is_catch_all, source_matches
from meshsim.controlplane.routes.retry import build_retry_policy
from meshsim.controlplane.virtual_services import RouteSemantics, route_semantics
from meshsim.xds.messages import base_pb2, route_components_pb2
from meshsim.xds.packing import pack

_DEFAULT_ROUTE: Final = "default"


def build_http_routes(virtual_service: VirtualService, context: RouteContext) -> list[route_components_pb2.Route]:
    """One Envoy route for each condition that can hold for this proxy, up to the first that takes everything."""
    out: list[route_components_pb2.Route] = []
    for http in virtual_service.spec.items("http"):
        matches = http.items("match")
        if not matches:
            route = build_http_route(virtual_service, http, None, context)
            if route is not None:
                out.append(route)
            break
        for match in matches:
            route = build_http_route(virtual_service, http, match, context)
            if route is not None:
                out.append(route)
                if is_catch_all(route.match):
                    return out
    return out


def build_http_route(
    virtual_service: VirtualService, http: Fields, match: Fields | None, context: RouteContext
) -> route_components_pb2.Route | None:
    """The Envoy route of one condition of an http entry; `None` when it is not meant for this proxy or port."""
    if match is not None and match.integer("port") not in (0, context.listener_port):
        return None
    if not source_matches(match, context.proxy_labels, context.proxy_namespace, context.gateway_names):
        return None
    semantics = route_semantics(virtual_service.source)
    gateway_semantics = semantics is RouteSemantics.GATEWAY
    out = route_components_pb2.Route(
        name=_route_name(http, match),
        match=build_route_match(match, path_separated=semantics is not RouteSemantics.ISTIO),
        metadata=config_metadata(virtual_service),
        stat_prefix=match.text("statPrefix") if match is not None else "",
    )
    operations = header_operations(http.fields("headers")) if "headers" in http else NONE
    out.request_headers_to_add.extend(operations.request_add)
    out.request_headers_to_remove.extend(operations.request_remove)
    out.response_headers_to_add.extend(operations.response_add)
    out.response_headers_to_remove.extend(operations.response_remove)
    if "redirect" in http:
        apply_redirect(out, http.fields("redirect"), context)
    elif "directResponse" in http:
        apply_direct_response(out, http.fields("directResponse"))
    else:
        apply_forwarding(out, http, operations.authority, gateway_semantics, context)
    out.decorator.operation = _operation(out, virtual_service.name, context.listener_port)
    if "fault" in http:
        out.typed_per_filter_config[FAULT_FILTER].CopyFrom(pack(build_fault(http.fields("fault"))))
    if "corsPolicy" in http:
        out.typed_per_filter_config[CORS_FILTER].CopyFrom(pack(build_cors(http.fields("corsPolicy"))))
    return out


def build_default_route(
    host: str, port: int, default_retries: Fields | None, consistent_hash: Fields | None
) -> route_components_pb2.Route:
    """The route to a service that no VirtualService is about (istio route.go BuildDefaultHTTPOutboundRoute)."""
    out = route_components_pb2.Route(
        name=_DEFAULT_ROUTE,
        match=route_components_pb2.RouteMatch(prefix="/"),
        decorator=route_components_pb2.Decorator(operation=trace_operation(host, port)),
    )
    out.route.cluster = cluster_name(port, "", host)
    set_timeout(out.route, None)
    # Unlike on a VirtualService's route, the previous-hosts predicate stays with consistent hashing.
    retries = build_retry_policy(default_retries, consistent_hash=False)
    if retries is not None:
        out.route.retry_policy.CopyFrom(retries)
    policy = build_hash_policy(consistent_hash)
    if policy is not None:
        out.route.hash_policy.append(policy)
    return out


def trace_operation(host: str, port: int) -> str:
    """Name of the trace operation of a whole service port."""
    return f"{host}:{port}/*"


def config_metadata(virtual_service: VirtualService) -> base_pb2.Metadata:
    """Names the VirtualService for telemetry (istio pilot/pkg/networking/util BuildConfigInfoMetadata)."""
    out = base_pb2.Metadata()
    out.filter_metadata["istio"]["config"] = (
        f"/apis/networking.istio.io/v1/namespaces/{virtual_service.namespace}/virtual-service/{virtual_service.name}"
    )
    return out


def _route_name(http: Fields, match: Fields | None) -> str:
    name = http.text("name")
    own = match.text("name") if match is not None else ""
    return f"{name}.{own}" if own else name


def _operation(route: route_components_pb2.Route, name: str, port: int) -> str:
    """``host:port/path`` where the route has one cluster, else the VirtualService's name in place of the host."""
    kind = route.match.WhichOneof("path_specifier")
    if kind == "prefix":
        path = route.match.prefix + "*"
    elif kind == "path":
        path = route.match.path
    elif kind == "safe_regex":
        path = route.match.safe_regex.regex
    else:
        path = "/*"
    cluster = parse_cluster_name(route.route.cluster)
    return f"{cluster.hostname}:{cluster.port}{path}" if cluster is not None else f"{name}:{port}{path}"
