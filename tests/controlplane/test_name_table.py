from __future__ import annotations

from typing import Any

from meshsim.controlplane.model import ProxyType
from meshsim.xds import type_urls

DOMAIN = "shop.svc.cluster.local"


def _table(mesh: Any, pod: str = "shop/client-0") -> Any:
    (table,) = mesh.generate(type_urls.NAME_TABLE, pod).values()
    return table.table


def _entry(host: str, addresses: str, name: str = "ext") -> str:
    return (
        f"{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: {name}, namespace: shop}},"
        f" spec: {{hosts: [{host}], addresses: {addresses}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}}}"
    )


def test_a_service_has_its_address(shop: Any) -> None:
    entry = _table(shop)[f"web.{DOMAIN}"]
    assert list(entry.ips) == ["10.96.0.1"]
    assert (entry.registry, entry.namespace, entry.shortname) == ("Kubernetes", "shop", "web")


def test_gateways_have_none(shop: Any) -> None:
    assert shop.generate(type_urls.NAME_TABLE, "shop/client-0", kind=ProxyType.ROUTER) == {}


def test_a_headless_service_has_its_pods_and_their_own_names(shop: Any) -> None:
    shop.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},"
        " spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}}"
    )
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n1, hostname: web-0, subdomain: web}, status: {phase: Running, podIP: 10.244.0.1}}"
    )
    table = _table(shop)
    assert list(table[f"web.{DOMAIN}"].ips) == ["10.244.0.1", "10.244.0.2"]
    assert list(table[f"web-0.web.{DOMAIN}"].ips) == ["10.244.0.1"]
    assert table[f"web-0.web.{DOMAIN}"].shortname == "web-0.web"


def test_unready_pods_are_listed_when_the_service_publishes_them(shop: Any) -> None:
    for publish, want in (("false", ["10.244.0.1"]), ("true", ["10.244.0.1", "10.244.0.2"])):
        shop.put(
            "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: None,"
            f" publishNotReadyAddresses: {publish}, selector: {{app: web}}, ports: [{{name: http, port: 80}}]}}}}"
        )
        shop.put(
            "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,"
            " metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}},"
            " ports: [{name: http, port: 80}], endpoints: [{addresses: [10.244.0.1], conditions: {ready: true}},"
            " {addresses: [10.244.0.2], conditions: {ready: false, terminating: false}}]}"
        )
        assert list(_table(shop)[f"web.{DOMAIN}"].ips) == want


def test_several_addresses_of_an_entry_are_all_listed(shop: Any) -> None:
    shop.put(_entry("ext.example.com", "[1.2.3.4, 1.2.3.5, 10.0.0.0/8]"))
    entry = _table(shop)["ext.example.com"]
    assert list(entry.ips) == ["1.2.3.4", "1.2.3.5"]
    assert (entry.registry, entry.shortname) == ("External", "")


def test_a_kubernetes_service_takes_its_name_from_an_entry(shop: Any) -> None:
    shop.put(_entry(f"web.{DOMAIN}", "[1.2.3.4]"))
    assert list(_table(shop)[f"web.{DOMAIN}"].ips) == ["10.96.0.1"]


def test_allocated_addresses_count_where_the_agent_answers_dns(small_mesh: Any, shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: auto, namespace: shop},"
        " spec: {hosts: [auto.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]},"
        " status: {addresses: [{value: 240.240.0.9, host: auto.example.com}]}}"
    )
    assert "auto.example.com" not in _table(shop)
    mesh = small_mesh("", "{defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}}}")
    for item in shop.store.select("Pod") + shop.store.select("ServiceEntry"):
        mesh.store.put(item)
    assert list(_table(mesh)["auto.example.com"].ips) == ["240.240.0.9"]
