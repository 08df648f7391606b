"""Gateways between networks: endpoints of another network are reached through the gateways of that network.

istio pilot/pkg/model/network.go and pilot/pkg/serviceregistry/kube/controller/network.go, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from math import lcm
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.conversion.listener_tls import is_auto_passthrough
from meshsim.controlplane.host_names import is_ip_address
from meshsim.controlplane.model import Registry
from meshsim.controlplane.topology import NETWORK_LABEL, labels_match

if TYPE_CHECKING:
    from meshsim.api import ApiObject
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.model import Endpoint, Service
    from meshsim.controlplane.snapshot import Snapshot

GATEWAY_PORT_LABEL: Final = "networking.istio.io/gatewayPort"
DEFAULT_GATEWAY_PORT: Final = 15443
_NODE_SELECTOR: Final = "traffic.istio.io/nodeSelector"
_GATEWAY_API: Final = "gateway.networking.k8s.io"


class NetworkGateway(NamedTuple):
    """An address at which a network is entered."""

    address: str
    port: int
    network: str
    cluster: str


class NetworkGateways(NamedTuple):
    """All gateways of the mesh, by address and port; without any, networks do not matter."""

    known: tuple[NetworkGateway, ...] = ()
    scale: int = 1
    """Factor of all weights, so that those of endpoints can be divided among the gateways of their network."""

    def addresses_only(self) -> NetworkGateways:
        """Without the gateways that have host names, which EDS cannot carry."""
        # DEVIATION: istiod resolves such names itself; here they have no addresses.
        return make_gateways(gateway for gateway in self.known if is_ip_address(gateway.address))

    def of(self, endpoint: Endpoint) -> tuple[NetworkGateway, ...]:
        """Gateways of an endpoint's network, those of its own kube where there are any."""
        found = tuple(g for g in self.known if g.network == endpoint.network)
        return tuple(g for g in found if g.cluster == endpoint.cluster_id) or found


NO_GATEWAYS: Final = NetworkGateways()


def make_gateways(found: Iterable[NetworkGateway]) -> NetworkGateways:
    """The gateways, each once, with the scale that their numbers need."""
    known = tuple(sorted(set(found)))
    if not known:
        return NO_GATEWAYS
    counts: dict[tuple[str, ...], int] = {}
    for gateway in known:
        for key in ((gateway.network,), (gateway.network, gateway.cluster)):
            counts[key] = counts.get(key, 0) + 1
    return NetworkGateways(known, lcm(*counts.values()))


def network_gateways(objects: Snapshot, services: Sequence[Service], mesh: MeshConfig) -> NetworkGateways:
    """Gateways that Services and Gateways of the Gateway API with a network label stand for."""
    # DEVIATION: MeshNetworks (the older configuration of networks by address range and registry) is not read.
    return make_gateways([*_of_services(objects, services, mesh), *_of_gateways(objects, mesh)])


def _of_services(objects: Snapshot, services: Sequence[Service], mesh: MeshConfig) -> Iterator[NetworkGateway]:
    for service in services:
        network = service.labels.get(NETWORK_LABEL, "")
        if not network or service.registry is not Registry.KUBERNETES or service.source is None:
            continue
        text = service.labels.get(GATEWAY_PORT_LABEL, "")
        port = int(text) if text.isdigit() else DEFAULT_GATEWAY_PORT
        addresses: Iterable[str] = service.external_addresses
        if service.source.spec.text("type") == "NodePort" and _NODE_SELECTOR in service.annotations:
            addresses = _node_addresses(objects, service.annotations[_NODE_SELECTOR])
            port = _node_ports(service.source).get(port, port)
        for address in addresses:
            yield NetworkGateway(address, port, network, mesh.cluster_id)


def _node_addresses(objects: Snapshot, selector: str) -> Iterator[str]:
    """External addresses of the nodes that a JSON object of labels selects."""
    try:
        labels = json.loads(selector or "{}")
    except ValueError:
        return
    if not isinstance(labels, dict):
        return
    for node in objects.select("Node", ""):
        if labels_match(labels, node.labels):
            for address in node.status.items("addresses"):
                if address.text("type") == "ExternalIP" and address.text("address"):
                    yield address.text("address")
                    break


def _node_ports(service: ApiObject) -> dict[int, int]:
    return {p.integer("port"): p.integer("nodePort") for p in service.spec.items("ports") if p.integer("nodePort")}


def _of_gateways(objects: Snapshot, mesh: MeshConfig) -> Iterator[NetworkGateway]:
    for item in objects.select("Gateway", _GATEWAY_API):
        network = item.labels.get(NETWORK_LABEL, "")
        if not network:
            continue
        ports = [
            listener.integer("port")
            for listener in item.spec.items("listeners")
            if "tls" in listener and is_auto_passthrough(item, listener, listener.fields("tls").text_map("options"))
        ]
        for address in item.spec.items("addresses"):
            if address.text("type") in ("IPAddress", "Hostname"):
                for port in ports:
                    yield NetworkGateway(address.text("value"), port, network, mesh.cluster_id)
