"""Outbound route configurations of sidecars.

Modelled on istio pilot/pkg/networking/core/httproute.go (buildSidecarOutboundHTTPRouteConfig,
BuildSidecarOutboundVirtualHosts) and route/route.go (BuildSidecarVirtualHostWrapper), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.host_names import MESH_GATEWAY, bracketed, domain_with_port
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Proxy, Resolution, Service, VirtualService
from meshsim.controlplane.routes.actions import set_timeout
from meshsim.controlplane.routes.destinations import NOTHING, PASSTHROUGH_CLUSTER, Meaning, destination_cluster
from meshsim.controlplane.routes.domains import DomainSet, ServiceDomains, Viewpoint
from meshsim.controlplane.routes.hosts import (
    BuiltRoute,
    HostEntry,
    HostHead,
    HostRoutes,
    encode_configuration,
    encode_empty_configuration,
)
from meshsim.controlplane.routes.patches import patched_body
from meshsim.controlplane.routes.selection import about_services, most_specific, services_of_port, split_hosts
from meshsim.controlplane.routes.sharing import RouteSharing, Surroundings
from meshsim.xds.messages import route_components_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import EgressListener, SidecarScope

HTTP_PROXY_ROUTE: Final = "http_proxy"
UNIX_PREFIX: Final = "unix://"

_HTTP_PORT: Final = 80
_HTTP_SUFFIX: Final = f":{_HTTP_PORT}"
_DYNAMIC_DNS_CLUSTER: Final = "AllowAnyDynamicDNSCluster"
_DUPLICATE_DOMAIN: Final = "pilot_vservice_dup_domain"


class RouteName(NamedTuple):
    """A sidecar's route configuration name: ``80``, ``host:port`` (protocol detected), `http_proxy`, a unix path."""

    port: int
    sniffed: bool

    @classmethod
    def parse(cls, name: str) -> RouteName | None:
        """The parts of a name, `None` for one that Pilot never gives."""
        if name == HTTP_PROXY_ROUTE or name.startswith(UNIX_PREFIX):
            return cls(0, False)
        _, colon, port = name.partition(":")
        text = port if colon else name
        return cls(int(text), bool(colon)) if text.isdecimal() else None


class SidecarView(NamedTuple):
    """Everything of a proxy, beside its scope, that its outbound routes depend on."""

    dns_domain: str
    attempt_count: bool
    forwarded_host: bool
    labels: tuple[tuple[str, str | None], ...]
    """Values of the labels that source conditions and workload selectors in its scope ask for."""
    patches: PatchSet
    """EnvoyFilter patches; compared by identity."""


def sidecar_view(push: PushContext, proxy: Proxy, label_keys: Iterable[str]) -> SidecarView:
    """The view of a proxy."""
    headers = push.proxy_config(proxy).fields("proxyHeaders")
    return SidecarView(
        dns_domain=proxy.dns_domain,
        attempt_count=not headers.fields("attemptCount").flag("disabled"),
        forwarded_host=headers.fields("xForwardedHost").flag("enabled"),
        labels=tuple((key, proxy.labels.get(key)) for key in label_keys),
        patches=push.envoy_filters(proxy),
    )


def label_keys(scope: SidecarScope, sharing: RouteSharing) -> tuple[str, ...]:
    """Labels of a proxy that decide anything about the routes of a scope."""
    keys = dict.fromkeys(scope.selector_labels)
    for listener in scope.egress_listeners:
        for virtual_service in listener.virtual_services:
            keys.update(dict.fromkeys(sharing.facts(virtual_service).source_labels))
    return tuple(keys)


@dataclass(frozen=True, slots=True, eq=False)
class _HostGroup:
    """Virtual hosts with the same routes on one port (istio route.go VirtualHostWrapper)."""

    port: int
    services: Sequence[Service]
    other_hosts: Sequence[str]
    """Hosts of a VirtualService that are no services."""
    routes: HostRoutes


class _PortHosts:
    """The virtual hosts of one port."""

    def __init__(self, entries: Sequence[HostEntry]) -> None:
        self.entries = entries

    def for_sniffed(self, name: str) -> list[HostEntry]:
        """The virtual host a ``host:port`` configuration is about; alone in it, it takes every Host header."""
        host = name.rpartition(":")[0].strip("[]")
        places = sorted({*self._by_domain.get(name, ()), *self._by_domain.get(host, ())})
        found = [self.entries[at] for at in places]
        if len(found) != 1:
            return found
        return [HostEntry(HostHead.of(found[0].head.name, "*"), found[0].routes)]

    @cached_property
    def _by_domain(self) -> Mapping[str, Sequence[int]]:
        """Places of the virtual hosts with a domain."""
        found: dict[str, list[int]] = {}
        for at, entry in enumerate(self.entries):
            for domain in entry.head.domains:
                found.setdefault(domain, []).append(at)
        return found


class SidecarRoutes:
    """The outbound route configurations that all proxies with one scope and view share."""

    def __init__(
        self, push: PushContext, scope: SidecarScope, view: SidecarView, proxy: Proxy, sharing: RouteSharing
    ) -> None:
        self._push = push
        self._scope = scope
        self._view = view
        self._sharing = sharing
        self._labels: Mapping[str, str] = {key: value for key, value in view.labels if value is not None}
        self._viewpoint = Viewpoint(view.dns_domain, push.cache)
        self._reporter = proxy.node_id
        self._by_port: dict[int, _PortHosts] = {}
        self._bodies: dict[str, bytes] = {}

    def body(self, name: str) -> bytes:
        """The serialized RouteConfiguration of this name."""
        body = self._bodies.get(name)
        if body is None:
            parsed = RouteName.parse(name)
            body = encode_empty_configuration(name) if parsed is None else self._build(name, parsed)
            self._bodies[name] = body
        return body

    def _build(self, name: str, parsed: RouteName) -> bytes:
        hosts = self._hosts(parsed.port, name)
        own = hosts.for_sniffed(name) if parsed.sniffed else [*hosts.entries, self._catch_all()]
        body = encode_configuration(name, own)
        return patched_body(body, self._view.patches, PatchContext.SIDECAR_OUTBOUND, {})

    def _hosts(self, port: int, name: str) -> _PortHosts:
        """Virtual hosts of a port, by name; those of a unix socket or the HTTP proxy are of every port."""
        if not port:
            return _PortHosts(self._build_hosts(port, name))
        found = self._by_port.get(port)
        if found is None:
            found = self._by_port[port] = _PortHosts(self._build_hosts(port, name))
        return found

    def _build_hosts(self, port: int, name: str) -> list[HostEntry]:
        listener = self._scope.egress_listener_for(port, name)
        if listener is None:
            return []
        if listener.has_port and listener.protocol is Protocol.HTTP_PROXY:
            port = 0
        services = services_of_port(listener.services, port, self._push.cache)
        virtual_services: Iterable[VirtualService] = listener.virtual_services
        if port != _HTTP_PORT:
            virtual_services = about_services(virtual_services, services, self._sharing.facts)
        groups = self._virtual_service_groups(listener, virtual_services, services, port)
        groups += self._service_groups(services, groups)
        hosts = self._name_hosts(groups, port)
        hosts.sort(key=lambda host: host.head.name)
        return hosts

    def _virtual_service_groups(
        self,
        listener: EgressListener,
        virtual_services: Iterable[VirtualService],
        services: Mapping[str, Service],
        port: int,
    ) -> list[_HostGroup]:
        around = Surroundings(
            port=port,
            gateway=MESH_GATEWAY,
            namespace=self._scope.namespace,
            labels=self._labels,
            meaning=lambda host: Meaning.of(services.get(host)),
            rule=lambda host: self._scope.destination_rule(host, self._labels),
        )
        winners: Mapping[str, VirtualService] | None = None

        def find_winners() -> Mapping[str, VirtualService]:
            nonlocal winners
            if winners is None:
                winners = most_specific(listener.virtual_services, listener.services)
            return winners

        groups: list[_HostGroup] = []
        for virtual_service in virtual_services:
            routes = self._sharing.virtual_service_routes(virtual_service, around)
            if not routes:
                continue
            facts = self._sharing.facts(virtual_service)
            others, matched = split_hosts(virtual_service, facts, services, find_winners)
            if virtual_service.gateway_semantics and not self._may_override(virtual_service, matched):
                continue
            shared = HostRoutes.of(routes, self._view.attempt_count)
            by_port: dict[int, list[Service]] = {}
            for service in matched:
                for service_port in service.ports:
                    if _is_http_or_detected(service_port.protocol):
                        by_port.setdefault(service_port.port, []).append(service)
            if not by_port and port == _HTTP_PORT:
                by_port[_HTTP_PORT] = []
            groups += [_HostGroup(number, group, others, shared) for number, group in by_port.items()]
        return groups

    def _may_override(self, virtual_service: VirtualService, matched: Sequence[Service]) -> bool:
        """Gateway API routes count in the namespace of the client and for services of their own namespace only."""
        own = virtual_service.namespace
        return any(own in (service.namespace, self._scope.namespace) for service in matched)

    def _service_groups(self, services: Mapping[str, Service], taken: Iterable[_HostGroup]) -> list[_HostGroup]:
        """Services that no VirtualService is about, each with its default route."""
        routed = {service.hostname for group in taken for service in group.services}
        groups = []
        for service in services.values():
            if service.hostname in routed or service.resolution is Resolution.ALIAS:
                continue
            rule = self._scope.destination_rule(service.hostname, self._labels)
            for service_port in service.ports:
                if _is_http_or_detected(service_port.protocol):
                    number = service_port.port
                    route = self._sharing.default_route(service.hostname, number, rule)
                    routes = HostRoutes.of((route,), self._view.attempt_count)
                    groups.append(_HostGroup(number, (service,), (), routes))
        return groups

    def _name_hosts(self, groups: Sequence[_HostGroup], listener_port: int) -> list[HostEntry]:
        """Virtual hosts with names and domains; a name or domain that is taken goes to the first who had it."""
        wanted: list[tuple[ServiceDomains, HostRoutes, Service | None]] = []
        known: set[str] = set()
        for group in groups:
            for other in group.other_hosts:
                host = other.lower()
                name = domain_with_port(host, group.port)
                wanted.append((ServiceDomains.of(name, (bracketed(host),)), group.routes, None))
            for service in group.services:
                domains = self._viewpoint.domains(service, group.port, not listener_port)
                known.add(service.hostname)
                known.add(domains.head.name)
                wanted.append((domains, group.routes, service))
        domain_set = DomainSet(known)
        names: set[str] = set()
        hosts: list[HostEntry] = []
        for domains, routes, about in wanted:
            name = domains.head.name
            if name in names:
                self._report_duplicate(name, about)
                continue
            names.add(name)
            head = domain_set.take(domains)
            if head is not domains.head:
                self._report_duplicate(name, about)
            if not listener_port and not name.endswith(_HTTP_SUFFIX):
                # A proxy listener takes all ports; only on port 80 a Host header goes without one.
                head = HostHead.of(name, (domain for domain in head.domains if ":" in domain))
            if head.domains:
                hosts.append(HostEntry(head, routes))
        return hosts

    def _report_duplicate(self, name: str, service: Service | None) -> None:
        kind = "virtual service" if service is None else "service"
        message = f"duplicate domain from {kind}: {name}"
        self._push.status.add(_DUPLICATE_DOMAIN, name, self._reporter, message)

    def _catch_all(self) -> HostEntry:
        """The virtual host for hosts nobody declared, by the outbound traffic policy."""
        route = route_components_pb2.Route(match=route_components_pb2.RouteMatch(prefix="/"))
        policy = self._scope.outbound_policy
        if policy is OutboundPolicy.REGISTRY_ONLY:
            route.name = "block_all"
            route.direct_response.status = 502
        else:
            egress_proxy = self._scope.egress_proxy
            if policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
                route.name, route.route.cluster = "allow_any_dynamic_dns", _DYNAMIC_DNS_CLUSTER
            elif egress_proxy is not None:
                route.name, route.route.cluster = "allow_any", destination_cluster(egress_proxy, NOTHING, 0)
            else:
                route.name, route.route.cluster = "allow_any", PASSTHROUGH_CLUSTER
            set_timeout(route.route, None)
            route.route.append_x_forwarded_host = self._view.forwarded_host
        return HostEntry(HostHead.of(route.name, "*"), HostRoutes.of([BuiltRoute.of(route)], self._view.attempt_count))


def _is_http_or_detected(protocol: Protocol) -> bool:
    return protocol.is_http or protocol.is_auto
