"""EDS: the endpoint assignments a proxy asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshsim.controlplane.cluster_names import parse_cluster_name
from meshsim.controlplane.endpoints.assignment import locality_endpoints
from meshsim.controlplane.endpoints.locality import arrange, locality_setting
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.traffic_policies import effective_policy
from meshsim.controlplane.views import ProxyView, view_of
from meshsim.xds.messages import endpoint_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


def build_endpoints(push: PushContext, proxy: Proxy, names: Sequence[str]) -> tuple[Resource, ...]:
    """Assignments of the clusters named; unknown services and ports have empty ones."""
    view = view_of(proxy)
    return tuple(_assignment(push, proxy, view, name) for name in names)


def _assignment(push: PushContext, proxy: Proxy, view: ProxyView, name: str) -> Resource:
    parts = parse_cluster_name(name)
    scope = push.scope(proxy)
    service = scope.service_for_host(parts.hostname) if parts is not None else None
    port = service.port(parts.port) if parts is not None and service is not None else None
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    if parts is not None and service is not None and port is not None and not service.is_dns:
        rule = scope.destination_rule(service.hostname, proxy.labels)
        groups = locality_endpoints(push, view, service, port, rule, parts.subset, sni_dnat=parts.sni_dnat)
        policy = effective_policy(rule, parts.subset, port.port)
        setting = locality_setting(push.mesh, policy.load_balancer, service)
        failover = policy.outlier_detection is not None
        message.endpoints.extend(arrange(groups, setting, view.locality, proxy.labels, failover))
        if not groups:
            push.status.add("pilot_eds_no_instances", name)
    return Resource(name, message.SerializeToString(deterministic=True))
