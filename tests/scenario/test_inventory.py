"""What names of a scenario can refer to."""

from __future__ import annotations

import pytest

from meshsim.api import load_text
from meshsim.scenario.inventory import Inventory

OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v2, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart, version: v2}}
    spec: {containers: [{name: app, image: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: lonely, namespace: shop, labels: {app.kubernetes.io/name: hermit, app: other}}
spec: {containers: [{name: app, image: app}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: ["api.example.com", "*.pay.example.com"]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: NONE
  location: MESH_EXTERNAL
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: a}}
"""


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return Inventory.of(load_text(OBJECTS, "objects.yaml").objects)


@pytest.mark.parametrize(
    ("host", "namespace", "found"),
    [
        ("cart", "shop", ("shop", "cart")),
        ("cart", "other", None),
        ("cart.shop", "other", ("shop", "cart")),
        ("cart.shop.svc", "other", ("shop", "cart")),
        ("cart.shop.svc.cluster.local", "other", ("shop", "cart")),
        ("cart-0.cart.shop.svc.cluster.local", "other", ("shop", "cart")),
        ("example.com", "shop", None),
    ],
)
def test_hosts_resolve_as_dns_would(
    inventory: Inventory, host: str, namespace: str, found: tuple[str, str] | None
) -> None:
    assert inventory.resolve(host, namespace) == found


def test_hosts_outside_need_a_service_entry(inventory: Inventory) -> None:
    assert inventory.is_known_outside("api.example.com")
    assert inventory.is_known_outside("eu.pay.example.com")
    assert not inventory.is_known_outside("example.com")


def test_canonical_names_follow_istios_order_of_labels(inventory: Inventory) -> None:
    assert [(t.name, t.app, t.version) for t in inventory.templates] == [
        ("cart-v2", "cart", "v2"),
        ("lonely", "hermit", "latest"),
    ]


def test_places(inventory: Inventory) -> None:
    assert inventory.nodes == ["n1"]
    assert inventory.zones == ["a"]
    assert inventory.controller("Deployment", "shop", "cart-v2") is not None
    assert inventory.controller("Deployment", "default", "cart-v2") is None
    assert [pod.name for pod in inventory.pods({"app": "cart"})] == ["cart-v2"]
    assert inventory.pods({"app": "cart"}, "elsewhere") == []
