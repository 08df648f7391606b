"""Rules of Kubernetes' own kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: LABEL}}
    spec: {containers: [CONTAINERS]}
"""

SERVICES = [
    ("{ports: [{port: 80}]}", ""),
    ("{clusterIP: None}", ""),
    ("{}", "at least one port"),
    ("{type: ExternalName}", "needs externalName"),
    ("{ports: [{port: 80}, {port: 81}]}", "each needs a name"),
    ("{ports: [{name: a, port: 80}, {name: a, port: 81}]}", "two ports 'a'"),
    ("{ports: [{name: a, port: 80}, {name: b, port: 80}]}", "two TCP ports 80"),
    ("{ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}", ""),
    ("{ports: [{port: 80, targetPort: web}]}", ""),
    ("{ports: [{port: 80, targetPort: 70000}]}", "from 1 to 65535"),
    ("{ports: [{port: 80, targetPort: Not-A-Port}]}", "is not a port"),
    ("{clusterIP: 10.0.0.300, ports: [{port: 80}]}", "not an IP address"),
]


@pytest.mark.parametrize(("spec", "expected"), SERVICES)
def test_service(errors: Callable[[str], list[str]], spec: str, expected: str) -> None:
    found = errors(f"apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {spec}\n")
    assert [expected in line for line in found if expected] == [True] * len(found)
    assert bool(found) == bool(expected)


def test_a_selector_selects_its_own_pods(errors: Callable[[str], list[str]]) -> None:
    good = DEPLOYMENT.replace("LABEL", "web").replace("CONTAINERS", "{name: web, image: web:1}")
    assert errors(good) == []
    bad = DEPLOYMENT.replace("LABEL", "shop").replace("CONTAINERS", "{name: web, image: web:1}")
    assert errors(bad) == [
        "m.yaml:5:28: error: the selector wants the label app: web, the pod template has 'shop'"
        "  [Deployment default/web]"
    ]


def test_containers_have_unique_names(errors: Callable[[str], list[str]]) -> None:
    twice = DEPLOYMENT.replace("LABEL", "web").replace("CONTAINERS", "{name: web, image: a}, {name: web, image: b}")
    assert "there are two containers 'web'" in errors(twice)[0]
    port = DEPLOYMENT.replace("LABEL", "web").replace(
        "CONTAINERS", "{name: web, image: a, ports: [{name: a-port-name-too-long, containerPort: 80}]}"
    )
    assert "is not a port name" in errors(port)[0]
