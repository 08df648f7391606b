"""Manifests of one object for tests: the specification as it is written, everything else filled in."""

from __future__ import annotations

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
