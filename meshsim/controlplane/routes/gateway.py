"""Route configurations of gateways.

Modelled on istio pilot/pkg/networking/core/gateway.go (buildGatewayHTTPRouteConfig), release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshsim.api import Fields
from meshsim.controlplane.envoy_filters import PatchContext
from meshsim.controlplane.gateways import GatewayServer, MergedGateway
from meshsim.controlplane.host_names import domain_with_port, host_order, hosts_for_namespace, intersection
from meshsim.controlplane.model import Proxy, Service, VirtualService
from meshsim.controlplane.routes.actions import RouteContext
from meshsim.controlplane.routes.hash_policy import hash_for_destination
from meshsim.controlplane.routes.hosts import HostEntry, HostRoutes, encode_configuration, encode_empty_configuration
from meshsim.controlplane.routes.http_routes import build_http_routes
from meshsim.controlplane.routes.matches import is_catch_all
from meshsim.controlplane.routes.patches import patched_body
from meshsim.xds.messages import route_components_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext

_Routes = Sequence[route_components_pb2.Route]

_NO_ROUTES: Final = HostRoutes(b"")


@dataclass(slots=True)
class _Host:
    """A virtual host in the making."""

    port: int
    domains: list[str]
    routes: list[route_components_pb2.Route]
    require_tls: bool = False


class GatewayRoutes:
    """The route configurations of one merged gateway, shared by the proxies that run it and see the same."""

    def __init__(self, push: PushContext, proxy: Proxy, merged: MergedGateway | None) -> None:
        self._push = push
        self._proxy = proxy
        self._merged = merged
        self._scope = push.scope(proxy)
        headers = push.proxy_config(proxy).fields("proxyHeaders")
        self._attempt_count = not headers.fields("attemptCount").flag("disabled")
        mesh = push.mesh.fields
        self._default_retries = mesh.fields("defaultHttpRetryPolicy") if "defaultHttpRetryPolicy" in mesh else None
        self._bodies: dict[str, bytes] = {}

    def body(self, name: str) -> bytes:
        """The serialized RouteConfiguration of this name; empty of hosts when no server has it."""
        body = self._bodies.get(name)
        if body is None:
            servers = self._merged.servers_by_route.get(name) if self._merged is not None else None
            body = self._build(name, servers) if servers else encode_empty_configuration(name)
            port_map = self._merged.port_map if self._merged is not None else {}
            body = patched_body(body, self._push.envoy_filters(self._proxy), PatchContext.GATEWAY, port_map)
            self._bodies[name] = body
        return body

    def _build(self, name: str, servers: Sequence[GatewayServer]) -> bytes:
        hosts: dict[str, _Host] = {}
        built: dict[tuple[str, str, str], list[route_components_pb2.Route]] = {}
        for server in servers:
            self._add_server(server, hosts, built)
        if not hosts:
            # A host without routes answers every request with 404.
            return encode_configuration(
                name, [HostEntry(domain_with_port("blackhole", servers[0].port), ("*",), _NO_ROUTES)]
            )
        entries = [self._entry(name, host) for name, host in _collapse(hosts).items()]
        entries.sort(key=lambda entry: entry.name)
        return encode_configuration(name, entries)

    def _add_server(
        self,
        server: GatewayServer,
        hosts: dict[str, _Host],
        built: dict[tuple[str, str, str], list[route_components_pb2.Route]],
    ) -> None:
        """The hosts that VirtualServices and this server have in common, with their routes appended in order."""
        for virtual_service in self._push.virtual_services_for_gateway(server.gateway_name, self._proxy):
            common = intersection(
                hosts_for_namespace(server.hosts, virtual_service.namespace), virtual_service.hosts
            )
            if not common:
                continue
            key = (server.gateway_name, virtual_service.namespace, virtual_service.name)
            routes = built.get(key)
            if routes is None:
                routes = build_http_routes(virtual_service, self._context(server, virtual_service))
                if not routes:
                    continue
                built[key] = routes
            for host in (name.lower() for name in common):
                entry = hosts.setdefault(host, _Host(server.port, [host], []))
                entry.routes += routes
                entry.require_tls = entry.require_tls or server.https_redirect
        if server.https_redirect:
            for host in (name.lower() for name in server.hosts):
                hosts.setdefault(host, _Host(server.port, [host], [])).require_tls = True

    def _context(self, server: GatewayServer, virtual_service: VirtualService) -> RouteContext:
        def lookup_service(host: str) -> Service | None:
            own = self._push.service(host, virtual_service.namespace)
            if own is not None and self._push.is_visible(own, self._proxy.namespace):
                return own
            return self._scope.service_for_host(host)

        return RouteContext(
            listener_port=server.port,
            proxy_labels=self._proxy.labels,
            proxy_namespace=self._proxy.namespace,
            gateway_names=(server.gateway_name,),
            lookup_service=lookup_service,
            lookup_hash=self._hash_of,
            default_retries=self._default_retries,
            tls=server.tls is not None,
        )

    def _hash_of(self, destination: Fields) -> Fields | None:
        rule = self._scope.destination_rule(destination.text("host"), self._proxy.labels)
        return hash_for_destination(rule, destination)

    def _entry(self, name: str, host: _Host) -> HostEntry:
        tls = route_components_pb2.VirtualHost.ALL if host.require_tls else route_components_pb2.VirtualHost.NONE
        message = route_components_pb2.VirtualHost(
            routes=_catch_all_last(host.routes),
            require_tls=tls,
            include_request_attempt_count=self._attempt_count,
        )
        body = HostRoutes(message.SerializeToString(deterministic=True))
        return HostEntry(domain_with_port(name, host.port), host.domains, body)


def _catch_all_last(routes: _Routes) -> list[route_components_pb2.Route]:
    """Routes of several VirtualServices, those that take everything behind all others (istio SortVHostRoutes)."""
    return sorted(routes, key=lambda route: is_catch_all(route.match))


def _collapse(hosts: dict[str, _Host]) -> dict[str, _Host]:
    """Hosts with the very same routes joined under the first of them (istio collapseDuplicateRoutes)."""
    joined: dict[str, _Host] = {}
    known: dict[tuple[int, ...], str] = {}
    for name in sorted(hosts, key=host_order):
        host = hosts[name]
        identity = tuple(id(route) for route in host.routes)
        first = joined.get(known.get(identity, ""))
        if first is not None and first.require_tls == host.require_tls:
            first.domains += host.domains
        else:
            known[identity] = name
            joined[name] = host
    return joined
