"""CDS: every cluster of a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.controlplane.clusters.draft import to_resource
from meshsim.controlplane.clusters.inbound import inbound_clusters
from meshsim.controlplane.clusters.outbound import OutboundInputs, outbound_clusters
from meshsim.controlplane.clusters.static import black_hole, dynamic_dns, inbound_passthrough, passthrough
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Resolution
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.views import view_of

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


def build_clusters(push: PushContext, proxy: Proxy) -> tuple[Resource, ...]:
    """Outbound clusters in scope order, then the static ones and the inbound ones."""
    view = view_of(proxy)
    scope = push.scope(proxy)
    found: list[Resource] = []
    for service in scope.services:
        if service.resolution is Resolution.ALIAS:
            continue
        rule = scope.destination_rule(service.hostname, proxy.labels)
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            inputs = OutboundInputs(push, view, service, port, rule)
            found.extend(to_resource(c) for c in outbound_clusters(inputs))
    found.append(to_resource(black_hole(push.mesh)))
    if not proxy.is_router:
        found.append(to_resource(passthrough(push.mesh)))
        if scope.outbound_policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
            found.append(to_resource(dynamic_dns(push.mesh, view)))
        found.extend(to_resource(c.cluster) for c in inbound_clusters(push, proxy, view))
        found.append(to_resource(inbound_passthrough(push.mesh, view)))
    return tuple(found)
