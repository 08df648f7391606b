"""Chains of a gateway's servers that forward connections: opaque TCP, terminated TLS, TLS passed on by SNI.

istio pilot/pkg/networking/core/gateway.go (createGatewayTCPFilterChainOpts and what it calls), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import sni_name
from meshsim.controlplane.conversion.inputs import PARENTS_ANNOTATION
from meshsim.controlplane.host_names import host_within, hosts_for_namespace, hosts_overlap
from meshsim.controlplane.listeners.chains import ALL_MTLS_ALPNS, ChainSpec
from meshsim.controlplane.listeners.tcp import TcpRoutes
from meshsim.controlplane.model import Protocol, ServicePort
from meshsim.xds.messages import listener_components_pb2, tls_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.gateways import GatewayServer, MergedGateway
    from meshsim.controlplane.model import VirtualService

_TLS_ROUTE: Final = "TLSRoute/"


@dataclass(frozen=True, slots=True)
class GatewayTcpChains:
    """Makes the chains of one gateway's TCP and TLS servers."""

    routes: TcpRoutes
    unguarded: TcpRoutes
    """Without authorization, for traffic whose mTLS the destination terminates."""
    virtual_services: Callable[[str], Sequence[VirtualService]]
    """Those bound to a Gateway, as the proxy sees them."""
    gateway: MergedGateway
    context: Callable[[GatewayServer], tls_pb2.DownstreamTlsContext]
    _known: dict[int, dict[str, str]] = field(default_factory=dict)
    """SNI hosts taken on each port, with the address their server binds."""

    def chains(self, server: GatewayServer, listener_port: int) -> list[ChainSpec]:
        """The chains of a server; none when no VirtualService routes what it takes."""
        if server.tls is None:
            found = self._from_tcp_routes(server)
            return [ChainSpec(filters=found)] if found else []
        if not server.is_passthrough:
            found = self._from_tcp_routes(server)
            if not found:
                return []
            return [
                ChainSpec(
                    filters=found,
                    sni_hosts=self.gateway.tls_info[server].sni_hosts,
                    tls=self.context(server),
                )
            ]
        if server.tls_mode == "AUTO_PASSTHROUGH":
            return list(self._auto_passthrough(self.gateway.tls_info[server].sni_hosts))
        return list(self._from_tls_routes(server, listener_port))

    def _from_tcp_routes(self, server: GatewayServer) -> tuple[listener_components_pb2.Filter, ...]:
        """Filters of the first TCP route for a server, whatever its destination addresses or clients."""
        mutual_tls = server.tls_mode == "ISTIO_MUTUAL"
        port = _service_port(server)
        for virtual_service in self._virtual_services(server):
            for tcp in virtual_service.spec.items("tcp"):
                matches = tcp.items("match")
                takes = not matches or any(_takes(m, server) for m in matches)
                if takes and tcp.items("route"):
                    return self.routes.to_routes(tcp.items("route"), port, virtual_service, mutual_tls=mutual_tls)
            if not virtual_service.source.annotations.get(PARENTS_ANNOTATION, "").startswith(_TLS_ROUTE):
                continue
            for tls in virtual_service.spec.items("tls"):
                if any(_takes(m, server) for m in tls.items("match")):
                    return self.routes.to_routes(tls.items("route"), port, virtual_service, mutual_tls=mutual_tls)
        return ()

    def _from_tls_routes(self, server: GatewayServer, listener_port: int) -> Iterator[ChainSpec]:
        """A chain for each SNI condition of the server's VirtualServices; a name belongs to the first that has it."""
        port = _service_port(server)
        known = self._known.setdefault(listener_port, {})
        for virtual_service in self._virtual_services(server):
            for tls in virtual_service.spec.items("tls"):
                if not tls.items("route"):
                    continue
                for match in tls.items("match"):
                    if not _takes(match, server):
                        continue
                    if _take_hosts(match.texts("sniHosts"), server.bind, known):
                        filters = self.routes.to_routes(tls.items("route"), port, virtual_service)
                        yield ChainSpec(filters=filters, sni_hosts=match.texts("sniHosts"))

    def _auto_passthrough(self, hosts: Sequence[str]) -> Iterator[ChainSpec]:
        """A chain for each cluster of the mesh's services, told by SNI; only Istio's mTLS is taken."""
        scope = self.unguarded.scope
        for service in scope.services:
            if service.mesh_external or not any(host_within(service.hostname, host) for host in hosts):
                continue
            rule = scope.destination_rule(service.hostname, self.unguarded.labels)
            subsets = ["", *(subset.name for subset in rule.subsets)] if rule is not None else [""]
            for port in service.ports:
                if port.protocol is Protocol.UDP:
                    continue
                for subset in subsets:
                    yield ChainSpec(
                        filters=self.unguarded.to_subset(service, port, subset),
                        sni_hosts=(sni_name(port.port, subset, service.hostname),),
                        application_protocols=ALL_MTLS_ALPNS,
                    )

    def _virtual_services(self, server: GatewayServer) -> Iterator[VirtualService]:
        """Those bound to the server's Gateway whose hosts meet the server's."""
        for item in self.virtual_services(server.gateway_name):
            hosts = hosts_for_namespace(server.hosts, item.namespace)
            if any(hosts_overlap(host, other) for host in hosts for other in item.hosts):
                yield item


def _service_port(server: GatewayServer) -> ServicePort:
    return ServicePort(name=server.port_name, port=server.port, protocol=server.protocol)


def _takes(match: Fields, server: GatewayServer) -> bool:
    """Whether a condition's port and gateways are the server's."""
    if match.integer("port") not in (0, server.port):
        return False
    return server.gateway_name in (match.texts("gateways") or (server.gateway_name,))


def _take_hosts(hosts: Sequence[str], bind: str, known: dict[str, str]) -> bool:
    """Take the names that are free; false when one is not, in which case Envoy would refuse the chain."""
    free = True
    for host in hosts:
        if known.get(host) == bind:
            free = False
        else:
            known[host] = bind
    return free
