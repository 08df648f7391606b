"""Endpoint groups of a cluster: which endpoints a proxy is sent, with their health, weight and metadata.

istio pilot/pkg/xds/endpoints/endpoint_builder.go and mtls_checker.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.endpoints.locality import EndpointGroup, LocalityLbEndpoints
from meshsim.controlplane.endpoints.split_horizon import (
    SOCKET_MATCH,
    in_network,
    set_weight,
    split_by_network,
    takes_mtls,
)
from meshsim.controlplane.host_names import is_ip_address
from meshsim.controlplane.model import Endpoint, Health, Locality, MutualTls, Service, ServicePort
from meshsim.controlplane.networks import NO_GATEWAYS, NetworkGateways
from meshsim.controlplane.protobuf_values import socket_address, text_struct
from meshsim.controlplane.topology import labels_match
from meshsim.xds.messages import base_pb2, endpoint_components_pb2, health_check_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.destination_rules import MergedDestinationRule
    from meshsim.controlplane.peer_policies import PeerPolicies
    from meshsim.controlplane.registry import EndpointSet
    from meshsim.controlplane.views import PlaceView

LbEndpoint = endpoint_components_pb2.LbEndpoint

_HEALTH: Final[dict[Health, health_check_pb2.HealthStatus.ValueType]] = {
    health: health_check_pb2.HealthStatus.Value(health.value) for health in Health if health is not Health.TERMINATING
}
CANONICAL_NAME: Final = "service.istio.io/canonical-name"
CANONICAL_REVISION: Final = "service.istio.io/canonical-revision"


class EndpointInputs(NamedTuple):
    """Everything the endpoint groups of a cluster are made from."""

    service: Service
    port: ServicePort
    rule: MergedDestinationRule | None
    subset: str
    endpoints: EndpointSet
    policies: PeerPolicies
    place: PlaceView
    inline: bool
    """For a DNS cluster, whose endpoints may be host names; EDS takes addresses only."""
    gateways: NetworkGateways = NO_GATEWAYS
    """Ways into other networks."""
    sni_dnat: bool = False
    """Leave out endpoints without mTLS: an AUTO_PASSTHROUGH gateway cannot tell what it forwards."""


def locality_endpoints(inputs: EndpointInputs) -> list[EndpointGroup]:
    """Endpoints behind a port for a proxy, grouped by locality in the order of their names."""
    rule, subset, port = inputs.rule, inputs.subset, inputs.port
    found = rule.subset(subset) if rule is not None and subset else None
    labels = found.labels if found is not None else {}
    rule_mode = _rule_tls_mode(rule, subset, port.port)
    groups: dict[Locality, EndpointGroup] = {}
    for endpoint in inputs.endpoints.by_port.get(port.name, ()):
        if not labels_match(labels, endpoint.labels) or not _is_sent(endpoint, inputs):
            continue
        if not inputs.inline and endpoint.address and endpoint.port and not is_ip_address(endpoint.address):
            continue
        tls = _takes_mtls(inputs.policies, endpoint, rule_mode)
        group = groups.get(endpoint.locality)
        if group is None:
            message = LocalityLbEndpoints(
                locality=base_pb2.Locality(
                    region=endpoint.locality.region, zone=endpoint.locality.zone, sub_zone=endpoint.locality.subzone
                )
            )
            group = groups[endpoint.locality] = EndpointGroup([], message)
        group.endpoints.append(endpoint)
        group.message.lb_endpoints.append(_message(endpoint, tls))
    ordered = [groups[place] for place in sorted(groups, key=str)]
    for group in ordered:
        set_weight(group)
    ordered = split_by_network(ordered, inputs.gateways, inputs.place.network)
    return [_only_mtls(group) for group in ordered] if inputs.sni_dnat else ordered


def _only_mtls(group: EndpointGroup) -> EndpointGroup:
    kept = [(e, m) for e, m in zip(group.endpoints, group.message.lb_endpoints) if takes_mtls(m)]
    message = LocalityLbEndpoints(locality=group.message.locality, lb_endpoints=[m for _, m in kept])
    found = EndpointGroup([e for e, _ in kept], message)
    set_weight(found)
    return found


def _is_sent(endpoint: Endpoint, inputs: EndpointInputs) -> bool:
    service, place = inputs.service, inputs.place
    if service.node_local and endpoint.node_name != place.node_name:
        return False
    if place.network_view and endpoint.network and endpoint.network not in place.network_view:
        return False
    if not endpoint.address and (not inputs.gateways.known or in_network(endpoint.network, place.network)):
        return False
    if endpoint.health is Health.UNHEALTHY:
        return service.supports_unhealthy
    if endpoint.health is Health.TERMINATING:
        return False
    if endpoint.health is Health.DRAINING:
        return service.supports_draining
    return True


def _rule_tls_mode(rule: MergedDestinationRule | None, subset: str, port: int) -> str | None:
    """Mode of the rule's TLS settings for a subset and port, `None` when they say nothing."""
    if rule is None:
        return None
    found = rule.subset(subset) if subset else None
    own = _policy_tls_mode(found.traffic_policy, port) if found is not None else None
    return own or _policy_tls_mode(rule.traffic_policy, port)


def _policy_tls_mode(policy: Fields | None, port: int) -> str | None:
    if policy is None:
        return None
    for item in policy.items("portLevelSettings"):
        if item.fields("port").integer("number") == port and "tls" in item:
            return item.fields("tls").text("mode", "DISABLE")
    return policy.fields("tls").text("mode", "DISABLE") if "tls" in policy else None


def _takes_mtls(policies: PeerPolicies, endpoint: Endpoint, rule_mode: str | None) -> bool:
    if rule_mode is not None:
        return rule_mode == "ISTIO_MUTUAL"
    if endpoint.tls_mode != "istio":
        return False
    mode = policies.mode(endpoint.namespace, endpoint.labels, endpoint.port)
    return mode is not MutualTls.DISABLE


def _message(endpoint: Endpoint, tls: bool) -> LbEndpoint:
    message = LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=socket_address(endpoint.address, endpoint.port)),
        health_status=_HEALTH[endpoint.health],
    )
    message.load_balancing_weight.value = endpoint.weight or 1
    metadata = message.metadata.filter_metadata
    # The socket match names the endpoint's own mode: an explicit ISTIO_MUTUAL does not make a workload take mTLS.
    if tls and endpoint.tls_mode not in ("", "disabled"):
        metadata[SOCKET_MATCH].CopyFrom(text_struct({"tlsMode": endpoint.tls_mode}))
    metadata["istio"].CopyFrom(text_struct({"workload": _workload(endpoint)}))
    return message


def _workload(endpoint: Endpoint) -> str:
    """Workload, namespace, canonical service and revision (empty when latest), kube: for telemetry labels."""
    name, revision = canonical_service(endpoint.labels, endpoint.workload_name)
    parts = (
        endpoint.workload_name,
        endpoint.namespace,
        name,
        "" if revision == "latest" else revision,
        endpoint.cluster_id,
    )
    return ";".join(parts)


def canonical_service(labels: Mapping[str, str], workload: str) -> tuple[str, str]:
    """Canonical service name and revision of a workload (istio pkg/kube/labels/labels.go CanonicalService)."""
    return (
        _first(labels, (CANONICAL_NAME, "app.kubernetes.io/name", "app")) or workload,
        _first(labels, (CANONICAL_REVISION, "app.kubernetes.io/version", "version")) or "latest",
    )


def _first(labels: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((labels[key] for key in keys if key in labels), "")
