"""Filter chains of a sidecar's outbound listeners.

istio pilot/pkg/networking/core/listener.go (buildSidecarOutboundTCPListenerOpts, buildSidecarOutboundHTTPListenerOpts)
and tls.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from meshsim.api import Fields
from meshsim.controlplane.host_names import MESH_GATEWAY, domain_with_port, hosts_overlap
from meshsim.controlplane.listeners.chains import PLAINTEXT_HTTP_ALPNS, RAW_BUFFER, ChainSpec, HttpChain
from meshsim.controlplane.listeners.connection_manager import HttpSettings
from meshsim.controlplane.listeners.proxy_settings import WILDCARD
from meshsim.controlplane.listeners.tcp import TcpRoutes
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort
from meshsim.controlplane.routes.domains import short_forms
from meshsim.controlplane.telemetry import ListenerClass

if TYPE_CHECKING:
    from meshsim.controlplane.model import VirtualService

DYNAMIC_DNS_CACHE: Final = "allow_any_dfp_dns_cache"
DYNAMIC_DNS_HOSTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A service port on the way to its listener."""

    service: Service
    port: ServicePort
    """Its number is that of the listener."""
    bind: str
    cidrs: tuple[str, ...]
    """Addresses of a service whose address is a network, which the chain matches instead of the listener."""
    virtual_services: Sequence[VirtualService]


@dataclass(frozen=True, slots=True)
class OutboundChains:
    """Makes the chains of one view."""

    routes: TcpRoutes
    dns_domain: str

    # --- HTTP -----------------------------------------------------------------------------------------------

    def http(self, target: Target) -> list[ChainSpec]:
        """One connection manager that knows its routes by the listener's port, or by host where the address tells."""
        port = target.port
        if port.port == 0:
            name = target.bind
        elif port.protocol.is_auto and target.bind != self.routes.profile.wildcard:
            name = domain_with_port(target.service.hostname, port.port)
        else:
            name = str(port.port)
        return [ChainSpec(http=HttpChain(name, self.http_settings(port, target.service)))]

    def http_settings(self, port: ServicePort, service: Service | None) -> HttpSettings:
        cache, hosts = "", 0
        if self.routes.scope.outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
            cache, hosts = DYNAMIC_DNS_CACHE, DYNAMIC_DNS_HOSTS
        elif service is not None and service.resolution is Resolution.DYNAMIC_DNS:
            cache = f"{service.hostname}_dfp_dns_cache"
        return HttpSettings(
            ListenerClass.SIDECAR_OUTBOUND,
            port.protocol,
            port.port,
            dynamic_dns_cache=cache,
            dynamic_dns_hosts=hosts,
        )

    # --- TCP and TLS ----------------------------------------------------------------------------------------

    def tcp(self, target: Target) -> list[ChainSpec]:
        """Chains by SNI for TLS ports, by destination for others."""
        chosen = [v for v in target.virtual_services if any(hosts_overlap(h, target.service.hostname) for h in v.hosts)]
        return self._tls_chains(target, chosen) if target.port.protocol.is_tls else self._tcp_chains(target, chosen)

    def _tls_chains(self, target: Target, virtual_services: Sequence[VirtualService]) -> list[ChainSpec]:
        out: list[ChainSpec] = []
        handled: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        cidrs = target.cidrs
        for virtual_service in virtual_services:
            for tls in virtual_service.spec.items("tls"):
                for match in tls.items("match"):
                    if not self._matches(match, target.port.port):
                        continue
                    subnets = match.texts("destinationSubnets")
                    if subnets and target.port.port > 0:
                        # Once a match names subnets they stay for those after it.
                        cidrs = subnets
                    predicate = (match.texts("sniHosts"), subnets)
                    if predicate in handled:
                        continue
                    handled.add(predicate)
                    out.append(
                        ChainSpec(
                            filters=self.routes.to_routes(tls.items("route"), target.port, virtual_service),
                            sni_hosts=match.texts("sniHosts"),
                            destination_cidrs=cidrs,
                            virtual_service=virtual_service,
                        )
                    )
        if out:
            return out
        return [
            ChainSpec(
                filters=self.routes.to_service(target.service, target.port),
                sni_hosts=self._sni_hosts(target, cidrs),
                destination_cidrs=cidrs,
            )
        ]

    def _sni_hosts(self, target: Target, cidrs: Sequence[str]) -> tuple[str, ...]:
        """The names of a service whose address does not tell it apart; none for one with an address of its own."""
        service = target.service
        wildcard = self.routes.profile.wildcard
        address = "" if "/" in service.default_address else service.default_address
        if service.registry is Registry.EXTERNAL and self.routes.profile.ipv6 and address == WILDCARD:
            address = wildcard
        if not (cidrs or not address or (address == wildcard and target.bind == wildcard)):
            return ()
        aliases = [name for alias in service.aliases for name in (alias, *short_forms(alias, 0, self.dns_domain))]
        return (service.hostname, *aliases)

    def _tcp_chains(self, target: Target, virtual_services: Sequence[VirtualService]) -> list[ChainSpec]:
        out: list[ChainSpec] = []
        takes_all = False
        for virtual_service in virtual_services:
            for tcp in virtual_service.spec.items("tcp"):
                matches = tcp.items("match")
                matching = [m for m in matches if self._matches(m, target.port.port)]
                unconditional = not matches or any(
                    not m.texts("destinationSubnets") or target.port.port == 0 for m in matching
                )
                if not (unconditional or matching):
                    continue
                filters = self.routes.to_routes(tcp.items("route"), target.port, virtual_service)
                if unconditional:
                    out.append(
                        ChainSpec(filters=filters, destination_cidrs=target.cidrs, virtual_service=virtual_service)
                    )
                    return out
                subnets = tuple(s for m in matching for s in m.texts("destinationSubnets"))
                out.append(ChainSpec(filters=filters, destination_cidrs=subnets))
                takes_all = takes_all or sorted(subnets) == sorted(target.cidrs)
        if not takes_all:
            filters = self.routes.to_service(target.service, target.port)
            out.append(ChainSpec(filters=filters, destination_cidrs=target.cidrs))
        return out

    def _matches(self, match: Fields, port: int) -> bool:
        """The conditions known before a connection comes: gateway, labels, port and namespace of the client."""
        gateways = match.texts("gateways")
        if gateways and MESH_GATEWAY not in gateways:
            return False
        labels = self.routes.labels
        if any(labels.get(key) != value for key, value in match.text_map("sourceLabels").items()):
            return False
        if match.text("sourceNamespace") not in ("", self.routes.scope.namespace):
            return False
        return match.integer("port") in (0, port)


def sniffed(chains: Sequence[ChainSpec]) -> list[ChainSpec]:
    """The chains for connections in which plain HTTP was recognised."""
    return [
        replace(
            chain,
            application_protocols=(*chain.application_protocols, *PLAINTEXT_HTTP_ALPNS),
            transport_protocol=RAW_BUFFER,
        )
        for chain in chains
    ]


def is_mongo_or_mysql(protocol: Protocol) -> bool:
    """Protocols in which the server speaks first, so that nothing can be recognised beside them."""
    return protocol in (Protocol.MONGO, Protocol.MYSQL)
