"""The route and policy in force for a host, with the lines that say so."""

from __future__ import annotations

import pytest

from meshsim.checks.configuration import config_in_force, objects_at
from meshsim.scenario import LoadedScenario, load_text
from meshsim.units import SECOND

TEXT = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: shop
duration: 60s
resources:
  - {apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {ports: [{port: 80}]}}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: cart, namespace: shop}
    spec:
      hosts: [cart]
      http:
        - {name: beta, match: [{uri: {prefix: /beta}}], timeout: 2s, route: [{destination: {host: cart}}]}
        - {name: all, retries: {attempts: 0}, route: [{destination: {host: cart}}]}
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: cart, namespace: shop}
    spec:
      host: cart.shop.svc.cluster.local
      trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}
timeline:
  - id: slow
    at: 10s
    for: 10s
    apply:
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: cart, namespace: shop}
      spec:
        hosts: [cart]
        http:
          - fault: {delay: {percentage: {value: 50}, fixedDelay: 2s}}
            route: [{destination: {host: cart}}]
  - id: gone
    at: 30s
    delete: [{kind: DestinationRule, name: cart, namespace: shop}]
"""
CART = "cart.shop.svc.cluster.local"


@pytest.fixture(scope="module")
def loaded() -> LoadedScenario:
    return load_text(TEXT, "shop.yaml")


def test_the_named_route_with_what_it_says(loaded: LoadedScenario) -> None:
    assert config_in_force(loaded, CART, "beta", 0) == [
        "shop.yaml:13 VirtualService shop/cart (timeout 2s, default 2 retries)",
        "shop.yaml:20 DestinationRule shop/cart (outlierDetection)",
    ]
    assert config_in_force(loaded, CART, "all", 0)[0] == (
        "shop.yaml:14 VirtualService shop/cart (no timeout, no retries)"
    )


def test_what_the_timeline_put_in_its_place(loaded: LoadedScenario) -> None:
    during = config_in_force(loaded, CART, "", 15 * SECOND)
    assert during[0] == "shop.yaml:32 VirtualService shop/cart (no timeout, default 2 retries, with a fault (delay))"
    assert config_in_force(loaded, CART, "beta", 20 * SECOND)[0].startswith("shop.yaml:13 ")


def test_what_was_deleted_is_in_force_no_longer(loaded: LoadedScenario) -> None:
    assert [item.kind for item in objects_at(loaded, 29 * SECOND)] == ["VirtualService", "DestinationRule"]
    assert [item.kind for item in objects_at(loaded, 30 * SECOND)] == ["VirtualService"]


def test_other_hosts_are_not_concerned(loaded: LoadedScenario) -> None:
    assert config_in_force(loaded, "carts.shop.svc.cluster.local", "", 0) == []
    assert config_in_force(loaded, "cart.other.svc.cluster.local", "", 0) == []


def test_the_meshs_own_retries_are_named() -> None:
    mesh = "mesh: {meshConfig: {defaultHttpRetryPolicy: {attempts: 5}}}\nresources:"
    loaded = load_text(TEXT.replace("resources:", mesh), "shop.yaml")
    assert "the mesh's 5 retries" in config_in_force(loaded, CART, "beta", 0)[0]
