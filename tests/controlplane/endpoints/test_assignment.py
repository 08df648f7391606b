from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.endpoints.assignment import canonical_service
from meshsim.xds.messages import health_check_pb2

WEB = "outbound|80||web.shop.svc.cluster.local"
V1 = "outbound|80|v1|web.shop.svc.cluster.local"


def _addresses(assignment: Any) -> list[str]:
    return [e.endpoint.address.socket_address.address for g in assignment.endpoints for e in g.lb_endpoints]


def _slice(conditions: str = "{ready: true}", address: str = "10.244.0.1") -> str:
    return (
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,"
        " metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}},"
        f" ports: [{{name: http, port: 8080}}], endpoints: [{{addresses: ['{address}'], conditions: {conditions}}}]}}"
    )


def test_endpoints_of_a_service(shop: Any) -> None:
    (group,) = shop.assignment("shop/client-0", WEB).endpoints
    assert (group.locality.region, group.locality.zone, group.load_balancing_weight.value) == ("eu", "eu-1", 2)
    first, second = group.lb_endpoints
    assert (first.endpoint.address.socket_address.port_value, first.load_balancing_weight.value) == (8080, 1)
    metadata = first.metadata.filter_metadata
    assert metadata["envoy.transport_socket_match"]["tlsMode"] == "istio"
    assert metadata["istio"]["workload"] == "web-0;shop;web;v1;Kubernetes"
    assert second.metadata.filter_metadata["istio"]["workload"] == "web-1;shop;web;v2;Kubernetes"


def test_subsets_choose_by_labels(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        " spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}}"
    )
    assert _addresses(shop.assignment("shop/client-0", V1)) == ["10.244.0.1"]


@pytest.mark.parametrize("name", ["outbound|80||nobody", "outbound|81||web.shop.svc.cluster.local", "other"])
def test_unknown_clusters_have_empty_assignments(shop: Any, name: str) -> None:
    found = shop.assignment("shop/client-0", name)
    assert (found.cluster_name, len(found.endpoints)) == (name, 0)


def test_clusters_without_endpoints_are_counted(shop: Any) -> None:
    shop.remove("EndpointSlice", "shop", "web-1")
    assert not shop.assignment("shop/client-0", WEB).endpoints
    assert list(shop.last.status.counts["pilot_eds_no_instances"]) == [WEB]


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ("{ready: false, terminating: false}", ["UNHEALTHY"]),
        ("{ready: false, terminating: true}", []),
        ("{ready: true}", ["HEALTHY"]),
    ],
)
def test_unready_endpoints_are_sent_as_such_and_ending_ones_not(shop: Any, conditions: str, health: list[str]) -> None:
    shop.put(_slice(conditions))
    groups = shop.assignment("shop/client-0", WEB).endpoints
    assert [health_check_pb2.HealthStatus.Name(e.health_status) for g in groups for e in g.lb_endpoints] == health


def _tls(assignment: Any) -> list[bool]:
    return [
        "envoy.transport_socket_match" in e.metadata.filter_metadata
        for g in assignment.endpoints
        for e in g.lb_endpoints
    ]


def test_mtls_by_what_the_rule_the_policy_and_the_pod_say(shop: Any) -> None:
    assert _tls(shop.assignment("shop/client-0", WEB)) == [True, True]
    shop.put(
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: v1, namespace: shop},"
        " spec: {selector: {matchLabels: {version: v1}}, mtls: {mode: DISABLE}}}"
    )
    assert _tls(shop.assignment("shop/client-0", WEB)) == [False, True]
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        " spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL},"
        " portLevelSettings: [{port: {number: 90}, tls: {mode: DISABLE}}]},"
        " subsets: [{name: v1, trafficPolicy: {tls: {mode: SIMPLE}}}]}}"
    )
    assert _tls(shop.assignment("shop/client-0", WEB)) == [True, True]
    assert _tls(shop.assignment("shop/client-0", V1)) == [False, False]
    shop.put(_slice(address="10.9.9.9"))
    assert _tls(shop.assignment("shop/client-0", WEB)) == [False]


def test_local_traffic_stays_on_the_node_of_the_client(shop: Any) -> None:
    shop.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1,"
        " internalTrafficPolicy: Local, selector: {app: web}, ports: [{name: http, port: 80}]}}"
    )
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n2}, status: {phase: Running, podIP: 10.244.0.2}}"
    )
    assert _addresses(shop.assignment("shop/client-0", WEB)) == ["10.244.0.1"]


def test_localities_are_in_the_order_of_their_names(shop: Any) -> None:
    shop.put("{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {topology.kubernetes.io/region: as}}}")
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n2}, status: {phase: Running, podIP: 10.244.0.2}}"
    )
    groups = shop.assignment("shop/client-0", WEB).endpoints
    assert [g.locality.region for g in groups] == ["as", "eu"]


def test_failover_orders_by_where_the_client_is(shop: Any) -> None:
    shop.put("{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {topology.kubernetes.io/region: as}}}")
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n2}, status: {phase: Running, podIP: 10.244.0.2}}"
    )
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        " spec: {host: web, trafficPolicy: {outlierDetection: {}}}}"
    )
    found = {pod: shop.assignment(f"shop/{pod}", WEB).endpoints for pod in ("client-0", "web-1")}
    assert {pod: [g.priority for g in groups] for pod, groups in found.items()} == {
        "client-0": [1, 0],
        "web-1": [0, 1],
    }


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        ({}, ("w", "latest")),
        ({"app": "a", "version": "v"}, ("a", "v")),
        ({"app.kubernetes.io/name": "k", "app": "a", "app.kubernetes.io/version": "2"}, ("k", "2")),
        (
            {"service.istio.io/canonical-name": "c", "app": "a", "service.istio.io/canonical-revision": "3"},
            ("c", "3"),
        ),
    ],
)
def test_canonical_service(labels: dict[str, str], want: tuple[str, str]) -> None:
    assert canonical_service(labels, "w") == want
