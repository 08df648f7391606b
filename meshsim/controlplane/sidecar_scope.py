"""What one workload can see: services, VirtualServices and DestinationRules by Sidecar and exportTo.

istio pilot/pkg/model/sidecar.go, release 1.31 (PILOT_UNIFIED_SIDECAR_SCOPE and
PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE on, their defaults).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.destination_rules import MergedDestinationRule, select_destination_rule
from meshsim.controlplane.endpoints.locality import service_failover_labels
from meshsim.controlplane.host_names import hosts_overlap, is_wildcard
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Proxy, Registry, Service, VirtualService
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.scope_imports import (
    Imports,
    ServiceUnion,
    destinations,
    route_targets,
    with_port,
    with_ports,
)

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext


@dataclass(frozen=True, slots=True, eq=False)
class EgressListener:
    """One egress listener of a Sidecar, or the single default one."""

    fields: Fields
    """The IstioEgressListener; of the default one only ``hosts: ["*/*"]``."""
    port: int
    """0 = every port (and for unix domain sockets)."""
    protocol: Protocol
    port_name: str
    bind: str
    """Address or unix path; empty = by the service."""
    capture_mode: str
    """``DEFAULT``, ``IPTABLES`` or ``NONE``."""
    match_port: bool
    """Services are cut down to this listener's port."""
    services: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]

    @property
    def has_port(self) -> bool:
        """Whether the listener names a port (a unix domain socket has number 0 but a port all the same)."""
        return "port" in self.fields


@dataclass(frozen=True, slots=True, eq=False)
class SidecarScope:
    """The configuration every proxy with the same Sidecar (or none) in one namespace shares."""

    namespace: str
    """Where it takes effect; the Sidecar itself may live in the root namespace."""
    sidecar: ApiObject | None
    egress_listeners: tuple[EgressListener, ...]
    ingress_listeners: tuple[Fields, ...]
    """IstioIngressListeners."""
    services: tuple[Service, ...]
    """Everything imported, in listener order, for clusters."""
    outbound_policy: OutboundPolicy
    egress_proxy: Fields | None
    """Destination of `outboundTrafficPolicy.egressProxy`."""
    destination_rules: Mapping[str, tuple[MergedDestinationRule, ...]]
    """By host name of the service."""
    reads_place: bool
    """Some service has inline endpoints, so clusters depend on where the proxy is."""
    reads_node: bool
    """Some service has node-local traffic, so assignments depend on the proxy's node."""
    failover_labels: tuple[str, ...]
    """Labels of a proxy that some failover priority compares."""
    selector_labels: tuple[str, ...]
    """Labels of a proxy that some DestinationRule selects by."""
    _by_host: Mapping[str, Service] = field(repr=False)

    def selected_labels(self, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The labels of a proxy on which its DestinationRules depend."""
        return tuple((key, labels[key]) for key in self.selector_labels if key in labels)

    def service_for_host(self, hostname: str) -> Service | None:
        """The service that a host name means here."""
        return self._by_host.get(hostname)

    def services_for_host(self, hostname: str) -> tuple[Service, ...]:
        """The services under a host that may be a wildcard."""
        if not is_wildcard(hostname):
            service = self._by_host.get(hostname)
            return (service,) if service else ()
        return tuple(s for s in self.services if hosts_overlap(hostname, s.hostname))

    def destination_rule(
        self, hostname: str, labels: Mapping[str, str], *, outbound: bool = True
    ) -> MergedDestinationRule | None:
        """The merged rule of a service for a proxy with these labels; workload selectors count outbound only."""
        return select_destination_rule(self.destination_rules.get(hostname, ()), self.namespace, labels, outbound)

    def egress_listener_for(self, port: int, bind: str = "") -> EgressListener | None:
        """The listener a route configuration belongs to: by port, by unix path, or the one for all ports."""
        for listener in self.egress_listeners:
            if not listener.has_port:
                return listener
            if listener.port == port and (port != 0 or listener.bind == bind):
                return listener
        return None

    @property
    def has_ingress(self) -> bool:
        return bool(self.ingress_listeners)


def inbound_connection_pool(sidecar: ApiObject | None, port: int) -> Fields | None:
    """connectionPool of a Sidecar's ingress listener, else its `inboundConnectionPool`; `None` without either."""
    if sidecar is None:
        return None
    for listener in sidecar.spec.items("ingress"):
        if listener.fields("port").integer("number") == port and "connectionPool" in listener:
            return listener.fields("connectionPool")
    if "inboundConnectionPool" in sidecar.spec:
        return sidecar.spec.fields("inboundConnectionPool")
    return None


def build_scope(push: PushContext, sidecar: ApiObject | None, namespace: str, *, gateway: bool = False) -> SidecarScope:
    """The scope of a namespace under a Sidecar, or under none; gateways see whatever is exported to them."""
    spec = sidecar.spec if sidecar is not None else Fields(None)
    listeners: tuple[EgressListener, ...]
    if gateway:
        listeners = (
            _listener(
                Fields({"hosts": ["*/*"]}),
                push.services_exported_to(namespace),
                push.virtual_services_exported_to(namespace, "mesh"),
            ),
        )
    else:
        egress = spec.items("egress") or (Fields({"hosts": ["*/*"]}),)
        listeners = tuple(_convert_listener(push, namespace, item) for item in egress)
    builder = ServiceUnion()
    for listener in listeners:
        for service in listener.services:
            builder.add(service)
        if not gateway:
            _import_destinations(push, namespace, listener, builder)
    services = tuple(builder.services)
    rules = {}
    for service in services:
        found = push.destination_rules_for(namespace, service)
        if found:
            rules[service.hostname] = found
    policy, proxy = _outbound_policy(push, spec)
    compared: dict[str, None] = {}
    selected: dict[str, None] = {}
    for service in services:
        compared.update(dict.fromkeys(service_failover_labels(push.mesh, service)))
    for found in rules.values():
        for rule in found:
            compared.update(dict.fromkeys(rule.failover_labels))
            selected.update(dict.fromkeys(rule.workload_labels or ()))
    return SidecarScope(
        namespace=namespace,
        sidecar=sidecar,
        egress_listeners=listeners,
        ingress_listeners=spec.items("ingress"),
        services=services,
        outbound_policy=policy,
        egress_proxy=proxy,
        destination_rules=rules,
        reads_place=any(service.is_dns for service in services),
        reads_node=any(service.node_local for service in services),
        failover_labels=tuple(compared),
        selector_labels=tuple(selected),
        _by_host=builder.by_host(),
    )


def _outbound_policy(push: PushContext, spec: Fields) -> tuple[OutboundPolicy, Fields | None]:
    if "outboundTrafficPolicy" not in spec:
        return push.mesh.outbound_policy, None
    policy = spec.fields("outboundTrafficPolicy")
    proxy = policy.fields("egressProxy") if "egressProxy" in policy else None
    return OutboundPolicy(policy.text("mode", "REGISTRY_ONLY")), proxy


def _listener(item: Fields, services: Sequence[Service], virtual_services: Sequence[VirtualService]) -> EgressListener:
    port = item.fields("port")
    protocol = parse_protocol(port.text("protocol")) if "port" in item else Protocol.UNSUPPORTED
    number = port.integer("number")
    return EgressListener(
        fields=item,
        port=number,
        protocol=protocol,
        port_name=port.text("name"),
        bind=item.text("bind"),
        capture_mode=item.text("captureMode", "DEFAULT"),
        match_port=number != 0 and protocol is not Protocol.HTTP_PROXY,
        services=tuple(services),
        virtual_services=tuple(virtual_services),
    )


def _convert_listener(push: PushContext, namespace: str, item: Fields) -> EgressListener:
    imports: dict[str, Imports] = {}
    for host in item.texts("hosts"):
        owner, _, name = host.partition("/")
        excluded = owner.startswith("~") and len(owner) > 1
        owner = owner[1:] if excluded else owner
        entry = imports.setdefault(namespace if owner == "." else owner, Imports())
        if excluded:
            entry.excluded.append(name)
        else:
            entry.add(name)
    empty = _listener(item, (), ())
    services = _select_services(push.services_exported_to(namespace), namespace, imports, empty)
    virtual_services = _select_virtual_services(push, namespace, imports)
    return replace(empty, services=tuple(services), virtual_services=tuple(virtual_services))


def _select_services(
    services: Sequence[Service], namespace: str, imports: Mapping[str, Imports], listener: EgressListener
) -> list[Service]:
    imported: list[Service] = []
    everywhere = imports.get("*")
    for service in services:
        found = None
        named = imports.get(service.namespace)
        if named is not None and named.excludes(service.hostname):
            continue
        if named is not None:
            found = _matching_service(named, service, listener)
        if found is None and everywhere is not None:
            found = _matching_service(everywhere, service, listener)
        if found is not None:
            imported.append(found)
    chosen = _choose_namespaces(imported, namespace)
    return [s for s in imported if chosen[s.hostname] == s.namespace]


def _choose_namespaces(imported: Sequence[Service], namespace: str) -> dict[str, str]:
    """One namespace a host name: the workload's own, else Kubernetes services first, else the oldest."""
    chosen: dict[str, tuple[str, bool]] = {}
    for service in imported:
        mine = (service.namespace, service.registry is Registry.KUBERNETES)
        seen = chosen.get(service.hostname)
        if seen is None or service.namespace == namespace or (not seen[1] and mine[1] and seen[0] != namespace):
            chosen[service.hostname] = mine
    return {host: owner for host, (owner, _) in chosen.items()}


def _matching_service(imports: Imports, service: Service, listener: EgressListener) -> Service | None:
    if not imports.takes_service(service.hostname):
        return None
    found = with_port(service, listener.port) if listener.match_port else service
    if found is None or not found.aliases:
        return found
    aliases = tuple(alias for alias in found.aliases if imports.takes_service(alias))
    return found if aliases == found.aliases else replace(found, aliases=aliases)


def _select_virtual_services(push: PushContext, namespace: str, imports: Mapping[str, Imports]) -> list[VirtualService]:
    found: list[VirtualService] = []
    everywhere = imports.get("*")
    for item in push.virtual_services_exported_to(namespace, "mesh"):
        named = imports.get(item.namespace)
        if named is not None and item.hosts and all(named.excludes(h) for h in item.hosts):
            continue
        for entry in (named, everywhere):
            if entry is not None and any(entry.takes_virtual_service(h, item.gateway_semantics) for h in item.hosts):
                found.append(item)
                break
    return found


def _import_destinations(push: PushContext, namespace: str, listener: EgressListener, union: ServiceUnion) -> None:
    """Add the services that imported VirtualServices route to."""
    for item in listener.virtual_services:
        routes = push.cache.get_or_make(("route targets", item), partial(route_targets, item))
        for host, ports in destinations(routes, namespace).items():
            service = push.visible_service(host, namespace)
            if service is None:
                continue
            found = with_port(service, listener.port) if listener.match_port else with_ports(service, ports)
            if found is not None:
                union.add(found)


def choose_sidecar(sidecars: Sequence[ApiObject], proxy: Proxy) -> ApiObject | None:
    """The Sidecar of a workload: with a matching selector first, then without one; the oldest of each."""
    for wants_selector in (True, False):
        for item in sidecars:
            selector = item.spec.fields("workloadSelector")
            if ("workloadSelector" in item.spec) is not wants_selector:
                continue
            if all(proxy.labels.get(k) == v for k, v in selector.text_map("labels").items()):
                return item
    return None
