"""Inline route configurations of inbound connection managers: every request to the application.

istio pilot/pkg/networking/core/httproute.go (buildSidecarInboundHTTPRouteConfig) and route/route.go
(BuildDefaultHTTPInboundRoute), release 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Protocol, ServicePort
from meshsim.controlplane.routes.http_routes import trace_operation
from meshsim.controlplane.routes.retry import build_retry_policy
from meshsim.xds.messages import duration_pb2, route_components_pb2, route_pb2, wrappers_pb2

_RESET_BEFORE_REQUEST: Final = "reset-before-request"
_RETRIES: Final = 2


def inbound_routes(mesh: MeshConfig, cluster: str, hostname: str, port: ServicePort) -> route_pb2.RouteConfiguration:
    """One virtual host with one route; without timeouts, since the client's proxy has them."""
    no_time = duration_pb2.Duration()
    action = route_components_pb2.RouteAction(
        cluster=cluster,
        timeout=no_time,
        max_stream_duration=route_components_pb2.RouteAction.MaxStreamDuration(
            max_stream_duration=no_time, grpc_timeout_header_max=no_time
        ),
    )
    if port.protocol not in (Protocol.GRPC, Protocol.GRPC_WEB):
        action.retry_policy.CopyFrom(_retry_policy(mesh))
    route = route_components_pb2.Route(
        name="default",
        match=route_components_pb2.RouteMatch(prefix="/"),
        decorator=route_components_pb2.Decorator(operation=trace_operation(hostname, port.port)),
        route=action,
    )
    host = route_components_pb2.VirtualHost(name=f"inbound|http|{port.port}", domains=["*"], routes=[route])
    return route_pb2.RouteConfiguration(
        name=cluster, virtual_hosts=[host], validate_clusters=wrappers_pb2.BoolValue(value=False)
    )


def _retry_policy(mesh: MeshConfig) -> route_components_pb2.RetryPolicy:
    """Retries of requests that the application has not seen, or those of `defaultInboundHttpRetryPolicy`."""
    policy = mesh.fields.fields("defaultInboundHttpRetryPolicy")
    if policy.integer("attempts") > 0:
        declared = build_retry_policy(policy, consistent_hash=False)
        assert declared is not None
        return declared
    return route_components_pb2.RetryPolicy(
        retry_on=_RESET_BEFORE_REQUEST, num_retries=wrappers_pb2.UInt32Value(value=_RETRIES)
    )
