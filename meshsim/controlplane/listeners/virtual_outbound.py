"""`virtualOutbound`, which takes all redirected traffic, and `http_proxy`, which takes explicitly proxied requests.

istio pilot/pkg/networking/core/listener_builder.go (buildVirtualOutboundListener, buildHTTPProxyListener),
release 1.31.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from meshsim.controlplane import filters
from meshsim.controlplane.listeners.chains import PLAINTEXT_HTTP_ALPNS, ChainSpec, HttpChain
from meshsim.controlplane.listeners.connection_manager import http_filter
from meshsim.controlplane.listeners.outbound_chains import OutboundChains
from meshsim.controlplane.listeners.policies import NO_POLICIES
from meshsim.controlplane.listeners.profile import Profile
from meshsim.controlplane.listeners.proxy_settings import Interception, interception
from meshsim.controlplane.listeners.rendering import bare_listener, render_outbound
from meshsim.controlplane.listeners.tcp import BLACK_HOLE_CLUSTER, catch_all, outbound_policy_cluster
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, ServicePort
from meshsim.controlplane.sidecar_scope import SidecarScope
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import (
    base_pb2,
    duration_pb2,
    listener_components_pb2,
    listener_pb2,
    route_components_pb2,
    route_pb2,
    wrappers_pb2,
)

VIRTUAL_OUTBOUND: Final = "virtualOutbound"
_CATCH_ALL: Final = "virtualOutbound-catchall-tcp"
_DYNAMIC_DNS: Final = "allow_any_dynamic_dns"
_MAX_DIRECT_RESPONSE: Final = 1024 * 1024
_OUTBOUND: Final = ListenerClass.SIDECAR_OUTBOUND

FilterChain = listener_components_pb2.FilterChain


def own_listeners(profile: Profile, scope: SidecarScope, chains: OutboundChains) -> list[listener_pb2.Listener]:
    """`http_proxy` and `virtualOutbound`, as far as the proxy has them."""
    port = http_proxy_port(profile)
    proxied = [http_proxy(profile, port, chains)] if port else []
    virtual = virtual_outbound(profile, scope, chains)
    return [*proxied, virtual] if virtual is not None else proxied


def virtual_outbound(profile: Profile, scope: SidecarScope, chains: OutboundChains) -> listener_pb2.Listener | None:
    """Hands connections to the listener of their original destination; those without one stay with it.

    `None` without interception.
    """
    mode = interception(profile.network.proxy)
    port = profile.mesh.outbound_port
    if mode is Interception.NONE:
        return None
    out = bare_listener(
        VIRTUAL_OUTBOUND, profile.network.wildcard, port, base_pb2.TrafficDirection.OUTBOUND, limited=True
    )
    out.use_original_dst.value = True
    if mode is Interception.TPROXY:
        out.transparent.value = True
    # Nothing is ever meant for this port itself; without the first chain such a connection would come here again.
    out.filter_chains.append(
        FilterChain(
            name=f"{VIRTUAL_OUTBOUND}-blackhole",
            filter_chain_match=listener_components_pb2.FilterChainMatch(
                destination_port=wrappers_pb2.UInt32Value(value=port)
            ),
            filters=catch_all(profile.network, _OUTBOUND, BLACK_HOLE_CLUSTER, logs=False),
        )
    )
    rest = catch_all(profile.network, _OUTBOUND, outbound_policy_cluster(scope))
    out.filter_chains.append(FilterChain(name=_CATCH_ALL, filters=rest))
    if scope.outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
        out.listener_filters.append(filters.http_inspector())
        out.filter_chains.append(_dynamic_dns_chain(profile, chains))
    out.access_log.extend(profile.network.of(_OUTBOUND).listener_logs)
    return out


def _dynamic_dns_chain(profile: Profile, chains: OutboundChains) -> listener_components_pb2.FilterChain:
    """HTTP to hosts nobody declared, by what their names resolve to."""
    port = ServicePort(name="", port=0, protocol=Protocol.HTTP)
    manager = http_filter(
        profile,
        chains.http_settings(port, None),
        f"outbound_{VIRTUAL_OUTBOUND}_{_DYNAMIC_DNS};",
        _dynamic_dns_routes(),
        NO_POLICIES,
    )
    return FilterChain(
        name=f"{_CATCH_ALL}-http",
        filter_chain_match=listener_components_pb2.FilterChainMatch(application_protocols=PLAINTEXT_HTTP_ALPNS),
        filters=[manager],
    )


def _dynamic_dns_routes() -> route_pb2.RouteConfiguration:
    no_time = duration_pb2.Duration()
    action = route_components_pb2.RouteAction(
        cluster="AllowAnyDynamicDNSCluster", timeout=no_time, max_grpc_timeout=no_time
    )
    route = route_components_pb2.Route(
        name=_DYNAMIC_DNS, match=route_components_pb2.RouteMatch(prefix="/"), route=action
    )
    host = route_components_pb2.VirtualHost(
        name=_DYNAMIC_DNS, domains=["*"], include_request_attempt_count=True, routes=[route]
    )
    return route_pb2.RouteConfiguration(
        name=_DYNAMIC_DNS,
        virtual_hosts=[host],
        validate_clusters=wrappers_pb2.BoolValue(value=False),
        ignore_port_in_host_matching=True,
        max_direct_response_body_size_bytes=wrappers_pb2.UInt32Value(value=_MAX_DIRECT_RESPONSE),
    )


def http_proxy_port(profile: Profile) -> int:
    """The port for explicitly proxied requests; 0 = none."""
    return profile.network.proxy.metadata.integer("HTTP_PROXY_PORT") or profile.mesh.http_proxy_port


def http_proxy(profile: Profile, port: int, chains: OutboundChains) -> listener_pb2.Listener:
    """Takes requests from applications that are told to use a proxy."""
    any_port = ServicePort(name="", port=0, protocol=Protocol.HTTP_PROXY)
    settings = replace(chains.http_settings(any_port, None), proxies_absolute_urls=True)
    chain = ChainSpec(http=HttpChain("http_proxy", settings))
    name = f"{profile.network.localhost}_{port}"
    return render_outbound(profile, name, profile.network.localhost, port, [chain], (), bind_to_port=True)
