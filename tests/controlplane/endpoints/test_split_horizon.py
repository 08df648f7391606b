from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.endpoints.split_horizon import in_network

WEB = "outbound|80||web.shop.svc.cluster.local"
GATEWAYS = "\n---\n".join(
    "{apiVersion: v1, kind: Service, spec: {type: LoadBalancer},"
    f" metadata: {{name: {name}, namespace: istio-system, labels: {{topology.istio.io/network: {name}}}}},"
    f" status: {{loadBalancer: {{ingress: [{ingress}]}}}}}}"
    for name, ingress in (("west", "{ip: 1.1.1.1}, {ip: 1.1.1.2}"), ("east", "{ip: 2.2.2.2}"))
)


def _pod(name: str, address: str, network: str, tls: str = "istio") -> str:
    app = "web" if name.startswith("web") else "client"
    label = f", topology.istio.io/network: {network}" if network else ""
    return (
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop,"
        f" labels: {{app: {app}, security.istio.io/tlsMode: {tls}{label}}}}},"
        " spec: {nodeName: n1, containers: [{name: app}, {name: istio-proxy}]},"
        f" status: {{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}]}}}}"
    )


@pytest.fixture
def wide(shop: Any) -> Any:
    """One pod behind `web` in each of two networks, a client in the western one."""
    shop.put(GATEWAYS)
    shop.put(_pod("web-0", "10.244.0.1", "west"))
    shop.put(_pod("web-1", "10.244.0.2", "east"))
    shop.put(_pod("client-0", "10.244.0.9", "west"))
    return shop


def _sent(mesh: Any, pod: str = "client-0") -> list[tuple[str, int, int]]:
    return [
        (
            e.endpoint.address.socket_address.address,
            e.endpoint.address.socket_address.port_value,
            e.load_balancing_weight.value,
        )
        for g in mesh.assignment(f"shop/{pod}", WEB).endpoints
        for e in g.lb_endpoints
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"), [("a", "a", True), ("a", "b", False), ("", "b", True), ("a", "", True)]
)
def test_unknown_networks_are_one_with_any(one: str, other: str, same: bool) -> None:
    assert in_network(one, other) is same


def test_endpoints_of_other_networks_give_way_to_their_gateways(wide: Any) -> None:
    assert _sent(wide) == [("10.244.0.1", 8080, 2), ("2.2.2.2", 15443, 2)]
    assert _sent(wide, "web-1") == [("10.244.0.2", 8080, 2), ("1.1.1.1", 15443, 1), ("1.1.1.2", 15443, 1)]
    (group,) = wide.assignment("shop/client-0", WEB).endpoints
    assert group.load_balancing_weight.value == 4
    metadata = group.lb_endpoints[1].metadata.filter_metadata
    assert metadata["envoy.transport_socket_match"]["tlsMode"] == "istio"
    assert metadata["istio"]["workload"] == ";;;;Kubernetes"


def test_a_client_of_no_network_reaches_everything(wide: Any) -> None:
    wide.put(_pod("client-0", "10.244.0.9", ""))
    assert [address for address, _, _ in _sent(wide)] == ["10.244.0.1", "10.244.0.2"]


def test_only_mtls_crosses_networks(wide: Any) -> None:
    wide.put(_pod("web-1", "10.244.0.2", "east", "disabled"))
    assert [address for address, _, _ in _sent(wide)] == ["10.244.0.1"]


def test_a_network_without_gateways_is_reached_directly(wide: Any) -> None:
    wide.put(_pod("web-1", "10.244.0.2", "north"))
    assert [address for address, _, _ in _sent(wide)] == ["10.244.0.1", "10.244.0.2"]


def test_pods_are_in_the_network_of_the_namespace_of_pilot(wide: Any) -> None:
    wide.put(_pod("web-0", "10.244.0.1", ""))
    wide.put(
        "{apiVersion: v1, kind: Namespace, metadata: {name: istio-system, labels: {topology.istio.io/network: east}}}"
    )
    assert [address for address, _, _ in _sent(wide)] == ["2.2.2.2"]


def test_workloads_without_address_are_behind_their_gateway(wide: Any) -> None:
    wide.put(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: vm, namespace: shop},"
        " spec: {hosts: [vm.example.com], location: MESH_INTERNAL, resolution: STATIC,"
        " ports: [{number: 80, name: http, protocol: HTTP}],"
        " endpoints: [{network: east, labels: {security.istio.io/tlsMode: istio}}]}}"
    )
    found = wide.assignment("shop/client-0", "outbound|80||vm.example.com")
    (endpoint,) = found.endpoints[0].lb_endpoints
    assert endpoint.endpoint.address.socket_address.address == "2.2.2.2"
    assert not wide.assignment("shop/web-1", "outbound|80||vm.example.com").endpoints
