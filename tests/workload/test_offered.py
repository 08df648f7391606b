"""Requests that reach each service at least."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.scenario import Inventory, LoadedScenario, build_call_graph
from meshsim.workload import offered_load


def _load(loaded: LoadedScenario) -> dict[str, float]:
    inventory = Inventory.of(loaded.all_objects())
    graph = build_call_graph(inventory, loaded.scenario.workloads)
    return {asked.service.name: rate for asked, rate in offered_load(loaded, inventory, graph).items()}


def test_load_follows_the_calls(make: Callable[..., LoadedScenario]) -> None:
    # web calls cart twice and prices half the time; cart v1 fails 10 % of the time before it calls stock once,
    # cart v2 calls it twice, and nobody knows which version is asked: at least 0.9 calls.
    assert _load(make()) == pytest.approx({"web": 100, "cart": 200, "prices": 50, "stock": 180})


def test_closed_loops_do_not_pile_up(make: Callable[..., LoadedScenario]) -> None:
    without_shoppers = make(**{"rate: 100/s": "users: 3\n    think: 1s"})
    assert _load(without_shoppers) == {}


def test_traffic_through_a_gateway_goes_where_the_routes_lead(make: Callable[..., LoadedScenario]) -> None:
    extra = """timeline:
  - id: open
    at: 1s
    apply:
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: shop, namespace: shop}
      spec:
        hosts: ["*.shop.example"]
        gateways: [public]
        http: [{route: [{destination: {host: prices}}]}]
"""
    through = {
        "    from: {match: {app: web}}\n    request: {host: web}": (
            "    through: web\n    request: {host: www.shop.example}"
        )
    }
    assert _load(make(extra=extra, **through)) == {"prices": 100.0}
    assert _load(make(**through)) == {}
