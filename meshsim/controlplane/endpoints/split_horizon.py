"""Split-horizon EDS: endpoints of other networks give way to the gateways of their networks.

istio pilot/pkg/xds/endpoints/ep_filters.go (EndpointsByNetworkFilter), release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from meshsim.controlplane.endpoints.locality import EndpointGroup, LocalityLbEndpoints
from meshsim.controlplane.model import Endpoint
from meshsim.controlplane.networks import NetworkGateway, NetworkGateways
from meshsim.controlplane.protobuf_values import socket_address, text_struct
from meshsim.controlplane.topology import CLUSTER_LABEL, NETWORK_LABEL
from meshsim.xds.messages import endpoint_components_pb2

LbEndpoint = endpoint_components_pb2.LbEndpoint

SOCKET_MATCH: Final = "envoy.transport_socket_match"
_MAX_WEIGHT: Final = 2**32 - 1


def in_network(network: str, other: str) -> bool:
    """Whether one network is the other, as far as both are known."""
    return not network or not other or network == other


def takes_mtls(message: LbEndpoint) -> bool:
    """Whether clients speak Istio mTLS to an endpoint."""
    return SOCKET_MATCH in message.metadata.filter_metadata


def set_weight(group: EndpointGroup) -> None:
    """The weight of a group is the sum of its endpoints' weights; an empty one has none."""
    message = group.message
    if message.lb_endpoints:
        total = sum(e.load_balancing_weight.value for e in message.lb_endpoints)
        message.load_balancing_weight.value = min(total, _MAX_WEIGHT)
    else:
        message.ClearField("load_balancing_weight")


def split_by_network(groups: Sequence[EndpointGroup], gateways: NetworkGateways, network: str) -> list[EndpointGroup]:
    """Groups as a proxy of a network sees them; with gateways at hand all weights are scaled."""
    if not gateways.known:
        return list(groups)
    return [_split(group, gateways, network) for group in groups]


def _split(group: EndpointGroup, gateways: NetworkGateways, network: str) -> EndpointGroup:
    found = EndpointGroup([], LocalityLbEndpoints(locality=group.message.locality))
    weights: dict[NetworkGateway, int] = {}
    for endpoint, message in zip(group.endpoints, group.message.lb_endpoints):
        weight = min(message.load_balancing_weight.value * gateways.scale, _MAX_WEIGHT)
        ways = gateways.of(endpoint)
        if in_network(endpoint.network, network) or not ways:
            if endpoint.address:
                message.load_balancing_weight.value = weight
                found.endpoints.append(endpoint)
                found.message.lb_endpoints.append(message)
        elif takes_mtls(message):
            # Gateways find the way by the SNI of Istio mTLS, so nothing else crosses networks.
            for way in ways:
                weights[way] = weights.get(way, 0) + weight // len(ways)
    for way in sorted(weights):
        endpoint, message = _gateway(way, weights[way] or 1)
        found.endpoints.append(endpoint)
        found.message.lb_endpoints.append(message)
    set_weight(found)
    return found


def _gateway(way: NetworkGateway, weight: int) -> tuple[Endpoint, LbEndpoint]:
    message = LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=socket_address(way.address, way.port)))
    message.load_balancing_weight.value = weight
    metadata = message.metadata.filter_metadata
    metadata[SOCKET_MATCH].CopyFrom(text_struct({"tlsMode": "istio"}))
    metadata["istio"].CopyFrom(text_struct({"workload": f";;;;{way.cluster}"}))
    labels = {CLUSTER_LABEL: way.cluster, NETWORK_LABEL: way.network}
    endpoint = Endpoint(
        address=way.address,
        port=way.port,
        port_name="",
        labels={key: value for key, value in labels.items() if value},
        network=way.network,
        cluster_id=way.cluster,
    )
    return endpoint, message
