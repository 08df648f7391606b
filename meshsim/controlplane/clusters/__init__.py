"""CDS: every cluster of a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.cluster_names import cluster_name
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

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext
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


def build_clusters(push: PushContext, proxy: Proxy) -> tuple[Resource, ...]:
    """Outbound clusters in scope order, then the static ones and the inbound ones."""
    scope = push.scope(proxy)
    view = push.view(proxy)
    if not scope.reads_place:
        view = view.without_place()
    patches = push.envoy_filters(proxy)
    labels = scope.selected_labels(proxy.labels)
    found = push.response(
        ("cds", scope, view, patches, labels),
        lambda: tuple(_outbound(push, scope, dict(labels), view, patches, sni_dnat=False)),
    )
    rest: list[Resource] = []
    context = PatchContext.GATEWAY if proxy.is_router else PatchContext.SIDECAR_OUTBOUND
    dynamic = not proxy.is_router and scope.outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS
    static = _Static(push.mesh, view.without_place(), patches, context, dynamic)
    rest.extend(push.cache.get_or_make(static, static.make))
    if proxy.is_router:
        gateway = push.merged_gateway(proxy)
        if gateway is not None and gateway.has_auto_passthrough:
            rest += _outbound(push, scope, dict(labels), view, patches, sni_dnat=True)
        rest += [to_resource(c) for c in added_clusters(patches, context)]
    else:
        rest += [to_resource(c) for c in added_clusters(patches, context)]
        rest += _inbound(push, proxy, view, patches)
    return (*found, *_distinct(push, proxy, rest))


def _distinct(push: PushContext, proxy: Proxy, resources: list[Resource]) -> Iterator[Resource]:
    """Of clusters with one name the first stays."""
    names: set[str] = set()
    for resource in resources:
        if resource.name in names:
            message = f"Duplicate cluster {resource.name} found while pushing CDS"
            push.status.add("pilot_duplicate_envoy_clusters", resource.name, proxy.id, message)
            continue
        names.add(resource.name)
        yield resource


def _outbound(
    push: PushContext,
    scope: SidecarScope,
    labels: dict[str, str],
    view: ProxyView,
    patches: PatchSet,
    *,
    sni_dnat: bool,
) -> Iterator[Resource]:
    """Clusters of every service in a scope; those of an AUTO_PASSTHROUGH gateway leave external ones out."""
    context = PatchContext.GATEWAY if view.is_router else PatchContext.SIDECAR_OUTBOUND
    for service in scope.services:
        if service.resolution is Resolution.ALIAS or (sni_dnat and service.mesh_external):
            continue
        rule = scope.destination_rule(service.hostname, labels)
        seen = view.for_service(service)
        endpoints = push.registry.endpoint_set(service) if reads_endpoints(service, rule) else None
        gateways = push.gateways if service.is_dns else NO_GATEWAYS
        identities = push.peer_identities(service)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            inputs = OutboundInputs(
                push.mesh, seen, service, port, rule, identities, push.peer_policies, endpoints, gateways, sni_dnat
            )
            key = _Outbound(inputs, patches, context)
            made = push.cache.get_or_make(key, key.make)
            if not made and service.is_dns:
                _count_missing(push, service, port)
            yield from made


def _count_missing(push: PushContext, service: Service, port: ServicePort) -> None:
    name = cluster_name(port.port, "", service.hostname)
    kind = "STRICT_DNS" if service.resolution is Resolution.DNS_LB else "LOGICAL_DNS"
    message = f"{kind} cluster without endpoints {name} found while pushing CDS"
    push.status.add("pilot_dns_cluster_without_endpoints", name, "", message)


def _inbound(push: PushContext, proxy: Proxy, view: ProxyView, patches: PatchSet) -> list[Resource]:
    context = PatchContext.SIDECAR_INBOUND
    found: list[Resource] = []
    for inputs in inbound_inputs(push, proxy, view):
        key = _Inbound(inputs, patches)
        found.extend(push.cache.get_or_make(key, key.make))
    static = _Static(push.mesh, view.without_place(), patches, context, False)
    found.extend(push.cache.get_or_make(static, static.make))
    return found + [to_resource(c) for c in added_clusters(patches, context)]
