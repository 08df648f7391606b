"""A small mesh with a mistake in it: the objects of a test are added, and what is found about them is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from meshsim.errors import Finding
from meshsim.scenario import load_text
from meshsim.world.configuration import scenario_findings

MESH = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {istio-injection: enabled}}
"""

DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec: {{containers: [{{name: app, image: app}}]}}
"""

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2024-01-01T00:00:00Z'}}
spec: {{selector: {{app: {name}}}, ports: {ports}}}
"""

GATEWAY = """\
---
apiVersion: v1
kind: Pod
metadata: {name: entry, namespace: edge, labels: {app: entry, istio: entry}}
spec:
  containers:
    - {name: istio-proxy, image: auto, args: [proxy, router]}
---
apiVersion: v1
kind: Service
metadata: {name: entry, namespace: edge}
spec: {selector: {istio: entry}, ports: [{name: http, port: 80}, {name: https, port: 443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge, creationTimestamp: '2024-01-01T00:00:00Z'}
spec:
  selector: {istio: entry}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
"""


def _mesh() -> str:
    text = MESH
    for name, namespace, labels in (
        ("client", "shop", "{app: client}"),
        ("app-v1", "shop", "{app: app, version: v1}"),
        ("app-v2", "shop", "{app: app, version: v2}"),
        ("db", "shop", "{app: db}"),
        ("caller", "other", "{app: caller}"),
        ("plain", "bare", "{app: plain}"),
    ):
        text += DEPLOYMENT.format(name=name, namespace=namespace, labels=labels)
    text += SERVICE.format(name="app", namespace="shop", ports="[{name: http, port: 80}]")
    text += SERVICE.format(name="db", namespace="shop", ports="[{name: tcp-db, port: 5432}]")
    text += SERVICE.format(name="plain", namespace="bare", ports="[{name: http, port: 80}]")
    return text + GATEWAY


Expected: TypeAlias = tuple[str, str, str]
"""Code, what stands at the place, words of the message."""
Check: TypeAlias = Callable[..., tuple[Finding, ...]]


@pytest.fixture
def finds(tmp_path: Path) -> Check:
    """Add objects to the mesh and compare what is found about them, by line; returns the findings."""

    def check(text: str, *expected: Expected, mesh: str = "") -> tuple[Finding, ...]:
        (tmp_path / "mesh.yaml").write_text(_mesh())
        (tmp_path / "it.yaml").write_text(text)
        scenario = (
            "apiVersion: meshsim/v1alpha1\nkind: Scenario\nname: it\nduration: 1s\n"
            f"resources: [mesh.yaml, it.yaml]\n{mesh}"
        )
        found = scenario_findings(load_text(scenario, str(tmp_path / "s.yaml"), tmp_path))
        lines = text.split("\n")
        seen = []
        for finding in found:
            assert finding.position is not None
            assert finding.position.file.endswith("it.yaml"), f"the mesh itself is well: {finding}"
            seen.append((finding, lines[finding.position.line - 1][finding.position.column - 1 :]))
        assert [f.code for f, _ in seen] == [code for code, _, _ in expected], "\n".join(str(f) for f in found)
        for (finding, rest), (_, place, words) in zip(seen, expected, strict=True):
            assert rest.startswith(place), f"{finding} stands at {rest!r}"
            assert words in f"{finding.message} ({finding.hint})"
        return found

    return check
