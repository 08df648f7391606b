"""Manifests of one object for tests: the specification as it is written, everything else filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping

_LINES = """\
---
apiVersion: {version}
kind: {kind}
metadata:
  name: {name}
  namespace: {namespace}
  creationTimestamp: '2025-01-{day:02d}T00:00:00Z'
spec:
"""


def manifest(
    kind: str,
    name: str,
    spec: str,
    day: int = 1,
    namespace: str = "shop",
    version: str = "networking.istio.io/v1",
) -> str:
    """The YAML document of an object, `spec` as its lines without indentation; it was created on a day of January."""
    head = _LINES.format(version=version, kind=kind, name=name, namespace=namespace, day=day)
    return head + "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))


def namespace_item(name: str, *, injected: bool = False) -> str:
    """A Namespace as an item of a scenario's `resources`."""
    metadata = {"name": name, **({"labels": {"istio-injection": "enabled"}} if injected else {})}
    return _item("v1", "Namespace", metadata, "")


def service_item(name: str, namespace: str, port: int = 80, target: int = 8080, port_name: str = "http") -> str:
    """A Service of the pods with this label `app`, as an item of a scenario's `resources`."""
    spec = {"selector": {"app": name}, "ports": [{"name": port_name, "port": port, "targetPort": target}]}
    return _item("v1", "Service", {"name": name, "namespace": namespace}, f"    spec: {json.dumps(spec)}\n")


def deployment_item(
    name: str,
    namespace: str,
    *,
    app: str = "",
    version: str = "",
    replicas: int = 1,
    account: str = "",
    port: int = 0,
    annotations: Mapping[str, str] | None = None,
) -> str:
    """A Deployment of one container, as an item of a scenario's `resources`; without `app` that is its name."""
    app = app or name
    labels = {"app": app, **({"version": version} if version else {})}
    container = {"name": app, "image": f"example/{app}:1", **({"ports": [{"containerPort": port}]} if port else {})}
    metadata = {"labels": labels, **({"annotations": annotations} if annotations else {})}
    pod = {**({"serviceAccountName": account} if account else {}), "containers": [container]}
    lines = [
        "    spec:",
        f"      replicas: {replicas}",
        f"      selector: {json.dumps({'matchLabels': labels})}",
        "      template:",
        f"        metadata: {json.dumps(metadata)}",
        f"        spec: {json.dumps(pod)}",
    ]
    return _item("apps/v1", "Deployment", {"name": name, "namespace": namespace}, "\n".join(lines) + "\n")


def _item(version: str, kind: str, metadata: Mapping[str, object], rest: str) -> str:
    return f"  - apiVersion: {version}\n    kind: {kind}\n    metadata: {json.dumps(metadata)}\n{rest}"
