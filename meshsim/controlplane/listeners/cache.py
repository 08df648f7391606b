"""Listeners of one push, each built once for all proxies that see the same."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.envoy_filters import PatchContext
from meshsim.controlplane.listeners.gateway import GatewayListeners
from meshsim.controlplane.listeners.inbound import (
    InboundListeners,
    InboundPort,
    declared_ports,
    inbound_ports,
    undeclared_ports,
    workload_modes,
)
from meshsim.controlplane.listeners.outbound import OutboundEntry, OutboundPlan
from meshsim.controlplane.listeners.patches import patch_listeners, touches_listeners
from meshsim.controlplane.listeners.policies import ChainPolicies, PolicyBuilder
from meshsim.controlplane.listeners.profile import NetworkProfile, Profile, ProfileBuilder
from meshsim.controlplane.listeners.rendering import render_outbound
from meshsim.controlplane.listeners.tcp import catch_all, outbound_policy_cluster
from meshsim.controlplane.listeners.virtual_outbound import own_listeners
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.telemetry import ListenerClass

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import OutboundPolicy
    from meshsim.controlplane.model import MutualTls, Proxy
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope
    from meshsim.xds.messages import listener_components_pb2, listener_pb2

Labels = tuple[tuple[str, str | None], ...]


class _PlanKey(NamedTuple):
    """What outbound listeners depend on before they have connection managers."""

    network: NetworkProfile
    scope: SidecarScope
    dns_domain: str
    labels: Labels


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
        self._label_keys: dict[SidecarScope, tuple[str, ...]] = {}
        self._plans: dict[_PlanKey, OutboundPlan] = {}
        self._rows: dict[OutboundPlan, list[_Outbound | _HttpRow]] = {}
        self._outbound: dict[tuple[OutboundPlan, Profile], tuple[_Outbound, ...]] = {}

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
        key = _PlanKey(profile.network, scope, proxy.dns_domain, self._labels(scope, proxy))
        plan = self._plans.get(key)
        if plan is None:
            labels = {name: value for name, value in key.labels if value is not None}
            plan = self._plans[key] = OutboundPlan(self._push, profile.network, scope, proxy, labels)
        found = self._outbound.get((plan, profile))
        if found is None:
            found = self._outbound[plan, profile] = tuple(self._render(profile, scope, plan))
        return found

    def _labels(self, scope: SidecarScope, proxy: Proxy) -> Labels:
        """Values of the labels that conditions and workload selectors of the scope ask for."""
        keys = self._label_keys.get(scope)
        if keys is None:
            keys = self._label_keys[scope] = _label_keys(scope)
        return tuple((key, proxy.labels.get(key)) for key in keys)

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
        rows = self._rows.get(plan)
        if rows is None:
            rows = self._rows[plan] = []
            for entry in plan.entries:
                chains = tuple(chain.key for chain in entry.chains)
                key = _OutboundKey(profile.network, entry.name, entry.bind_to_port, chains, cluster)
                if entry.has_http:
                    rows.append(_HttpRow(entry, key))
                else:
                    resource = self._push.cache.get_or_make(key, partial(_made, profile, entry, rest))
                    rows.append(_Outbound(entry.endpoint, resource))
        return rows

    # --- inbound --------------------------------------------------------------------------------------------

    def _inbound_listeners(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> tuple[Resource, ...]:
        modes = workload_modes(self._push, proxy)
        ports = inbound_ports(self._push, proxy, scope, profile.network.wildcard)
        policies = self._policies.build(proxy)
        undeclared = undeclared_ports(modes, declared_ports(self._push, proxy, scope))
        key = _InboundKey(profile, tuple(ports), modes.mode, tuple(modes.per_port.items()), undeclared, policies)

        def make() -> tuple[Resource, ...]:
            built = InboundListeners(profile, ports, modes, policies).build(undeclared)
            patched = patch_listeners(built, profile.network.patches, PatchContext.SIDECAR_INBOUND)
            return tuple(_resource(item) for item in patched)

        return self._push.cache.get_or_make(key, make)

    # --- gateways -------------------------------------------------------------------------------------------

    def _gateway_listeners(self, profile: Profile, scope: SidecarScope, proxy: Proxy) -> tuple[Resource, ...]:
        gateway = self._push.merged_gateway(proxy)
        built: Sequence[listener_pb2.Listener] = ()
        if gateway is not None:
            policies = self._policies.build(proxy)
            built = GatewayListeners(self._push, profile, proxy, scope, gateway, policies).build()
        patched = patch_listeners(built, profile.network.patches, PatchContext.GATEWAY)
        return tuple(_resource(item) for item in patched)


def _label_keys(scope: SidecarScope) -> tuple[str, ...]:
    keys = dict.fromkeys(scope.selector_labels)
    for listener in scope.egress_listeners:
        for virtual_service in listener.virtual_services:
            for kind in ("tcp", "tls"):
                for route in virtual_service.spec.items(kind):
                    for match in route.items("match"):
                        keys.update(dict.fromkeys(match.text_map("sourceLabels")))
    return tuple(keys)


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
