"""Listeners of one push, each built once for all proxies that see the same."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.envoy_filters import PatchContext
from meshsim.controlplane.listeners.gateway import GatewayListeners
from meshsim.controlplane.listeners.inbound import CONFLICT_METRIC as INBOUND_CONFLICT
from meshsim.controlplane.listeners.inbound import (
    InboundListeners,
    InboundPort,
    declared_ports,
    inbound_ports,
    undeclared_ports,
    workload_modes,
)
from meshsim.controlplane.listeners.outbound import CONFLICT_METRIC as OUTBOUND_CONFLICT
from meshsim.controlplane.listeners.outbound import (
    OutboundEntry,
    OutboundPlan,
    OutboundPlanner,
    routed_connections,
    with_pod_listeners,
)
from meshsim.controlplane.listeners.patches import patch_listeners, touches_listeners
from meshsim.controlplane.listeners.policies import NO_POLICIES, ChainPolicies, PolicyBuilder
from meshsim.controlplane.listeners.profile import NetworkProfile, Profile, ProfileBuilder
from meshsim.controlplane.listeners.rendering import render_outbound
from meshsim.controlplane.listeners.tcp import catch_all, outbound_policy_cluster, resolves_sni
from meshsim.controlplane.listeners.virtual_outbound import own_listeners
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import OutboundPolicy
    from meshsim.controlplane.model import MutualTls, Proxy, Service
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import ScopeSlot, SidecarScope
    from meshsim.xds.messages import listener_components_pb2, listener_pb2

Labels = tuple[tuple[str, str | None], ...]


class _PlanSlot(NamedTuple):
    """What a plan of outbound listeners is for."""

    network: NetworkProfile
    scope: ScopeSlot
    dns_domain: str
    labels: Labels
    sni_policies: ChainPolicies
    """Of the workload, where some host is resolved by its SNI."""


class _OutboundKey(NamedTuple):
    """What an outbound listener depends on."""

    profile: Profile | NetworkProfile
    """Without a connection manager it is the same for every profile of a network profile."""
    name: str
    bind_to_port: bool
    chains: tuple[Hashable, ...]
    fallback: str
    """Cluster of traffic that no chain is for."""


class _OwnKey(NamedTuple):
    """What the sidecar's own outbound listeners depend on."""

    profile: Profile
    policy: OutboundPolicy
    fallback: str


class _InboundKey(NamedTuple):
    """What inbound listeners depend on."""

    profile: Profile
    ports: tuple[InboundPort, ...]
    mode: MutualTls
    per_port: tuple[tuple[int, MutualTls], ...]
    undeclared: tuple[int, ...]
    policies: ChainPolicies


class _Outbound(NamedTuple):
    """An outbound listener of a view."""

    endpoint: str
    """Address of the pod it is for; that pod's own proxy goes without."""
    resource: Resource


class _Inbound(NamedTuple):
    """The inbound listeners of a proxy, and conflicts between its services."""

    resources: tuple[Resource, ...]
    conflicts: tuple[str, ...]


class _HttpRow(NamedTuple):
    """A planned listener with a connection manager; the key lacks the profile."""

    entry: OutboundEntry
    key: _OutboundKey


class ListenerCache:
    """What listener generation keeps of one push context; single listeners outlive it in `PushContext.cache`."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._profiles = ProfileBuilder(push)
        self._policies = PolicyBuilder(push)

    def listeners(self, proxy: Proxy) -> tuple[Resource, ...]:
        """All listeners of a proxy, in Pilot's order."""
        profile = self._profiles.build(proxy)
        scope = self._push.scope(proxy)
        if proxy.is_router:
            return self._gateway_listeners(profile, scope, proxy)
        if not self._push.mesh.outbound_port:
            return ()
        outbound = self._outbound_listeners(profile, scope, proxy)
        address = proxy.addresses[0] if proxy.addresses else ""
        return (
            *(item.resource for item in outbound if not item.endpoint or item.endpoint != address),
            *self._inbound_listeners(profile, scope, proxy),
        )

    # --- outbound -------------------------------------------------------------------------------------------

    def _outbound_listeners(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> tuple[_Outbound, ...]:
        plan = self._plan(profile, scope, proxy)
        key = ("outbound listeners", plan, profile)
        return self._push.cache.get_or_make(key, lambda: tuple(self._render(profile, scope, plan)))

    def _plan(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> OutboundPlan:
        """The plan of a view: the one of an earlier push as long as it is made from the same."""
        push = self._push
        look = push.made(("connection routes", scope), lambda: _look(push, scope))
        labels = tuple((key, proxy.labels.get(key)) for key in look.label_keys)
        policies = self._policies.build(proxy) if look.resolves_sni else NO_POLICIES
        slot = _PlanSlot(profile.network, scope.slot, proxy.dns_domain, labels, policies)

        def plan(_: OutboundPlan | None) -> OutboundPlan:
            given = {name: value for name, value in labels if value is not None}
            return OutboundPlanner(push, profile.network, scope, proxy, given, policies).plan()

        def recall() -> OutboundPlan:
            found = push.cache.latest(slot, look.inputs, plan)
            for name, message in found.conflicts:
                push.status.add(OUTBOUND_CONFLICT, name, proxy.id, message)
            return found

        return push.made(slot, recall)

    def _render(self, profile: Profile, scope: SidecarScope, plan: OutboundPlan) -> Iterable[_Outbound]:
        cluster = outbound_policy_cluster(scope)
        rest = catch_all(profile.network, ListenerClass.SIDECAR_OUTBOUND, cluster)
        if touches_listeners(profile.network.patches):
            listeners = [_message(profile, entry, rest) for entry in plan.entries]
            listeners += own_listeners(profile, scope, plan.chains)
            endpoints = {entry.name: entry.endpoint for entry in plan.entries}
            patched = patch_listeners(listeners, profile.network.patches, PatchContext.SIDECAR_OUTBOUND)
            return [_Outbound(endpoints.get(item.name, ""), _resource(item)) for item in patched]
        cache = self._push.cache
        found = []
        for row in self._planned(profile, plan, rest, cluster):
            if isinstance(row, _Outbound):
                found.append(row)
                continue
            key = row.key._replace(profile=profile)
            resource = cache.get_or_make(key, partial(_made, profile, row.entry, rest))
            found.append(_Outbound(row.entry.endpoint, resource))
        own = cache.get_or_make(
            _OwnKey(profile, scope.outbound_policy, cluster),
            lambda: tuple(_resource(item) for item in own_listeners(profile, scope, plan.chains)),
        )
        return [*found, *(_Outbound("", resource) for resource in own)]

    def _planned(
        self,
        profile: Profile,
        plan: OutboundPlan,
        rest: Sequence[listener_components_pb2.Filter],
        cluster: str,
    ) -> list[_Outbound | _HttpRow]:
        """The listeners of a plan: ready ones, and those that each profile has its own connection manager in."""
        cache = self._push.cache

        def make() -> list[_Outbound | _HttpRow]:
            rows: list[_Outbound | _HttpRow] = []
            for entry in plan.entries:
                chains = tuple(chain.key for chain in entry.chains)
                key = _OutboundKey(profile.network, entry.name, entry.bind_to_port, chains, cluster)
                if entry.has_http:
                    rows.append(_HttpRow(entry, key))
                else:
                    resource = cache.get_or_make(key, partial(_made, profile, entry, rest))
                    rows.append(_Outbound(entry.endpoint, resource))
            return rows

        return cache.get_or_make(("planned rows", plan), make)

    # --- inbound --------------------------------------------------------------------------------------------

    def _inbound_listeners(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> tuple[Resource, ...]:
        push = self._push
        policies = self._policies.build(proxy)
        inputs = (profile, policies, push.peer_policies, push.service_targets(proxy), scope.slot)
        found = push.cache.latest(
            ("inbound listeners", proxy), inputs, lambda _: self._make_inbound(profile, policies, scope, proxy)
        )
        for message in found.conflicts:
            push.status.add(INBOUND_CONFLICT, proxy.id, proxy.id, message)
        return found.resources

    def _make_inbound(self, profile: Profile, policies: ChainPolicies, scope: SidecarScope, proxy: Proxy) -> _Inbound:
        """Those of a proxy; replicas share them."""
        push = self._push
        modes = workload_modes(push, proxy)
        ports, conflicts = inbound_ports(push, proxy, scope, profile.network.wildcard)
        undeclared = undeclared_ports(modes, declared_ports(push, proxy, scope))
        key = _InboundKey(profile, ports, modes.mode, tuple(modes.per_port.items()), undeclared, policies)

        def make() -> tuple[Resource, ...]:
            built = InboundListeners(profile, ports, modes, policies).build(undeclared)
            patched = patch_listeners(built, profile.network.patches, PatchContext.SIDECAR_INBOUND)
            return tuple(_resource(item) for item in patched)

        return _Inbound(push.cache.get_or_make(key, make), conflicts)

    # --- gateways -------------------------------------------------------------------------------------------

    def _gateway_listeners(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> tuple[Resource, ...]:
        gateway = self._push.merged_gateway(proxy)
        built: Sequence[listener_pb2.Listener] = ()
        if gateway is not None:
            policies = self._policies.build(proxy)
            built = GatewayListeners(self._push, profile, proxy, scope, gateway, policies).build()
        patched = patch_listeners(built, profile.network.patches, PatchContext.GATEWAY)
        return tuple(_resource(item) for item in patched)


class _Look(NamedTuple):
    """What plans of a scope are made from."""

    label_keys: tuple[str, ...]
    """Labels of a proxy that conditions and workload selectors ask for."""
    inputs: tuple[object, ...]
    resolves_sni: bool
    """Whether some host is resolved by its SNI."""


def _look(push: PushContext, scope: SidecarScope) -> _Look:
    keys = dict.fromkeys(scope.selector_labels)
    inputs: list[object] = [ByIdentity(scope.services), ByIdentity(scope.destination_rules)]
    for listener in scope.egress_listeners:
        virtual_services, services = listener.virtual_services, listener.services
        routed = push.cache.get_or_make(
            ("connection routes", ByIdentity(virtual_services)), partial(routed_connections, virtual_services)
        )
        headless = push.cache.get_or_make(
            ("pod listeners", ByIdentity(services)), partial(with_pod_listeners, services)
        )
        inputs += (routed, ByIdentity(services), tuple(push.registry.endpoint_set(service) for service in headless))
        for virtual_service in routed:
            for kind in ("tcp", "tls"):
                for route in virtual_service.spec.items(kind):
                    for match in route.items("match"):
                        keys.update(dict.fromkeys(match.text_map("sourceLabels")))
    by_sni = push.cache.get_or_make(("by sni", ByIdentity(scope.services)), lambda: _by_sni(scope.services))
    return _Look(tuple(keys), tuple(inputs), bool(by_sni))


def _by_sni(services: Iterable[Service]) -> tuple[Service, ...]:
    return tuple(service for service in services if any(resolves_sni(service, port) for port in service.ports))


def _message(
    profile: Profile, entry: OutboundEntry, fallback: Sequence[listener_components_pb2.Filter]
) -> listener_pb2.Listener:
    return render_outbound(
        profile, entry.name, entry.bind, entry.port, entry.chains, fallback, bind_to_port=entry.bind_to_port
    )


def _made(profile: Profile, entry: OutboundEntry, fallback: Sequence[listener_components_pb2.Filter]) -> Resource:
    return _resource(_message(profile, entry, fallback))


def _resource(listener: listener_pb2.Listener) -> Resource:
    return Resource(listener.name, listener.SerializeToString(deterministic=True))
