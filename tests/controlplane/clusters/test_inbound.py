from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.clusters.draft import Cluster

IN = "inbound|8080||"


def _sidecar(spec: str) -> str:
    return (
        "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: shop},"
        f" spec: {{workloadSelector: {{labels: {{app: web}}}}, {spec}}}}}"
    )


def _inbound(mesh: Any, pod: str = "shop/web-0") -> dict[str, Any]:
    return {name: c for name, c in mesh.clusters(pod).items() if name.startswith("inbound|")}


def test_a_port_the_workload_serves(shop: Any) -> None:
    (cluster,) = _inbound(shop).values()
    assert (cluster.name, cluster.type) == (IN, Cluster.ORIGINAL_DST)
    assert cluster.upstream_bind_config.source_address.address == "127.0.0.6"
    (service,) = cluster.metadata.filter_metadata["istio"]["services"]
    assert service["name"] == "web"
    assert _inbound(shop, "shop/client-0") == {}


def test_services_on_one_workload_port_share_its_cluster(shop: Any) -> None:
    for name, port in (("same", 80), ("other", 81)):
        shop.put(
            f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop,"
            " creationTimestamp: '2026-02-01T00:00:00Z'}, spec: {clusterIP: 10.96.0.8, selector: {app: web},"
            f" ports: [{{name: http, port: {port}, targetPort: 8080}}]}}}}"
        )
    (cluster,) = _inbound(shop).values()
    names = [s["name"] for s in cluster.metadata.filter_metadata["istio"]["services"]]
    assert names == ["web", "same"]


def test_the_pool_of_the_rule_and_that_of_the_sidecar(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        " spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}},"
        " portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 6}}}]}}}"
    )
    assert _inbound(shop)[IN].circuit_breakers.thresholds[0].max_connections.value == 6
    shop.put(_sidecar("inboundConnectionPool: {tcp: {maxConnections: 7}}"))
    assert _inbound(shop)[IN].circuit_breakers.thresholds[0].max_connections.value == 7


@pytest.mark.parametrize(
    ("endpoint", "address", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("0.0.0.0:9000", "10.244.0.1", 9000),
        ("'[::1]:9000'", "127.0.0.1", 9000),
        ("'unix:///tmp/s'", "/tmp/s", 0),
        ("''", "", 0),
    ],
)
def test_ingress_listeners_say_where_the_application_is(shop: Any, endpoint: str, address: str, port: int) -> None:
    shop.put(
        _sidecar(f"ingress: [{{port: {{number: 7000, name: http, protocol: HTTP}}, defaultEndpoint: {endpoint}}}]")
    )
    (cluster,) = _inbound(shop).values()
    assert cluster.name == "inbound|7000||"
    if not address:
        assert cluster.type == Cluster.ORIGINAL_DST
        return
    assert cluster.type == Cluster.STATIC
    found = cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address
    if port:
        assert (found.socket_address.address, found.socket_address.port_value) == (address, port)
    else:
        assert found.pipe.path == address


def test_the_application_may_listen_on_localhost(small_mesh: Any, shop: Any) -> None:
    mesh = small_mesh(
        "", "{inboundTrafficPolicy: {mode: LOCALHOST}, inboundClusterStatName: '%SERVICE%-%TARGET_PORT%'}"
    )
    for kind in ("Service", "Pod"):
        for item in shop.store.select(kind):
            mesh.store.put(item)
    (cluster,) = _inbound(mesh).values()
    assert cluster.type == Cluster.STATIC
    assert not cluster.HasField("upstream_bind_config")
    assert cluster.alt_stat_name == "web.shop-8080;"


def test_without_capture_there_are_none(shop: Any) -> None:
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web},"
        " annotations: {sidecar.istio.io/interceptionMode: NONE}}, spec: {nodeName: n1, containers: [{name: app},"
        " {name: istio-proxy}]}, status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}}"
    )
    assert _inbound(shop) == {}
