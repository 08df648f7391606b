"""Route configurations of gateways.

Modelled on istio pilot/pkg/networking/core/gateway.go (buildGatewayHTTPRouteConfig), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.gateways import GatewayServer, MergedGateway
from meshsim.controlplane.host_names import domain_with_port, host_order, hosts_for_namespace, intersection
from meshsim.controlplane.model import Proxy, VirtualService
from meshsim.controlplane.routes.destinations import Meaning
from meshsim.controlplane.routes.hosts import (
    NO_ROUTES,
    BuiltRoute,
    HostEntry,
    HostHead,
    HostRoutes,
    encode_configuration,
    encode_empty_configuration,
    encode_host,
)
from meshsim.controlplane.routes.patches import patched_body
from meshsim.controlplane.routes.sharing import RouteSharing, Surroundings

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope


class GatewayView(NamedTuple):
    """Everything that the routes of a gateway proxy depend on."""

    merged: MergedGateway | None
    scope: SidecarScope
    attempt_count: bool
    labels: tuple[tuple[str, str | None], ...]
    """Values of the labels that source conditions and workload selectors ask for."""
    patches: PatchSet
    """EnvoyFilter patches; compared by identity."""


def gateway_view(push: PushContext, proxy: Proxy, sharing: RouteSharing) -> GatewayView:
    """The view of a proxy."""
    merged = push.merged_gateway(proxy)
    scope = push.scope(proxy)
    keys = dict.fromkeys(scope.selector_labels)
    for name in _gateway_names(merged):
        for virtual_service in push.virtual_services_for_gateway(name, proxy):
            keys.update(dict.fromkeys(sharing.facts(virtual_service).source_labels))
    return GatewayView(
        merged=merged,
        scope=scope,
        attempt_count=not push.proxy_config(proxy).fields("proxyHeaders").fields("attemptCount").flag("disabled"),
        labels=tuple((key, proxy.labels.get(key)) for key in keys),
        patches=push.envoy_filters(proxy),
    )


def _gateway_names(merged: MergedGateway | None) -> Iterable[str]:
    if merged is None:
        return ()
    return dict.fromkeys(server.gateway_name for servers in merged.servers_by_route.values() for server in servers)


@dataclass(slots=True)
class _Host:
    """A virtual host in the making."""

    port: int
    domains: list[str]
    routes: list[BuiltRoute]
    require_tls: bool = False


class GatewayRoutes:
    """The route configurations of one merged gateway, shared by the proxies that run it and see the same."""

    def __init__(self, push: PushContext, view: GatewayView, sharing: RouteSharing) -> None:
        self._push = push
        self._view = view
        self._scope = view.scope
        self._sharing = sharing
        self._labels = {key: value for key, value in view.labels if value is not None}
        self._bodies: dict[str, bytes] = {}

    def body(self, name: str) -> bytes:
        """The serialized RouteConfiguration of this name; empty of hosts when no server has it."""
        body = self._bodies.get(name)
        if body is None:
            merged = self._view.merged
            servers = merged.servers_by_route.get(name) if merged is not None else None
            body = self._build(name, servers) if servers else encode_empty_configuration(name)
            port_map = merged.port_map if merged is not None else {}
            body = patched_body(body, self._view.patches, PatchContext.GATEWAY, port_map)
            self._bodies[name] = body
        return body

    def _build(self, name: str, servers: Sequence[GatewayServer]) -> bytes:
        hosts: dict[str, _Host] = {}
        built: dict[tuple[str, VirtualService], tuple[BuiltRoute, ...]] = {}
        for server in servers:
            self._add_server(server, hosts, built)
        if not hosts:
            # A host without routes answers every request with 404.
            nothing = HostEntry(HostHead.of(domain_with_port("blackhole", servers[0].port), "*"), NO_ROUTES)
            return encode_configuration(name, [encode_host(nothing)])
        entries = [self._entry(name, host) for name, host in _collapse(hosts).items()]
        entries.sort(key=lambda entry: entry.head.name)
        return encode_configuration(name, map(encode_host, entries))

    def _add_server(
        self,
        server: GatewayServer,
        hosts: dict[str, _Host],
        built: dict[tuple[str, VirtualService], tuple[BuiltRoute, ...]],
    ) -> None:
        """The hosts that VirtualServices and this server have in common, with their routes appended in order."""
        for virtual_service in self._push.virtual_services_exported_to(self._scope.namespace, server.gateway_name):
            common = intersection(hosts_for_namespace(server.hosts, virtual_service.namespace), virtual_service.hosts)
            if not common:
                continue
            key = (server.gateway_name, virtual_service)
            routes = built.get(key)
            if routes is None:
                routes = self._sharing.virtual_service_routes(virtual_service, self._around(server, virtual_service))
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

    def _around(self, server: GatewayServer, virtual_service: VirtualService) -> Surroundings:
        def meaning(host: str) -> Meaning:
            own = self._push.service(host, virtual_service.namespace)
            if own is not None and self._push.is_visible(own, self._scope.namespace):
                return Meaning.of(own)
            return Meaning.of(self._scope.service_for_host(host))

        return Surroundings(
            port=server.port,
            gateway=server.gateway_name,
            namespace=self._scope.namespace,
            labels=self._labels,
            meaning=meaning,
            rule=lambda host: self._scope.destination_rule(host, self._labels),
            tls=server.tls is not None,
        )

    def _entry(self, name: str, host: _Host) -> HostEntry:
        # Routes of several VirtualServices: those that take everything stand behind all others (SortVHostRoutes).
        ordered = sorted(host.routes, key=lambda route: route.catch_all)
        routes = HostRoutes.of(ordered, self._view.attempt_count, https_only=host.require_tls)
        return HostEntry(HostHead.of(domain_with_port(name, host.port), host.domains), routes)


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
