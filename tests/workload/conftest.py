"""A small shop: web calls cart twice and prices in half of its requests, cart calls stock, stock a host outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from meshsim.scenario import LoadedScenario, load_scenario

Make: TypeAlias = Callable[..., LoadedScenario]

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}-{version}, namespace: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {name}, version: {version}}}}}
    spec: {{containers: [{{name: {name}, image: {name}}}]}}
---
"""
SERVICE = """apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}]}}
---
"""
OUTSIDE = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: payments, namespace: shop}
spec: {hosts: [payments.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
"""
SCENARIO = """apiVersion: meshsim/v1alpha1
kind: Scenario
name: shop
duration: 1m
resources: [shop.yaml]
workloads:
  - match: {app: web}
    serve: {time: 1ms}
    calls: [cart:80, {parallel: [cart:80, {to: "prices:80", probability: 50%}]}]
  - match: {app: cart, version: v1}
    serve: {time: "exponential(10ms)", concurrency: CART, errors: {rate: 10%}}
    calls: [stock:80]
  - match: {app: cart, version: v2}
    serve: {time: 5ms, concurrency: 1}
    calls: [stock:80, stock:80]
  - match: {app: stock}
    serve: {time: 2ms, concurrency: 1}
    calls: [payments.example.com:443]
traffic:
  - name: shoppers
    from: {match: {app: web}}
    request: {host: web}
    rate: 100/s
  - name: visitors
    from: {match: {app: web}}
    request: {host: cart}
    users: 10
    think: 1s
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write and load the shop; `cart` is the concurrency of cart v1, `extra` is added to the scenario."""

    def make_shop(cart: int = 4, extra: str = "", **replacements: str) -> LoadedScenario:
        names = [("web", "v1", 1), ("cart", "v1", 2), ("cart", "v2", 1), ("prices", "v1", 1), ("stock", "v1", 1)]
        manifests = "".join(DEPLOYMENT.format(name=n, version=v, replicas=r) for n, v, r in names)
        manifests += "".join(SERVICE.format(name=name) for name in ("web", "cart", "prices", "stock"))
        text = SCENARIO.replace("CART", str(cart)) + extra
        for old, new in replacements.items():
            manifests, text = manifests.replace(old, new), text.replace(old, new)
        (tmp_path / "shop.yaml").write_text(manifests + OUTSIDE)
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return load_scenario(path)

    return make_shop
