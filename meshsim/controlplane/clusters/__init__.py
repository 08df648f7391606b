"""CDS: every cluster of a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.controlplane.clusters.draft import Cluster, to_resource
from meshsim.controlplane.clusters.inbound import inbound_clusters
from meshsim.controlplane.clusters.outbound import OutboundInputs, outbound_clusters
from meshsim.controlplane.clusters.patches import added_clusters, patch_clusters
from meshsim.controlplane.clusters.static import black_hole, dynamic_dns, inbound_passthrough, passthrough
from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Resolution
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.views import ProxyView, view_of

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


def build_clusters(push: PushContext, proxy: Proxy) -> tuple[Resource, ...]:
    """Outbound clusters in scope order, then the static ones and the inbound ones."""
    view = view_of(proxy)
    patches = push.envoy_filters(proxy)
    context = PatchContext.GATEWAY if proxy.is_router else PatchContext.SIDECAR_OUTBOUND
    found = _outbound(push, proxy, view, patches, context)
    rest = patch_clusters([black_hole(push.mesh)], patches, context)
    if proxy.is_router:
        gateway = push.merged_gateway(proxy)
        if gateway is not None and gateway.has_auto_passthrough:
            rest += _sni_dnat(push, proxy, view, patches)
        rest += added_clusters(patches, context)
    else:
        static = [passthrough(push.mesh)]
        if push.scope(proxy).outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
            static.append(dynamic_dns(push.mesh, view))
        rest += patch_clusters(static, patches, context)
        rest += added_clusters(patches, context)
        rest += _inbound(push, proxy, view, patches)
    # Of clusters with one name the first stays.
    by_name: dict[str, Cluster] = {}
    for cluster in rest:
        if cluster.name in by_name:
            message = f"Duplicate cluster {cluster.name} found while pushing CDS"
            push.status.add("pilot_duplicate_envoy_clusters", cluster.name, proxy.id, message)
        by_name.setdefault(cluster.name, cluster)
    return (*found, *(to_resource(cluster) for cluster in by_name.values()))


def _outbound(
    push: PushContext, proxy: Proxy, view: ProxyView, patches: PatchSet, context: PatchContext
) -> list[Resource]:
    scope = push.scope(proxy)
    found: list[Resource] = []
    for service in scope.services:
        if service.resolution is Resolution.ALIAS:
            continue
        rule = scope.destination_rule(service.hostname, proxy.labels)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            made = outbound_clusters(OutboundInputs(push, view, service, port, rule))
            found.extend(to_resource(cluster) for cluster in patch_clusters(made, patches, context))
    return found


def _sni_dnat(push: PushContext, proxy: Proxy, view: ProxyView, patches: PatchSet) -> list[Cluster]:
    """Clusters an AUTO_PASSTHROUGH gateway forwards TLS to, one for each SNI that clients in the mesh use."""
    scope = push.scope(proxy)
    found: list[Cluster] = []
    for service in scope.services:
        if service.mesh_external:
            continue
        rule = scope.destination_rule(service.hostname, proxy.labels)
        for port in service.ports:
            if port.protocol is not Protocol.UDP:
                made = outbound_clusters(OutboundInputs(push, view, service, port, rule, sni_dnat=True))
                found += patch_clusters(made, patches, PatchContext.GATEWAY)
    return found


def _inbound(push: PushContext, proxy: Proxy, view: ProxyView, patches: PatchSet) -> list[Cluster]:
    context = PatchContext.SIDECAR_INBOUND
    found: list[Cluster] = []
    for item in inbound_clusters(push, proxy, view):
        found += patch_clusters([item.cluster], patches, context, item.hosts)
    found += patch_clusters([inbound_passthrough(push.mesh, view)], patches, context)
    return found + added_clusters(patches, context)
