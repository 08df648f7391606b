from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.model import Registry
from meshsim.controlplane.proxies import build_proxy, node_of_pod

HOST = "web.shop.svc.cluster.local"


def _service(name: str, target: str) -> str:
    return (
        f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}},"
        f" spec: {{type: ExternalName, externalName: {target}}}}}"
    )


def test_aliases_lead_over_any_number_of_hops(shop: Any) -> None:
    shop.put(_service("one", HOST) + "\n---\n" + _service("two", "one.shop.svc.cluster.local"))
    shop.put(_service("loop-a", "loop-b.shop.svc.cluster.local"))
    shop.put(_service("loop-b", "loop-a.shop.svc.cluster.local"))
    push = shop.push()
    assert push.service(HOST, "shop").aliases == ("one.shop.svc.cluster.local", "two.shop.svc.cluster.local")
    assert push.service("loop-a.shop.svc.cluster.local", "shop").aliases == ()


def test_a_service_with_aliases_keeps_its_identity(shop: Any) -> None:
    shop.put(_service("one", HOST))
    before = shop.push().service(HOST, "shop")
    assert shop.push().service(HOST, "shop") is before


def test_kubernetes_owns_its_host_names(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry,"
        " metadata: {name: squat, namespace: a, creationTimestamp: '2020-01-01T00:00:00Z'},"
        " spec: {hosts: [web.a.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}]}}"
    )
    mesh.put(
        "{apiVersion: v1, kind: Service,"
        " metadata: {name: web, namespace: a, creationTimestamp: '2026-01-01T00:00:00Z'},"
        " spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}"
    )
    assert mesh.push().service("web.a.svc.cluster.local", "a").registry is Registry.KUBERNETES


def test_services_are_oldest_first_then_by_name(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh("")
    for name, stamp in (("b", "02"), ("z", "01"), ("a", "02")):
        mesh.put(
            f"{{apiVersion: v1, kind: Service, spec: {{clusterIP: 10.96.0.1}},"
            f" metadata: {{name: {name}, namespace: n, creationTimestamp: '2026-01-{stamp}T00:00:00Z'}}}}"
        )
    assert [s.name for s in mesh.push().services] == ["z", "a", "b"]


def test_who_served_is_remembered_when_all_endpoints_are_gone(shop: Any) -> None:
    """As the recorded pushes of slices that are emptied: CDS, which names the accounts, does not change."""
    accounts = ("spiffe://cluster.local/ns/shop/sa/web",)
    shop.push()
    shop.remove("EndpointSlice", "shop", "web-1")
    second = shop.push()
    third = shop.push()
    for push in (second, third):
        service = push.service(HOST, "shop")
        assert push.endpoints(service, service.ports[0]) == ()
        assert push.service_accounts(service) == accounts


def test_a_service_that_was_deleted_is_forgotten(shop: Any) -> None:
    service = shop.store.find("Service", "shop", "web")
    shop.push()
    shop.remove("EndpointSlice", "shop", "web-1")
    shop.remove("Service", "shop", "web")
    shop.push()
    shop.store.put(service)
    push = shop.push()
    assert push.service_accounts(push.service(HOST, "shop")) == ()


def test_a_workload_outside_the_kube_serves_the_services_that_select_it(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: vm, namespace: shop},"
        " spec: {address: 10.9.9.9, labels: {app: web}, ports: {http: 8000}}}"
    )
    push = shop.push()
    service = push.service(HOST, "shop")
    assert [e.address for e in push.endpoints(service, service.ports[0])][-1] == "10.9.9.9"
    node = dict(node_of_pod(shop.pod("shop", "web-0"), shop.store, shop.mesh))
    node["id"] = "sidecar~10.9.9.9~vm.shop~shop.svc.cluster.local"
    proxy = build_proxy(node, shop.store, shop.mesh)
    assert [(t.service.hostname, t.port.port, t.target_port) for t in push.service_targets(proxy)] == [(HOST, 80, 8080)]


def test_the_endpoints_of_one_host_by_where_they_come_from(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ext, namespace: shop},"
        " spec: {hosts: [ext.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC,"
        " endpoints: [{address: 10.9.9.9}]}}"
    )
    registry = shop.push().registry
    kube, external = Registry.KUBERNETES, Registry.EXTERNAL
    assert [e.address for e in registry.shard("ext.example.com", "shop", external)] == ["10.9.9.9"]
    assert registry.shard("ext.example.com", "shop", kube) == ()
    assert registry.shard(HOST, "shop", kube)
    assert registry.shard(HOST, "shop", external) == ()
