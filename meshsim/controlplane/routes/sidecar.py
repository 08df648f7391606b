"""Outbound route configurations of sidecars.

Modelled on istio pilot/pkg/networking/core/httproute.go (buildSidecarOutboundHTTPRouteConfig,
BuildSidecarOutboundVirtualHosts) and route/route.go (BuildSidecarVirtualHostWrapper), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.host_names import MESH_GATEWAY, domain_with_port, host_order, hosts_overlap, is_wildcard
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Proxy, Resolution, Service, VirtualService
from meshsim.controlplane.routes.actions import RouteContext, set_timeout
from meshsim.controlplane.routes.destinations import PASSTHROUGH_CLUSTER, destination_cluster
from meshsim.controlplane.routes.domains import DomainSet, service_domains, with_port
from meshsim.controlplane.routes.hash_policy import hash_for_destination, hash_for_service
from meshsim.controlplane.routes.hosts import HostEntry, HostRoutes, encode_configuration, encode_empty_configuration
from meshsim.controlplane.routes.http_routes import build_default_route, build_http_routes
from meshsim.controlplane.routes.patches import patched_body
from meshsim.xds.messages import route_components_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import EgressListener, SidecarScope

HTTP_PROXY_ROUTE: Final = "http_proxy"
UNIX_PREFIX: Final = "unix://"

_HTTP_PORT: Final = 80
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


def label_keys(scope: SidecarScope) -> tuple[str, ...]:
    """Labels of a proxy that decide anything about the routes of a scope."""
    keys: dict[str, None] = {}
    for listener in scope.egress_listeners:
        for virtual_service in listener.virtual_services:
            for http in virtual_service.spec.items("http"):
                for match in http.items("match"):
                    keys.update(dict.fromkeys(match.text_map("sourceLabels")))
    for rules in scope.destination_rules.values():
        for rule in rules:
            keys.update(dict.fromkeys(rule.workload_labels or ()))
    return tuple(keys)


@dataclass(frozen=True, slots=True, eq=False)
class _HostGroup:
    """Virtual hosts with the same routes on one port (istio route.go VirtualHostWrapper)."""

    port: int
    services: Sequence[Service]
    other_hosts: Sequence[str]
    """Hosts of a VirtualService that are no services."""
    routes: HostRoutes


class SidecarRoutes:
    """The outbound route configurations that all proxies with one scope and view share."""

    def __init__(self, push: PushContext, scope: SidecarScope, view: SidecarView, proxy: Proxy) -> None:
        self._push = push
        self._scope = scope
        self._view = view
        self._labels: Mapping[str, str] = {key: value for key, value in view.labels if value is not None}
        self._reporter = proxy.node_id
        self._by_port: dict[int, list[HostEntry]] = {}
        self._bodies: dict[str, bytes] = {}
        self._winners: dict[int, Mapping[str, VirtualService]] = {}
        retries = push.mesh.fields
        self._default_retries = (
            retries.fields("defaultHttpRetryPolicy") if "defaultHttpRetryPolicy" in retries else None
        )

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
        own = _for_sniffed(hosts, name) if parsed.sniffed else [*hosts, self._catch_all()]
        body = encode_configuration(name, own)
        return patched_body(body, self._view.patches, PatchContext.SIDECAR_OUTBOUND, {})

    def _hosts(self, port: int, name: str) -> list[HostEntry]:
        """Virtual hosts of a port, by name; those of a unix socket or the HTTP proxy are of every port."""
        if not port:
            return self._build_hosts(port, name)
        found = self._by_port.get(port)
        if found is None:
            found = self._by_port[port] = self._build_hosts(port, name)
        return found

    def _build_hosts(self, port: int, name: str) -> list[HostEntry]:
        listener = self._scope.egress_listener_for(port, name)
        if listener is None:
            return []
        if listener.has_port and listener.protocol is Protocol.HTTP_PROXY:
            port = 0
        services = _services_of_port(listener.services, port)
        virtual_services: Iterable[VirtualService] = listener.virtual_services
        if port != _HTTP_PORT:
            virtual_services = _about_services(virtual_services, services)
        groups = self._virtual_service_groups(listener, virtual_services, services, port)
        groups += self._service_groups(services, groups)
        hosts = self._name_hosts(groups, port)
        hosts.sort(key=lambda host: host.name)
        return hosts

    def _virtual_service_groups(
        self,
        listener: EgressListener,
        virtual_services: Iterable[VirtualService],
        services: Mapping[str, Service],
        port: int,
    ) -> list[_HostGroup]:
        context = RouteContext(
            listener_port=port,
            proxy_labels=self._labels,
            proxy_namespace=self._scope.namespace,
            gateway_names=(MESH_GATEWAY,),
            lookup_service=services.get,
            lookup_hash=self._hash_of,
            default_retries=self._default_retries,
        )
        winners = self._wildcard_winners(listener)
        groups: list[_HostGroup] = []
        for virtual_service in virtual_services:
            routes = build_http_routes(virtual_service, context)
            if not routes:
                continue
            others, matched = _split_hosts(virtual_service, services, winners)
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
        cache = self._push.route_cache
        groups = []
        for service in services.values():
            if service.hostname in routed or service.resolution is Resolution.ALIAS:
                continue
            rule = self._scope.destination_rule(service.hostname, self._labels)
            for service_port in service.ports:
                if not _is_http_or_detected(service_port.protocol):
                    continue
                number = service_port.port
                consistent_hash = hash_for_service(rule, number)
                if consistent_hash is None:
                    routes = cache.default_routes(service.hostname, number, self._view.attempt_count)
                else:
                    route = build_default_route(service.hostname, number, self._default_retries, consistent_hash)
                    routes = HostRoutes.of([route], self._view.attempt_count)
                groups.append(_HostGroup(number, (service,), (), routes))
        return groups

    def _name_hosts(self, groups: Sequence[_HostGroup], listener_port: int) -> list[HostEntry]:
        """Virtual hosts with names and domains; a name or domain that is taken goes to the first who had it."""
        known = frozenset(
            form
            for group in groups
            for service in group.services
            for form in (service.hostname, domain_with_port(service.hostname, group.port))
        )
        domain_set = DomainSet(known)
        names: set[str] = set()
        hosts: list[HostEntry] = []
        for group in groups:
            candidates: list[tuple[str, Service | None]] = [(host.lower(), None) for host in group.other_hosts]
            candidates += [(service.hostname, service) for service in group.services]
            for host, service in candidates:
                name = domain_with_port(host, group.port)
                if name in names:
                    self._report_duplicate(name, service)
                    continue
                names.add(name)
                domains, expanded = with_port(host, 0), list[str]()
                if service is not None:
                    port = 0 if listener_port else group.port
                    domains, expanded = service_domains(service, port, self._view.dns_domain)
                kept = domain_set.take(domains, expanded)
                if len(kept) != len(domains):
                    self._report_duplicate(name, service)
                if not listener_port and group.port != _HTTP_PORT:
                    # A proxy listener takes all ports; only on port 80 a Host header goes without one.
                    kept = [domain for domain in kept if ":" in domain]
                if kept:
                    hosts.append(HostEntry(name, kept, group.routes))
        return hosts

    def _report_duplicate(self, name: str, service: Service | None) -> None:
        kind = "virtual service" if service is None else "service"
        message = f"duplicate domain from {kind}: {name}"
        self._push.status.add(_DUPLICATE_DOMAIN, name, self._reporter, message)

    def _hash_of(self, destination: Fields) -> Fields | None:
        rule = self._scope.destination_rule(destination.text("host"), self._labels)
        return hash_for_destination(rule, destination)

    def _wildcard_winners(self, listener: EgressListener) -> Mapping[str, VirtualService]:
        found = self._winners.get(id(listener))
        if found is None:
            found = self._winners[id(listener)] = _most_specific(listener)
        return found

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
                route.name, route.route.cluster = "allow_any", destination_cluster(egress_proxy, None, 0)
            else:
                route.name, route.route.cluster = "allow_any", PASSTHROUGH_CLUSTER
            set_timeout(route.route, None)
            route.route.append_x_forwarded_host = self._view.forwarded_host
        return HostEntry(route.name, ("*",), HostRoutes.of([route], self._view.attempt_count))


def _is_http_or_detected(protocol: Protocol) -> bool:
    return protocol.is_http or protocol.is_auto


def _services_of_port(services: Sequence[Service], port: int) -> dict[str, Service]:
    """Services by host, each with the listener's port alone; with all ports where the listener takes every port."""
    found: dict[str, Service] = {}
    for service in services:
        if not port:
            found[service.hostname] = service
            continue
        service_port = service.port(port)
        if service_port is None:
            continue
        host = service.hostname.lower()
        if len(service.ports) == 1 and host == service.hostname:
            found[host] = service
        else:
            found[host] = replace(service, hostname=host, ports=(service_port,))
    return found


def _about_services(
    virtual_services: Iterable[VirtualService], services: Mapping[str, Service]
) -> list[VirtualService]:
    """VirtualServices with a host that covers, or is covered by, a service."""
    wildcards = [host for host in services if is_wildcard(host)]

    def about(host: str) -> bool:
        if host in services:
            return True
        candidates = services if is_wildcard(host) else wildcards
        return any(hosts_overlap(host, candidate) for candidate in candidates)

    return [item for item in virtual_services if any(about(host.lower()) for host in item.hosts)]


def _split_hosts(
    virtual_service: VirtualService, services: Mapping[str, Service], winners: Mapping[str, VirtualService]
) -> tuple[list[str], list[Service]]:
    """Hosts of a VirtualService that are no services, and the services it is about.

    A wildcard takes the services for which no other VirtualService has a more specific host.
    """
    others: list[str] = []
    matched: list[Service] = []
    wildcards: list[str] = []
    for host in virtual_service.hosts:
        if is_wildcard(host):
            wildcards.append(host.lower())
            continue
        service = services.get(host.lower())
        if service is not None:
            matched.append(service)
        else:
            others.append(host)
    for host in wildcards:
        if virtual_service.gateway_semantics:
            others.append(host)
            continue
        covered = [service for name, service in services.items() if hosts_overlap(name, host)]
        matched += [service for service in covered if winners.get(service.hostname) is virtual_service]
        if not covered:
            others.append(host)
    return others, matched


def _most_specific(listener: EgressListener) -> dict[str, VirtualService]:
    """For each service the VirtualService with the most specific host; of equal ones the first."""
    exact: dict[str, VirtualService] = {}
    wildcard: dict[str, VirtualService] = {}
    for item in listener.virtual_services:
        for host in item.hosts:
            (wildcard if is_wildcard(host) else exact).setdefault(host, item)
    ordered = sorted(wildcard, key=host_order)
    found: dict[str, VirtualService] = {}
    for service in listener.services:
        host = service.hostname
        winner = wildcard.get(host) if is_wildcard(host) else exact.get(host)
        if winner is None:
            needle = host[1:] if is_wildcard(host) else host
            winner = next((wildcard[cover] for cover in ordered if needle.endswith(cover[1:])), None)
        if winner is not None:
            found[host] = winner
    return found


def _for_sniffed(hosts: Sequence[HostEntry], name: str) -> list[HostEntry]:
    """The virtual host a ``host:port`` configuration is about; alone in it, it takes every Host header."""
    host = name.rpartition(":")[0].strip("[]")
    found = [entry for entry in hosts if name in entry.domains or host in entry.domains]
    return [found[0]._replace(domains=("*",))] if len(found) == 1 else found
