"""CDS: every cluster of a proxy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.cluster_names import cluster_name, parse_cluster_name
from meshsim.controlplane.clusters.draft import to_resource
from meshsim.controlplane.clusters.inbound import InboundInputs, inbound_cluster, inbound_inputs
from meshsim.controlplane.clusters.outbound import OutboundInputs, outbound_clusters, reads_endpoints
from meshsim.controlplane.clusters.patches import added_clusters, patch_clusters
from meshsim.controlplane.clusters.static import black_hole, dynamic_dns, inbound_passthrough, passthrough
from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.mesh import MeshConfig, OutboundPolicy
from meshsim.controlplane.model import Protocol, Resolution, Service, ServicePort
from meshsim.controlplane.networks import NO_GATEWAYS
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.views import ProxyView
from meshsim.xds.bodies import Bodies
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.destination_rules import MergedDestinationRule
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.networks import NetworkGateways
    from meshsim.controlplane.peer_policies import PeerPolicies
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.registry import EndpointSet
    from meshsim.controlplane.sidecar_scope import SidecarScope


class _Outbound(NamedTuple):
    """What the outbound clusters of a port are made from, with the patches over them."""

    inputs: OutboundInputs
    patches: PatchSet
    context: PatchContext

    def make(self) -> tuple[Resource, ...]:
        clusters = patch_clusters(outbound_clusters(self.inputs), self.patches, self.context)
        return tuple(to_resource(c) for c in clusters)


class _Inbound(NamedTuple):
    """What an inbound cluster is made from, with the patches over it."""

    inputs: InboundInputs
    patches: PatchSet

    def make(self) -> tuple[Resource, ...]:
        context = PatchContext.SIDECAR_INBOUND
        clusters = patch_clusters([inbound_cluster(self.inputs)], self.patches, context, self.inputs.hosts)
        return tuple(to_resource(c) for c in clusters)


class _Static(NamedTuple):
    """What the clusters every proxy of a kind has are made from."""

    mesh: MeshConfig
    view: ProxyView
    patches: PatchSet
    context: PatchContext
    dynamic: bool
    """The dynamic forward proxy for unknown hosts is among them."""

    def make(self) -> tuple[Resource, ...]:
        if self.context is PatchContext.SIDECAR_INBOUND:
            clusters = [inbound_passthrough(self.mesh, self.view)]
        else:
            clusters = [black_hole(self.mesh)]
            if self.context is PatchContext.SIDECAR_OUTBOUND:
                clusters.append(passthrough(self.mesh))
            if self.dynamic:
                clusters.append(dynamic_dns(self.mesh, self.view))
        return tuple(to_resource(c) for c in patch_clusters(clusters, self.patches, self.context))


class _Shape(NamedTuple):
    """What the outbound clusters of all proxies with one scope and view depend on besides services and rules."""

    view: ProxyView
    patches: PatchSet
    labels: tuple[tuple[str, str], ...]
    """Labels of the proxy that DestinationRules select by."""
    sni_dnat: bool
    """Clusters of an AUTO_PASSTHROUGH gateway, which leaves external services out."""


class _OfService(NamedTuple):
    """Clusters of a service, with what they were made from."""

    rule: MergedDestinationRule | None
    identities: tuple[str, ...]
    endpoints: EndpointSet | None
    resources: tuple[Resource, ...]
    empty_ports: tuple[ServicePort, ...]
    """Ports of a DNS service that have no cluster, for want of endpoints."""


@dataclass(frozen=True, slots=True, eq=False)
class _OutboundClusters:
    """Clusters of every service in a scope."""

    policies: PeerPolicies
    gateways: NetworkGateways
    by_service: Mapping[Service, _OfService]
    resources: tuple[Resource, ...]


class _OwnClusters(NamedTuple):
    """Static and inbound clusters of a proxy, and the names that stood twice."""

    resources: tuple[Resource, ...]
    duplicates: tuple[str, ...]


def build_clusters(push: PushContext, proxy: Proxy, hosts: frozenset[str] | None = None) -> tuple[Resource, ...]:
    """Outbound clusters in scope order, then the static ones and the inbound ones.

    With `hosts` only outbound clusters of these services; those of AUTO_PASSTHROUGH gateways always come all.
    """
    scope = push.scope(proxy)
    view = push.view(proxy)
    if not scope.reads_place:
        view = view.without_place()
    shape = _Shape(view, push.envoy_filters(proxy), scope.selected_labels(proxy.labels), False)
    found = push.response(
        ("cds", scope, shape, hosts), lambda: Bodies.of(_of_hosts(_all_outbound(push, scope, shape), hosts))
    )
    own = (_gateway_clusters if proxy.is_router else _sidecar_clusters)(push, proxy, scope, shape)
    for name in own.duplicates:
        _count_duplicate(push, proxy, name)
    return Bodies.joined(found, _of_hosts(own.resources, hosts))


def _of_hosts(resources: tuple[Resource, ...], hosts: frozenset[str] | None) -> tuple[Resource, ...]:
    return resources if hosts is None else tuple(r for r in resources if _is_built(r.name, hosts))


def _is_built(name: str, hosts: frozenset[str]) -> bool:
    parsed = parse_cluster_name(name)
    return parsed is None or parsed.sni_dnat or parsed.hostname in hosts


def _all_outbound(push: PushContext, scope: SidecarScope, shape: _Shape) -> tuple[Resource, ...]:
    return push.response(("cds", scope, shape), lambda: _outbound(push, scope, shape))


# --- static and inbound clusters --------------------------------------------------------------------------------


def _gateway_clusters(push: PushContext, proxy: Proxy, scope: SidecarScope, shape: _Shape) -> _OwnClusters:
    rest = list(_static(push, shape, PatchContext.GATEWAY))
    gateway = push.merged_gateway(proxy)
    if gateway is not None and gateway.has_auto_passthrough:
        rest += _all_outbound(push, scope, shape._replace(sni_dnat=True))
    rest += [to_resource(c) for c in added_clusters(shape.patches, PatchContext.GATEWAY)]
    return _distinct(rest)


def _sidecar_clusters(push: PushContext, proxy: Proxy, scope: SidecarScope, shape: _Shape) -> _OwnClusters:
    inputs = (
        push.service_targets(proxy),
        shape.patches,
        shape.view.without_place(),
        scope.slot,
        scope.outbound_policy,
        ByIdentity(scope.destination_rules),
    )

    def make(_: _OwnClusters | None) -> _OwnClusters:
        outbound, inbound = PatchContext.SIDECAR_OUTBOUND, PatchContext.SIDECAR_INBOUND
        dynamic = scope.outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS
        found = list(_static(push, shape, outbound, dynamic))
        found += [to_resource(c) for c in added_clusters(shape.patches, outbound)]
        for item in inbound_inputs(push, proxy, shape.view):
            key = _Inbound(item, shape.patches)
            found += push.cache.get_or_make(key, key.make)
        found += _static(push, shape, inbound)
        return _distinct([*found, *(to_resource(c) for c in added_clusters(shape.patches, inbound))])

    return push.cache.latest(("own clusters", proxy), inputs, make)


def _static(push: PushContext, shape: _Shape, context: PatchContext, dynamic: bool = False) -> tuple[Resource, ...]:
    static = _Static(push.mesh, shape.view.without_place(), shape.patches, context, dynamic)
    return push.cache.get_or_make(static, static.make)


def _distinct(resources: Iterable[Resource]) -> _OwnClusters:
    """Of clusters with one name the first stays."""
    found: dict[str, Resource] = {}
    duplicates: list[str] = []
    for resource in resources:
        if resource.name in found:
            duplicates.append(resource.name)
        else:
            found[resource.name] = resource
    return _OwnClusters(tuple(found.values()), tuple(duplicates))


def _count_duplicate(push: PushContext, proxy: Proxy, name: str) -> None:
    message = f"Duplicate cluster {name} found while pushing CDS"
    push.status.add("pilot_duplicate_envoy_clusters", name, proxy.id, message)


# --- outbound clusters ------------------------------------------------------------------------------------------


def _outbound(push: PushContext, scope: SidecarScope, shape: _Shape) -> tuple[Resource, ...]:
    """Clusters of every service in a scope; of two scopes that see the same they are the same."""
    services, rules = ByIdentity(scope.services), ByIdentity(scope.destination_rules)
    key = (services, rules, scope.rules_namespace, shape)
    read = push.cache.get_or_make(("services read for endpoints", *key), lambda: _read_endpoints(scope, shape))
    endpoints = tuple(push.registry.endpoint_set(service) for service in read)
    inputs = (services, rules, ByIdentity(push.registry.accounts), push.peer_policies, push.gateways, endpoints)

    def make(before: _OutboundClusters | None) -> _OutboundClusters:
        return push.made(("outbound clusters", *key), lambda: _build_outbound(push, scope, shape, before))

    found = push.cache.latest(("outbound clusters", scope.slot, shape), inputs, make)
    for service in read:
        for port in found.by_service[service].empty_ports if service in found.by_service else ():
            _count_missing(push, service, port)
    return found.resources


def _read_endpoints(scope: SidecarScope, shape: _Shape) -> tuple[Service, ...]:
    """Services whose clusters depend on their endpoints."""
    labels = dict(shape.labels)
    return tuple(s for s in scope.services if reads_endpoints(s, scope.destination_rule(s.hostname, labels)))


def _build_outbound(
    push: PushContext, scope: SidecarScope, shape: _Shape, before: _OutboundClusters | None
) -> _OutboundClusters:
    """The clusters of a scope; those of services for which nothing changed are taken over."""
    policies, gateways = push.peer_policies, push.gateways
    known: Mapping[Service, _OfService] = {}
    if before is not None and before.policies is policies and before.gateways == gateways:
        known = before.by_service
    labels = dict(shape.labels)
    found: dict[Service, _OfService] = {}
    for service in scope.services:
        if service.resolution is Resolution.ALIAS or (shape.sni_dnat and service.mesh_external):
            continue
        rule = scope.destination_rule(service.hostname, labels)
        endpoints = push.registry.endpoint_set(service) if reads_endpoints(service, rule) else None
        identities = push.peer_identities(service)
        held = known.get(service)
        if held is None or held.rule is not rule or held.endpoints is not endpoints or held.identities != identities:
            held = _of_service(push, shape, service, rule, identities, endpoints)
        found[service] = held
    resources = Bodies([resource for held in found.values() for resource in held.resources])
    return _OutboundClusters(policies, gateways, found, resources)


def _of_service(
    push: PushContext,
    shape: _Shape,
    service: Service,
    rule: MergedDestinationRule | None,
    identities: tuple[str, ...],
    endpoints: EndpointSet | None,
) -> _OfService:
    context = PatchContext.GATEWAY if shape.view.is_router else PatchContext.SIDECAR_OUTBOUND
    seen = shape.view.for_service(service)
    gateways = push.gateways if service.is_dns else NO_GATEWAYS
    found: list[Resource] = []
    empty: list[ServicePort] = []
    for port in service.ports:
        if port.protocol is Protocol.UDP:
            continue
        inputs = OutboundInputs(
            push.mesh, seen, service, port, rule, identities, push.peer_policies, endpoints, gateways, shape.sni_dnat
        )
        key = _Outbound(inputs, shape.patches, context)
        made = push.cache.get_or_make(key, key.make)
        if not made and service.is_dns:
            empty.append(port)
        found += made
    return _OfService(rule, identities, endpoints, tuple(found), tuple(empty))


def _count_missing(push: PushContext, service: Service, port: ServicePort) -> None:
    name = cluster_name(port.port, "", service.hostname)
    kind = "STRICT_DNS" if service.resolution is Resolution.DNS_LB else "LOGICAL_DNS"
    message = f"{kind} cluster without endpoints {name} found while pushing CDS"
    push.status.add("pilot_dns_cluster_without_endpoints", name, "", message)
