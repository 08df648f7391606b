"""Listeners of a gateway: one for each port of its merged Gateways.

istio pilot/pkg/networking/core/gateway.go (buildGatewayListeners, buildGatewayTCPBasedFilterChains), release 1.31.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meshsim.controlplane import filters
from meshsim.controlplane.listeners.chains import ChainSpec, HttpChain
from meshsim.controlplane.listeners.connection_manager import HttpSettings
from meshsim.controlplane.listeners.gateway_tcp import GatewayTcpChains
from meshsim.controlplane.listeners.outbound import listener_name
from meshsim.controlplane.listeners.policies import ChainPolicies
from meshsim.controlplane.listeners.profile import Profile
from meshsim.controlplane.listeners.proxy_settings import flag
from meshsim.controlplane.listeners.rendering import balance_exactly, bare_listener, render_chain
from meshsim.controlplane.listeners.tcp import TcpRoutes
from meshsim.controlplane.listeners.tls_context import declared_context, proxy_certificates
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import base_pb2, listener_components_pb2, listener_pb2, tls_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.gateways import GatewayServer, MergedGateway, ServerPort
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope

_FIRST_UNPRIVILEGED: Final = 1024
_GATEWAY: Final = ListenerClass.GATEWAY


@dataclass(slots=True)
class _Draft:
    """A listener in the making; ports that differ only in protocol share one."""

    bind: str
    port: int
    chains: list[ChainSpec] = field(default_factory=list)


class GatewayListeners:
    """Builds the listeners of one gateway proxy."""

    def __init__(
        self,
        push: PushContext,
        profile: Profile,
        proxy: Proxy,
        scope: SidecarScope,
        gateway: MergedGateway,
        policies: ChainPolicies,
    ) -> None:
        self._profile = profile
        self._proxy = proxy
        self._gateway = gateway
        self._policies = policies
        network, cache = profile.network, push.cache
        labels = dict(scope.selected_labels(proxy.labels))
        self._tcp = GatewayTcpChains(
            routes=TcpRoutes(network, cache, scope, labels, _GATEWAY, policies),
            unguarded=TcpRoutes(network, cache, scope, labels, _GATEWAY),
            virtual_services=lambda name: push.virtual_services_for_gateway(name, proxy),
            gateway=gateway,
            context=self._context,
        )

    def build(self) -> list[listener_pb2.Listener]:
        """Listeners with at least one chain."""
        drafts: dict[str, _Draft] = {}
        for port in self._gateway.server_ports:
            if port.number < _FIRST_UNPRIVILEGED and flag(self._proxy, "UNPRIVILEGED_POD"):
                continue
            bind = port.bind or self._profile.network.wildcard
            draft = drafts.setdefault(listener_name(bind, port.number), _Draft(bind, port.number))
            draft.chains += self._chains(port)
        return [self._listener(name, draft) for name, draft in drafts.items() if draft.chains]

    def _chains(self, port: ServerPort) -> list[ChainSpec]:
        """Plain HTTP: one connection manager for all servers; else a chain or more for each server."""
        merged = self._gateway.servers[port]
        extensions = tuple(self._profile.network.extensions.network_filters(_GATEWAY, port.number))
        if parse_protocol(port.protocol).is_http:
            settings = HttpSettings(_GATEWAY, parse_protocol(port.protocol), port.number)
            return [ChainSpec(http=HttpChain(merged.route_name, settings), filters=extensions)]
        out: list[ChainSpec] = []
        for server in merged.servers:
            if server.terminates_https:
                out.append(self._https_chain(server, port.number, extensions))
                # Istio puts the network extensions of a port into the chain of its first HTTPS server only.
                extensions = ()
            else:
                out += self._tcp.chains(server, port.number)
        return out

    def _https_chain(
        self, server: GatewayServer, port: int, extensions: tuple[listener_components_pb2.Filter, ...]
    ) -> ChainSpec:
        info = self._gateway.tls_info[server]
        settings = HttpSettings(_GATEWAY, server.protocol, port)
        return ChainSpec(
            http=HttpChain(info.route_name, settings, stat_prefix=server.name),
            filters=extensions,
            sni_hosts=info.sni_hosts,
            tls=self._context(server),
        )

    def _context(self, server: GatewayServer) -> tls_pb2.DownstreamTlsContext:
        assert server.tls is not None
        certificates = proxy_certificates(self._proxy)
        return declared_context(self._profile.mesh, server.tls, certificates, tcp=not server.terminates_https)

    def _listener(self, name: str, draft: _Draft) -> listener_pb2.Listener:
        out = bare_listener(name, draft.bind, draft.port, base_pb2.TrafficDirection.OUTBOUND, limited=True)
        topology = self._profile.proxy_config.fields("gatewayTopology")
        if "proxyProtocol" in topology:
            out.listener_filters.append(filters.proxy_protocol())
        if any(chain.needs_tls_inspector for chain in draft.chains):
            out.listener_filters.append(filters.tls_inspector())
        if self._profile.network.exact_outbound_balance:
            balance_exactly(out)
        out.filter_chains.extend(render_chain(self._profile, name, chain, self._policies) for chain in draft.chains)
        out.access_log.extend(self._profile.network.of(_GATEWAY).listener_logs)
        return out
