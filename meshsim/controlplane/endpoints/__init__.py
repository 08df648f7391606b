"""EDS: the endpoint assignments a proxy asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from meshsim.controlplane.cluster_names import parse_cluster_name
from meshsim.controlplane.endpoints.assignment import EndpointInputs, locality_endpoints
from meshsim.controlplane.endpoints.locality import LocalitySetting, arrange, locality_setting
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.traffic_policies import effective_policy
from meshsim.controlplane.views import NOWHERE, PlaceView
from meshsim.xds.bodies import Bodies
from meshsim.xds.messages import endpoint_pb2
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.destination_rules import MergedDestinationRule
    from meshsim.controlplane.model import Locality, Proxy, Service
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope


class _Ordering(NamedTuple):
    """How the groups of a cluster are weighted or ordered."""

    setting: LocalitySetting | None
    failover: bool

    def reads(self, place: PlaceView) -> PlaceView:
        """The part of a place that this ordering depends on."""
        setting = self.setting
        if setting is None or not (setting.distribute or self.failover or setting.forced):
            return NOWHERE
        labels = {item for item in setting.failover_priority if "=" not in item}
        return PlaceView(
            locality=place.locality, failover_labels=tuple(p for p in place.failover_labels if p[0] in labels)
        )


class _Inputs(NamedTuple):
    """Everything one assignment is made from."""

    name: str
    endpoints: EndpointInputs
    mesh: MeshConfig
    order: PlaceView


def build_endpoints(push: PushContext, proxy: Proxy, names: Sequence[str]) -> tuple[Resource, ...]:
    """Assignments of the clusters named; unknown services and ports have empty ones."""
    scope = push.scope(proxy)
    place = push.view(proxy).place
    labels = scope.selected_labels(proxy.labels)
    asked = tuple(names)

    def make() -> tuple[Resource, ...]:
        return Bodies([_assignment(push, scope, place, dict(labels), name) for name in asked])

    services, rules = ByIdentity(scope.services), ByIdentity(scope.destination_rules)
    return push.response(("eds", services, rules, scope.rules_namespace, place, labels, asked), make)


def _assignment(
    push: PushContext, scope: SidecarScope, place: PlaceView, labels: dict[str, str], name: str
) -> Resource:
    parts = parse_cluster_name(name)
    service = scope.service_for_host(parts.hostname) if parts is not None else None
    port = service.port(parts.port) if parts is not None and service is not None else None
    if parts is None or service is None or port is None or service.is_dns:
        return Resource(name, endpoint_pb2.ClusterLoadAssignment(cluster_name=name).SerializeToString())
    rule = scope.destination_rule(service.hostname, labels)
    ordering = _ordering(push, service, rule, parts.subset, port.port)
    node = place.node_name if service.node_local else ""
    seen = PlaceView(network_view=place.network_view, network=place.network, node_name=node)
    inputs = _Inputs(
        name,
        EndpointInputs(
            service,
            port,
            rule,
            parts.subset,
            push.registry.endpoint_set(service),
            push.peer_policies,
            seen,
            inline=False,
            gateways=push.gateway_addresses,
            sni_dnat=parts.sni_dnat,
        ),
        push.mesh,
        ordering.reads(place),
    )
    body, has_endpoints = push.cache.get_or_make(inputs, lambda: _generate(inputs, ordering))
    if not has_endpoints:
        push.status.add("pilot_eds_no_instances", name)
    return Resource(name, body)


def _ordering(
    push: PushContext, service: Service, rule: MergedDestinationRule | None, subset: str, port: int
) -> _Ordering:
    def make() -> _Ordering:
        policy = effective_policy(rule, subset, port)
        outlier = (
            policy.outlier_detection
            if policy.outlier_detection is not None
            else (push.mesh.default_policy.outlier_detection)
        )
        return _Ordering(locality_setting(push.mesh, policy.load_balancer, service), outlier is not None)

    return push.cache.get_or_make(("ordering", push.mesh, service, rule, subset, port), make)


def _generate(inputs: _Inputs, ordering: _Ordering) -> tuple[bytes, bool]:
    """The serialized assignment, and whether it has endpoints."""
    groups = locality_endpoints(inputs.endpoints)
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=inputs.name)
    locality: Locality = inputs.order.locality
    labels = dict(inputs.order.failover_labels)
    message.endpoints.extend(arrange(groups, ordering.setting, locality, labels, ordering.failover))
    return message.SerializeToString(deterministic=True), bool(groups)
