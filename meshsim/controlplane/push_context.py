"""The push context: an immutable, indexed reading of everything Pilot generates from.

istio pilot/pkg/model/push_context.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields, ObjectKey, ObjectView
from meshsim.controlplane.destination_rules import DestinationRuleIndex, MergedDestinationRule
from meshsim.controlplane.envoy_filters import EnvoyFilterIndex, PatchSet
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import (
    Endpoint,
    MutualTls,
    Proxy,
    PushStatus,
    Service,
    ServicePort,
    ServiceTarget,
    VirtualService,
)
from meshsim.controlplane.peer_policies import PeerPolicies
from meshsim.controlplane.registry import ServiceRegistry
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.sidecar_scope import SidecarScope, build_scope, choose_sidecar
from meshsim.controlplane.views import ProxyView, view_of
from meshsim.controlplane.visibility import exported_to

if TYPE_CHECKING:
    from meshsim.controlplane.gateways import MergedGateway
    from meshsim.controlplane.listeners.cache import ListenerCache
    from meshsim.controlplane.routes.cache import RouteCache

ISTIO: Final = "istio.io"
SPIFFE: Final = "spiffe://"


class Snapshot:
    """The objects of one instant, by kind; a later change of the store does not reach it."""

    def __init__(self, objects: ObjectView) -> None:
        self._by_kind: dict[str, tuple[ApiObject, ...]] = {
            kind: tuple(objects.select(kind)) for kind in READ_KINDS
        }

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        return [
            item
            for item in self._by_kind.get(kind, ())
            if (group is None or item.group == group) and (namespace is None or item.namespace == namespace)
        ]

    def get(self, key: ObjectKey) -> ApiObject | None:
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[ObjectKey, ApiObject]:
        return {item.key: item for items in self._by_kind.values() for item in items}

    def same(self, previous: Snapshot | None, *kinds: str) -> bool:
        """Whether these kinds have the very objects they had in another snapshot."""
        return previous is not None and all(
            identical(self._by_kind[kind], previous._by_kind[kind]) for kind in kinds
        )


def identical(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two sequences hold the very same objects."""
    return len(one) == len(other) and all(map(is_, one, other))


READ_KINDS: Final = (
    "AuthorizationPolicy",
    "BackendTLSPolicy",
    "ConfigMap",
    "DestinationRule",
    "EndpointSlice",
    "EnvoyFilter",
    "GRPCRoute",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "Ingress",
    "IngressClass",
    "ListenerSet",
    "Namespace",
    "Node",
    "PeerAuthentication",
    "Pod",
    "ProxyConfig",
    "ReferenceGrant",
    "RequestAuthentication",
    "Secret",
    "Service",
    "ServiceEntry",
    "Sidecar",
    "TCPRoute",
    "TLSRoute",
    "Telemetry",
    "TrafficExtension",
    "VirtualService",
    "WasmPlugin",
    "WorkloadEntry",
    "WorkloadGroup",
)
"""Kinds Pilot reads."""


def by_age(items: Sequence[ApiObject]) -> tuple[ApiObject, ...]:
    """Oldest first, then by name and namespace (istio pilot/pkg/model/config.go sortConfigByCreationTime)."""
    return tuple(sorted(items, key=lambda o: (o.created, o.name, o.namespace)))


class PushContext:
    """What every generator reads. Made by `build_push_context`; nothing in it changes but memoised views."""

    registry: ServiceRegistry
    cache: GenerationCache
    peer_policies: PeerPolicies
    _rules: DestinationRuleIndex
    _envoy_filters: EnvoyFilterIndex

    def __init__(self, objects: ObjectView, mesh: MeshConfig, previous: PushContext | None = None) -> None:
        from meshsim.controlplane.conversion import convert
        from meshsim.controlplane.virtual_services import resolve_virtual_services

        self.mesh = mesh
        self.objects = Snapshot(objects)
        self.status = PushStatus()
        """Conflicts counted while building and generating."""
        if previous is not None and previous.mesh is not mesh:
            previous = None
        before = previous.objects if previous else None
        self.registry = ServiceRegistry(self.objects, mesh, previous.registry if previous else None)
        self.services: tuple[Service, ...] = self.registry.services
        """All services, oldest first."""
        self._configs: dict[str, tuple[ApiObject, ...]] = {}
        self.converted = convert(
            self.objects, mesh, lambda host, namespace: self.visible_service(host, namespace) is not None
        )
        """Istio objects made from Gateway API and Ingress objects."""
        converted = self.converted.virtual_services
        self.virtual_services: tuple[VirtualService, ...] = (
            previous.virtual_services
            if previous
            and self.objects.same(before, "VirtualService")
            and identical(converted, previous.converted.virtual_services)
            else resolve_virtual_services(self.objects, mesh, converted)
        )
        """Oldest first."""
        self.cache = previous.cache if previous else GenerationCache()
        """Generated bytes by their inputs, passed from context to context."""
        authentication = self.configs("PeerAuthentication")
        self.peer_policies = (
            previous.peer_policies
            if previous and previous.peer_policies.is_made_of(mesh, authentication)
            else PeerPolicies(mesh, authentication)
        )
        rules = self.configs("DestinationRule")
        self._rules = (
            previous._rules
            if previous and identical(rules, previous.configs("DestinationRule"))
            else DestinationRuleIndex(rules, mesh, previous._rules if previous else None)
        )
        self.status.update(self._rules.status)
        filters = self.configs("EnvoyFilter")
        self._envoy_filters = (
            previous._envoy_filters
            if previous and previous._envoy_filters.is_made_of(mesh.root_namespace, filters)
            else EnvoyFilterIndex(filters, mesh.root_namespace)
        )
        self._views: dict[int, tuple[Proxy, ProxyView]] = {}
        self._responses: dict[Hashable, tuple[Resource, ...]] = {}
        self._sidecars: dict[str, tuple[ApiObject, ...]] = {}
        for item in self.configs("Sidecar"):
            self._sidecars[item.namespace] = (*self._sidecars.get(item.namespace, ()), item)
        self._scopes: dict[tuple[str, int, bool], SidecarScope] = {}
        self._exported_services: dict[str, tuple[Service, ...]] = {}
        self._exported_virtual_services: dict[tuple[str, str], tuple[VirtualService, ...]] = {}
        if previous is not None:
            self._share(previous)
        self._targets: dict[int, tuple[Proxy, tuple[ServiceTarget, ...]]] = {}
        self._gateways: dict[int, tuple[Proxy, MergedGateway | None]] = {}

    def _share(self, previous: PushContext) -> None:
        """Take over the views whose inputs are the very same."""
        same_services = identical(self.services, previous.services)
        same_routes = self.virtual_services is previous.virtual_services
        if same_services:
            self._exported_services = previous._exported_services
        if same_routes:
            self._exported_virtual_services = previous._exported_virtual_services
        if (
            same_services
            and same_routes
            and self._rules is previous._rules
            and identical(self.configs("Sidecar"), previous.configs("Sidecar"))
        ):
            self._scopes = previous._scopes

    # --- configuration objects ------------------------------------------------------------------------------

    def configs(self, kind: str, namespace: str | None = None) -> tuple[ApiObject, ...]:
        """Objects of an Istio kind, oldest first, of one namespace or of all.

        Gateway and other names that the Gateway API shares mean Istio's here.
        """
        key = f"{kind}/{namespace}" if namespace is not None else kind
        found = self._configs.get(key)
        if found is None:
            own = [o for o in self.objects.select(kind, None, namespace) if o.group.endswith(ISTIO)]
            made = [o for o in self.converted.of_kind(kind) if namespace in (None, o.namespace)]
            found = by_age([*own, *made])
            self._configs[key] = found
        return found

    # --- services -------------------------------------------------------------------------------------------

    def service(self, hostname: str, namespace: str) -> Service | None:
        """The service of a host name defined in a namespace."""
        return self.registry.by_host.get(hostname, {}).get(namespace)

    def visible_service(self, hostname: str, namespace: str) -> Service | None:
        """The service a destination means to a namespace: its own, else the first visible one by namespace name."""
        by_namespace: Mapping[str, Service] = self.registry.by_host.get(hostname, {})
        if namespace in by_namespace:
            return by_namespace[namespace]
        visible = [n for n, s in by_namespace.items() if self.is_visible(s, namespace)]
        return by_namespace[min(visible)] if visible else None

    def is_visible(self, service: Service, namespace: str) -> bool:
        """Whether a namespace sees a service (exportTo)."""
        return exported_to(service.export_to or self.mesh.service_export_to, service.namespace, namespace)

    def services_exported_to(self, namespace: str) -> tuple[Service, ...]:
        """Services a namespace sees: private ones first, then those exported to it by name, then public ones."""
        found = self._exported_services.get(namespace)
        if found is None:
            private: list[Service] = []
            named: list[Service] = []
            public: list[Service] = []
            for service in self.services:
                export_to = service.export_to or self.mesh.service_export_to
                if "~" in export_to:
                    continue
                if "*" in export_to:
                    public.append(service)
                elif "." in export_to and service.namespace == namespace:
                    private.append(service)
                elif namespace in export_to:
                    named.append(service)
            found = (*private, *named, *public)
            self._exported_services[namespace] = found
        return found

    def endpoints(self, service: Service, port: ServicePort) -> tuple[Endpoint, ...]:
        """Addresses behind a port of a service, whatever their health."""
        return self.registry.endpoints(service, port)

    def service_targets(self, proxy: Proxy) -> tuple[ServiceTarget, ...]:
        """Service ports that the workload of a proxy serves, the oldest service first."""
        held = self._targets.get(id(proxy))
        if held is None:
            targets = sorted(self.registry.targets(proxy), key=lambda t: (t.service.created, t.service.hostname))
            held = (proxy, tuple(targets))
            self._targets[id(proxy)] = held
        return held[1]

    # --- views ----------------------------------------------------------------------------------------------

    def scope(self, proxy: Proxy) -> SidecarScope:
        """What a proxy sees, shared by all proxies with the same Sidecar in the same namespace."""
        sidecar: ApiObject | None = None
        if not proxy.is_router:
            sidecar = choose_sidecar(self._sidecars.get(proxy.namespace, ()), proxy)
            if sidecar is None:
                sidecar = self._root_sidecar()
        key = (proxy.namespace, id(sidecar), proxy.is_router)
        found = self._scopes.get(key)
        if found is None:
            found = build_scope(self, sidecar, proxy.namespace, gateway=proxy.is_router)
            self._scopes[key] = found
        return found

    def view(self, proxy: Proxy) -> ProxyView:
        """What outbound generators may read of a proxy."""
        held = self._views.get(id(proxy))
        if held is None:
            held = (proxy, view_of(proxy, self.scope(proxy)))
            self._views[id(proxy)] = held
        return held[1]

    def response(self, key: Hashable, make: Callable[[], tuple[Resource, ...]]) -> tuple[Resource, ...]:
        """Resources that proxies with one key share in this context, made on first use."""
        found = self._responses.get(key)
        if found is None:
            found = make()
            self._responses[key] = found
        return found

    def _root_sidecar(self) -> ApiObject | None:
        for item in self._sidecars.get(self.mesh.root_namespace, ()):
            if "workloadSelector" not in item.spec:
                return item
        return None

    def destination_rules_for(self, namespace: str, service: Service) -> tuple[MergedDestinationRule, ...]:
        """DestinationRules for a service as a namespace sees them."""
        return self._rules.lookup(namespace, service.namespace, service.hostname)

    # --- routing --------------------------------------------------------------------------------------------

    def virtual_services_exported_to(self, namespace: str, gateway: str) -> tuple[VirtualService, ...]:
        """VirtualServices bound to a gateway (``mesh`` or ``namespace/name``) that a namespace sees.

        Private ones first, then those exported to the namespace by name, then public ones; among these, Gateway API
        routes of the namespace itself lead (istio pilot/pkg/model/push_context.go VirtualServicesForGateway).
        """
        key = (namespace, gateway)
        found = self._exported_virtual_services.get(key)
        if found is None:
            private: list[VirtualService] = []
            named: list[VirtualService] = []
            own: list[VirtualService] = []
            public: list[VirtualService] = []
            for item in self.virtual_services:
                if gateway not in item.gateways or "~" in item.export_to:
                    continue
                if "*" in item.export_to:
                    (own if item.gateway_semantics and item.namespace == namespace else public).append(item)
                elif "." in item.export_to and item.namespace == namespace:
                    private.append(item)
                elif namespace in item.export_to:
                    named.append(item)
            found = (*private, *named, *own, *public)
            self._exported_virtual_services[key] = found
        return found

    def virtual_services_for_gateway(self, gateway: str, proxy: Proxy) -> tuple[VirtualService, ...]:
        """VirtualServices bound to a gateway as one proxy sees them."""
        return self.virtual_services_exported_to(proxy.namespace, gateway)

    def merged_gateway(self, proxy: Proxy) -> MergedGateway | None:
        """All Gateways that select a proxy, merged by port; `None` when none does."""
        from meshsim.controlplane.gateways import merge_gateways

        held = self._gateways.get(id(proxy))
        if held is None:
            held = (proxy, merge_gateways(self, proxy))
            self._gateways[id(proxy)] = held
        return held[1]

    @cached_property
    def route_cache(self) -> RouteCache:
        """Route configurations already built from this reading."""
        from meshsim.controlplane.routes.cache import RouteCache

        return RouteCache(self)

    @cached_property
    def listener_cache(self) -> ListenerCache:
        """Listeners already built from this reading."""
        from meshsim.controlplane.listeners.cache import ListenerCache

        return ListenerCache(self)

    # --- security -------------------------------------------------------------------------------------------

    def mutual_tls_mode(self, namespace: str, labels: Mapping[str, str] | None = None, port: int = 0) -> MutualTls:
        """PeerAuthentication mode of a namespace, or of a workload with labels, on one of its ports.

        Without labels only mesh and namespace levels count, as for the clients' automatic mTLS.
        """
        return self.peer_policies.mode(namespace, labels, port)

    def service_accounts(self, service: Service) -> tuple[str, ...]:
        """Identities that may serve a service, sorted: those of its endpoints and those it declares itself."""
        return self.registry.service_accounts(service)

    def peer_identities(self, service: Service) -> tuple[str, ...]:
        """Identities a client of a service accepts: its accounts, also under the aliases of the trust domain."""
        accounts = self.service_accounts(service)
        aliases = self.mesh.trust_domain_aliases
        if not aliases:
            return accounts
        found = set(accounts)
        for account in accounts:
            if account.startswith(SPIFFE):
                path = account.removeprefix(SPIFFE).partition("/")[2]
                found.update(f"{SPIFFE}{alias}/{path}" for alias in aliases)
        return tuple(sorted(found))

    def envoy_filters(self, proxy: Proxy) -> PatchSet:
        """EnvoyFilter patches that apply to a proxy, in order."""
        return self._envoy_filters.for_proxy(proxy)

    def proxy_config(self, proxy: Proxy) -> Fields:
        """The effective ProxyConfig that the proxy sent in its node."""
        return proxy.metadata.fields("PROXY_CONFIG")


def build_push_context(objects: ObjectView, mesh: MeshConfig, previous: PushContext | None = None) -> PushContext:
    """An immutable reading of the objects; what did not change since `previous` is shared with it."""
    return PushContext(objects, mesh, previous)
