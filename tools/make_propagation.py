"""Write ``scenarios/propagation/services.yaml``: 100 services with 300 pods, one of them in two versions."""

from __future__ import annotations

from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "scenarios" / "propagation" / "services.yaml"
SERVICES = 100
EDGES = 10
VERSIONED = "svc-42"

HEAD = """\
# 100 services with three pods each, written by tools/make_propagation.py.
apiVersion: v1
kind: Namespace
metadata: {name: grid, labels: {istio-injection: enabled}}
"""

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: grid}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 8080}}]
"""

DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}-{version}, namespace: grid}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {name}, version: {version}, tier: {tier}}}}}
    spec:
      containers: [{{name: app, image: "example/{name}:{version}", ports: [{{containerPort: 8080}}]}}]
"""


def document() -> str:
    """The whole file."""
    parts = [HEAD]
    for index in range(SERVICES):
        name = f"svc-{index:02d}"
        tier = "edge" if index < EDGES else "inner"
        parts.append(SERVICE.format(name=name))
        for version, replicas in (("v1", 2), ("v2", 1)) if name == VERSIONED else (("v1", 3),):
            parts.append(DEPLOYMENT.format(name=name, version=version, replicas=replicas, tier=tier))
    return "".join(parts)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(document(), encoding="utf-8")
