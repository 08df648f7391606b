from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import ApiObject, ObjectStore
from meshsim.controlplane.conversion import Converted
from meshsim.controlplane.conversion.ingress import convert_ingresses
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.world.verify.folder import read_world


def mesh(**values: Any) -> Any:
    return build_mesh_config(values)


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["overlay", "simple", "tls", "tls-no-secret"])
def test_recorded_cases(
    oracle: Path, objects: Callable[[str], list[ApiObject]], as_recorded: Callable[..., Any], name: str
) -> None:
    recorded = json.loads((oracle / "gateway-conversion" / "ingress.json").read_text())
    (case,) = (item for item in recorded if item["name"] == name)
    config = dataclasses.replace(mesh(ingressControllerMode="DEFAULT"), domain=case["domain_suffix"])
    gateways, virtual_services = convert_ingresses(ObjectStore(objects(case["input"])), config)
    made, want = as_recorded(Converted(tuple(gateways), tuple(virtual_services)), case)
    assert made == want


@pytest.mark.needs_shared
def test_the_recorded_world(oracle: Path, as_recorded: Callable[..., Any]) -> None:
    (case,) = _mappings(json.loads((oracle / "gateway-conversion" / "ingress-worlds.json").read_text()))
    world = read_world(oracle, "ingress-classic")
    config = build_mesh_config(world.mesh_base, world.mesh_overrides)
    gateways, virtual_services = convert_ingresses(world.store(), config)
    made, want = as_recorded(Converted(tuple(gateways), tuple(virtual_services)), case)
    assert made == want


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return value if isinstance(value, list) else [value]


INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop, annotations: {%s}}
spec:
  %s
  rules:
  - host: a.com
    http:
      paths:
      - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /a, pathType: Exact, backend: {service: {name: web, port: {name: http}}}}
      - {path: '/img/*', pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 81}}}}
      - {path: /none, pathType: Prefix, backend: {service: {name: web, port: {name: none}}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours}
spec: {controller: istio.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: theirs}
spec: {controller: example.com/other}
"""


@pytest.mark.parametrize(
    ("annotation", "spec", "mode", "ours"),
    [
        ("", "", "STRICT", False),
        ("", "", "DEFAULT", True),
        ("", "", "OFF", False),
        ("'kubernetes.io/ingress.class': istio", "", "STRICT", True),
        ("'kubernetes.io/ingress.class': nginx", "", "DEFAULT", False),
        ("", "ingressClassName: ours", "STRICT", True),
        ("", "ingressClassName: theirs", "DEFAULT", False),
    ],
)
def test_whose_an_ingress_is(
    objects: Callable[[str], list[ApiObject]], annotation: str, spec: str, mode: str, ours: bool
) -> None:
    store = ObjectStore(objects(INGRESS % (annotation, spec)))
    gateways, virtual_services = convert_ingresses(store, mesh(ingressControllerMode=mode, ingressClass="istio"))
    assert bool(gateways) is bool(virtual_services) is ours


def test_paths_longest_first(objects: Callable[[str], list[ApiObject]]) -> None:
    store = ObjectStore(objects(INGRESS % ("", "")))
    _, (made,) = convert_ingresses(store, mesh(ingressControllerMode="DEFAULT"))
    routes = [
        (
            item.items("match")[0].value("uri"),
            item.items("route")[0].fields("destination").fields("port").integer("number"),
        )
        for item in made.spec.items("http")
    ]
    assert routes == [({"prefix": "/img"}, 81), ({"exact": "/a"}, 8080), ({"prefix": "/a"}, 80)]
    assert made.created == 0
