from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.model import Endpoint
from meshsim.controlplane.networks import NO_GATEWAYS, NetworkGateway, NetworkGateways, make_gateways


def _service(spec: str, labels: str = "topology.istio.io/network: west", more: str = "") -> str:
    return (
        f"{{apiVersion: v1, kind: Service, metadata: {{name: east-west, namespace: shop, labels: {{{labels}}}{more}}},"
        f" spec: {spec}, status: {{loadBalancer: {{ingress: [{{ip: 1.1.1.1}}, {{hostname: gw.example.com}}]}}}}}}"
    )


def _known(mesh: Any) -> list[tuple[str, int, str]]:
    gateways = mesh.push().gateways
    assert isinstance(gateways, NetworkGateways)
    return [(g.address, g.port, g.network) for g in gateways.known]


def test_a_service_with_a_network_label_is_the_way_into_it(shop: Any) -> None:
    assert shop.push().gateways == NO_GATEWAYS
    shop.put(_service("{type: LoadBalancer}"))
    assert _known(shop) == [("1.1.1.1", 15443, "west"), ("gw.example.com", 15443, "west")]
    assert [g.address for g in shop.push().gateway_addresses.known] == ["1.1.1.1"]
    shop.put(
        _service("{type: LoadBalancer}", "topology.istio.io/network: west, networking.istio.io/gatewayPort: '443'")
    )
    assert _known(shop)[0] == ("1.1.1.1", 443, "west")
    shop.put(_service("{type: LoadBalancer}", "other: label"))
    assert _known(shop) == []


@pytest.mark.parametrize(
    ("selector", "want"), [('\'{"role": "edge"}\'', [("9.9.9.9", 31443, "west")]), ("'no json'", []), ("'[]'", [])]
)
def test_node_ports_are_ways_too(shop: Any, selector: str, want: list[Any]) -> None:
    shop.put(
        "{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {role: edge}}, status: {addresses:"
        " [{type: InternalIP, address: 8.8.8.8}, {type: ExternalIP, address: 9.9.9.9}]}}"
    )
    spec = "{type: NodePort, ports: [{name: tls, port: 15443, nodePort: 31443}]}"
    shop.put(_service(spec, more=f", annotations: {{traffic.istio.io/nodeSelector: {selector}}}"))
    assert _known(shop) == want


def test_gateways_of_the_gateway_api(shop: Any) -> None:
    shop.put(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: shop,"
        " labels: {topology.istio.io/network: west}}, spec: {gatewayClassName: istio,"
        " addresses: [{type: IPAddress, value: 2.2.2.2}, {type: Other, value: x}], listeners:"
        " [{name: a, port: 15443, protocol: TLS, tls: {mode: Passthrough}}, {name: b, port: 80, protocol: HTTP},"
        " {name: c, port: 443, protocol: TLS, tls: {mode: Passthrough}}]}}"
    )
    assert _known(shop) == [("2.2.2.2", 15443, "west")]


def _gateway(address: str, network: str, cluster: str = "c") -> NetworkGateway:
    return NetworkGateway(address, 15443, network, cluster)


def test_weights_can_be_divided_among_the_gateways_of_each_network() -> None:
    assert make_gateways([]) is NO_GATEWAYS
    found = make_gateways(
        [_gateway(a, n) for a, n in (("1", "x"), ("2", "x"), ("3", "y"), ("4", "y"), ("5", "y"), ("5", "y"))]
    )
    assert len(found.known) == 5
    assert found.scale == 6


def test_gateways_of_the_same_kube_come_first() -> None:
    gateways = make_gateways([_gateway("1", "x", "a"), _gateway("2", "x", "b"), _gateway("3", "y", "a")])

    def ways(network: str, cluster: str) -> list[str]:
        endpoint = Endpoint(address="e", port=1, port_name="", network=network, cluster_id=cluster)
        return [g.address for g in gateways.of(endpoint)]

    assert ways("x", "a") == ["1"]
    assert ways("x", "other") == ["1", "2"]
    assert ways("z", "a") == []
