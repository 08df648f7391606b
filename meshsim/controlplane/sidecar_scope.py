"""What one workload can see: services, VirtualServices and DestinationRules by Sidecar and exportTo.

istio pilot/pkg/model/sidecar.go, release 1.31 (PILOT_UNIFIED_SIDECAR_SCOPE and
PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE on, their defaults).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.destination_rules import MergedDestinationRule, select_destination_rule
from meshsim.controlplane.endpoints.locality import service_failover_labels
from meshsim.controlplane.host_names import MESH_GATEWAY, hosts_overlap, is_wildcard
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Proxy, Registry, Service, VirtualService
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.scope_imports import (
    Imports,
    ServiceUnion,
    all_destinations,
    destinations,
    routes_of,
    with_port,
    with_ports,
)
from meshsim.controlplane.snapshot import identical, kept
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext

_EVERYTHING: Final = Fields({"hosts": ["*/*"]})
"""The egress listener of a namespace without Sidecar."""


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


class ScopeSlot(NamedTuple):
    """What a scope is for, whatever is in it."""

    namespace: str
    sidecar: ByIdentity[ApiObject | None]
    gateway: bool


@dataclass(frozen=True, slots=True, eq=False)
class SidecarScope:
    """The configuration every proxy with the same Sidecar (or none) in one namespace shares."""

    namespace: str
    """Where it takes effect; the Sidecar itself may live in the root namespace."""
    sidecar: ApiObject | None
    slot: ScopeSlot
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
    rules_namespace: str
    """The namespace, if some DestinationRule selects workloads of its own one; else empty: it does not matter."""
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


class _Imported(NamedTuple):
    """Services of all egress listeners and of the destinations of their routes."""

    services: tuple[Service, ...]
    by_host: Mapping[str, Service]
    reads_place: bool
    reads_node: bool


class _Rules(NamedTuple):
    """DestinationRules of the services of a scope, and what they and the services ask of a proxy."""

    by_host: Mapping[str, tuple[MergedDestinationRule, ...]]
    failover_labels: tuple[str, ...]
    selector_labels: tuple[str, ...]
    selective: bool
    """Whether some rule is for selected workloads."""


class ScopeBuilder:
    """Builds the scope of a namespace under a Sidecar, or under none; gateways see whatever is exported to them.

    Each part is made anew only when what it is made from changed, and namespaces that see the same share it.
    """

    def __init__(self, push: PushContext, sidecar: ApiObject | None, namespace: str, *, gateway: bool = False) -> None:
        self._push = push
        self._sidecar = sidecar
        self._namespace = namespace
        self._gateway = gateway
        self._slot = ScopeSlot(namespace, ByIdentity(sidecar), gateway)

    def build(self) -> SidecarScope:
        """The scope; the very same one as before when nothing changed for it."""
        push = self._push
        spec = self._sidecar.spec if self._sidecar is not None else Fields(None)
        egress = () if self._gateway else spec.items("egress")
        listeners = tuple(self._listener(at, item) for at, item in enumerate(egress or (_EVERYTHING,)))
        imported = self._imported(listeners)
        rules = self._rules(imported.services)

        def make(_: SidecarScope | None) -> SidecarScope:
            policy, proxy = _outbound_policy(push, spec)
            return SidecarScope(
                namespace=self._namespace,
                sidecar=self._sidecar,
                slot=self._slot,
                egress_listeners=listeners,
                ingress_listeners=spec.items("ingress"),
                services=imported.services,
                outbound_policy=policy,
                egress_proxy=proxy,
                destination_rules=rules.by_host,
                reads_place=imported.reads_place,
                reads_node=imported.reads_node,
                failover_labels=rules.failover_labels,
                selector_labels=rules.selector_labels,
                rules_namespace=self._namespace if rules.selective else "",
                _by_host=imported.by_host,
            )

        inputs = (listeners, ByIdentity(imported), ByIdentity(rules))
        return push.cache.latest(("scope", self._slot), inputs, make)

    def _listener(self, at: int, item: Fields) -> EgressListener:
        push, namespace = self._push, self._namespace
        services = push.services_exported_to(namespace)
        virtual_services = push.virtual_services_exported_to(namespace, MESH_GATEWAY)

        def make(before: EgressListener | None) -> EgressListener:
            if self._gateway:
                return _listener(item, services, virtual_services)
            made = _convert_listener(push, namespace, item, services, virtual_services)
            if before is None:
                return made
            return replace(
                made,
                services=kept(before.services, made.services),
                virtual_services=kept(before.virtual_services, made.virtual_services),
            )

        return push.cache.latest(("egress listener", self._slot, at), (services, virtual_services), make)

    # --- services -------------------------------------------------------------------------------------------

    def _imported(self, listeners: tuple[EgressListener, ...]) -> _Imported:
        push, first = self._push, listeners[0]
        known = _known(push, first.services)
        if len(listeners) == 1 and known.distinct and self._leads_nowhere_else(first):
            # Whoever sees these services and no other shares them as they are.
            return push.cache.get_or_make(("imported", ByIdentity(first.services)), lambda: _imported(first.services))

        def make(before: _Imported | None) -> _Imported:
            union = ServiceUnion()
            for listener in listeners:
                for service in listener.services:
                    union.add(service)
                if not self._gateway:
                    _import_destinations(push, self._namespace, listener, union)
            services = tuple(union.services)
            return before if before is not None and identical(services, before.services) else _imported(services)

        return push.cache.latest(("imported", self._slot), (listeners, ByIdentity(push.registry.by_host)), make)

    def _leads_nowhere_else(self, listener: EgressListener) -> bool:
        """Whether the routes of a listener lead to services it has anyhow."""
        if self._gateway:
            return True
        push = self._push
        routes, by_host = listener.virtual_services, push.registry.by_host
        key = ("destinations", ByIdentity(routes), ByIdentity(by_host))
        found = push.cache.get_or_make(key, lambda: all_destinations(push.cache, routes, by_host))
        return found <= _known(push, listener.services).all

    # --- rules ----------------------------------------------------------------------------------------------

    def _rules(self, services: tuple[Service, ...]) -> _Rules:
        push = self._push

        def make(before: _Rules | None) -> _Rules:
            rules = {}
            for service in services:
                found = push.destination_rules_for(self._namespace, service)
                if found:
                    rules[service.hostname] = found
            compared = dict.fromkeys(_failover_labels(push, services))
            selected: dict[str, None] = {}
            for found in rules.values():
                for rule in found:
                    compared.update(dict.fromkeys(rule.failover_labels))
                    selected.update(dict.fromkeys(rule.workload_labels or ()))
            selective = any(rule.workload_labels is not None for found in rules.values() for rule in found)
            made = _Rules(rules, tuple(compared), tuple(selected), selective)
            if before == made:
                return before
            # Namespaces without rules of their own see the same ones.
            return push.cache.shared(("scope rules", ByIdentity(services), push.rules), made)

        return push.cache.latest(("scope rules", self._slot), (services, push.rules), make)


class _Known(NamedTuple):
    """What is asked of a list of services as a whole."""

    all: frozenset[Service]
    distinct: bool
    """No two have the same host."""


def _known(push: PushContext, services: tuple[Service, ...]) -> _Known:
    def make() -> _Known:
        return _Known(frozenset(services), len({service.hostname for service in services}) == len(services))

    return push.cache.get_or_make(("known services", ByIdentity(services)), make)


def _imported(services: tuple[Service, ...]) -> _Imported:
    return _Imported(
        services,
        {service.hostname: service for service in services},
        reads_place=any(service.is_dns for service in services),
        reads_node=any(service.node_local for service in services),
    )


def _failover_labels(push: PushContext, services: tuple[Service, ...]) -> tuple[str, ...]:
    def make() -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for s in services for label in service_failover_labels(push.mesh, s)))

    return push.cache.get_or_make(("failover labels", push.mesh, ByIdentity(services)), make)


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


def _convert_listener(
    push: PushContext,
    namespace: str,
    item: Fields,
    services: tuple[Service, ...],
    virtual_services: tuple[VirtualService, ...],
) -> EgressListener:
    """The services and VirtualServices that a listener imports, of those its namespace sees."""
    empty = _listener(item, (), ())
    if item.texts("hosts") == ("*/*",) and not empty.match_port and _known(push, services).distinct:
        if not all(v.hosts for v in virtual_services):
            virtual_services = tuple(v for v in virtual_services if v.hosts)
        return replace(empty, services=services, virtual_services=virtual_services)
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
    return replace(
        empty,
        services=tuple(_select_services(services, namespace, imports, empty)),
        virtual_services=tuple(_select_virtual_services(virtual_services, imports)),
    )


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


def _select_virtual_services(
    virtual_services: Sequence[VirtualService], imports: Mapping[str, Imports]
) -> list[VirtualService]:
    found: list[VirtualService] = []
    everywhere = imports.get("*")
    for item in virtual_services:
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
        routes = routes_of(push.cache, item)
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
