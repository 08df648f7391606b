from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.model import Health, Resolution

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext, namespace: a}
spec:
  hosts: [one.example.com, two.example.com]
  addresses: [10.9.9.9, 10.8.8.8/32, 10.7.0.0/16]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 90, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints:
  - {address: 10.1.1.1, ports: {http: 81}, labels: {v: '1'}, weight: 5, locality: eu/eu-1, serviceAccount: sa}
  - {address: 10.1.1.2}
"""


def test_one_service_for_each_host_and_address(small_mesh: Callable[..., Any]) -> None:
    push = small_mesh(ENTRY).push()
    found = [(s.hostname, s.default_address) for s in push.services]
    addresses = ["10.9.9.9", "10.8.8.8", "10.7.0.0/16"]
    assert sorted(found) == sorted((h, a) for h in ("one.example.com", "two.example.com") for a in addresses)


def test_ports_of_inline_endpoints(small_mesh: Callable[..., Any]) -> None:
    push = small_mesh(ENTRY).push()
    service = push.service("one.example.com", "a")
    http = [(e.address, e.port) for e in push.endpoints(service, service.ports[0])]
    tcp = [(e.address, e.port) for e in push.endpoints(service, service.ports[1])]
    assert http == [("10.1.1.1", 81), ("10.1.1.2", 8080)]
    assert tcp == [("10.1.1.1", 90), ("10.1.1.2", 90)]


def test_inline_endpoints_say_where_and_who_they_are(small_mesh: Callable[..., Any]) -> None:
    push = small_mesh(ENTRY).push()
    service = push.service("one.example.com", "a")
    first, second = push.endpoints(service, service.ports[0])
    assert (first.weight, str(first.locality), first.workload_name) == (5, "eu/eu-1", "ext-0")
    assert first.service_account == "spiffe://cluster.local/ns/a/sa/sa"
    assert (first.tls_mode, second.tls_mode) == ("istio", "disabled")
    assert first.health is Health.UNKNOWN


def test_dns_without_endpoints_resolves_its_host(small_mesh: Callable[..., Any]) -> None:
    push = small_mesh(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: d, namespace: a},"
        " spec: {hosts: [db.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}}"
    ).push()
    service = push.service("db.example.com", "a")
    assert service.resolution is Resolution.DNS_LB
    assert service.mesh_external
    (endpoint,) = push.endpoints(service, service.ports[0])
    assert (endpoint.address, endpoint.port, endpoint.workload_name) == ("db.example.com", 443, "d")


SELECTING = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm, namespace: shop}
spec:
  hosts: [vm.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {labels: {app: web}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm-1, namespace: shop}
spec: {address: 10.5.5.5, labels: {app: web}, serviceAccount: vm}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm-dns, namespace: shop}
spec: {address: vm.example.org, labels: {app: web}}
"""


def test_selectors_take_pods_and_workload_entries(shop: Any) -> None:
    shop.put(SELECTING)
    push = shop.push()
    service = push.service("vm.example.com", "shop")
    found = [(e.address, e.port, e.workload_name) for e in push.endpoints(service, service.ports[0])]
    assert found == [("10.5.5.5", 80, "vm-1"), ("10.244.0.1", 80, "web-0"), ("10.244.0.2", 80, "web-1")]


def test_kubernetes_services_take_workload_entries_too(shop: Any) -> None:
    shop.put(SELECTING)
    push = shop.push()
    service = push.service("web.shop.svc.cluster.local", "shop")
    assert [(e.address, e.port) for e in push.endpoints(service, service.ports[0])] == [
        ("10.244.0.1", 8080),
        ("10.244.0.2", 8080),
        ("10.5.5.5", 8080),
    ]


def test_a_pod_serves_what_selects_it(shop: Any) -> None:
    shop.put(SELECTING)
    targets = shop.push().service_targets(shop.proxy("shop", "web-0"))
    assert [(t.service.hostname, t.target_port) for t in targets] == [
        ("vm.example.com", 80),
        ("web.shop.svc.cluster.local", 8080),
    ]


def test_allocated_addresses_are_read_from_the_status(small_mesh: Callable[..., Any]) -> None:
    push = small_mesh(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: d, namespace: a},"
        " spec: {hosts: [x.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]},"
        " status: {addresses: [{value: '240.240.0.7', host: x.example.com},"
        " {value: '2001:2::7', host: x.example.com}]}}"
    ).push()
    assert push.service("x.example.com", "a").auto_address == "240.240.0.7"


def test_the_services_that_entries_declare_of_a_host(small_mesh: Callable[..., Any]) -> None:
    external = small_mesh(ENTRY).push().registry.external
    found = external.declared("one.example.com", "a")
    assert sorted(s.default_address for s in found) == ["10.7.0.0/16", "10.8.8.8", "10.9.9.9"]
    assert external.declared("one.example.com", "b") == ()
