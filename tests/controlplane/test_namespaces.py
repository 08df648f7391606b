from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.api import Fields
from meshsim.controlplane.namespaces import discovered_namespaces, selector_matches

NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: seen, labels: {mesh: 'yes', tier: gold}}
---
apiVersion: v1
kind: Namespace
metadata: {name: unseen, labels: {tier: gold}}
"""


def test_without_selectors_every_namespace_counts(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh(NAMESPACES)
    assert discovered_namespaces(mesh.store, mesh.mesh) is None


def test_a_namespace_needs_one_selector_in_full(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh(NAMESPACES, "discoverySelectors: [{matchLabels: {mesh: 'yes', tier: gold}}]")
    assert discovered_namespaces(mesh.store, mesh.mesh) == {"seen"}


def test_selector_expressions() -> None:
    def matches(operator: str, *values: str) -> bool:
        expression = {"key": "tier", "operator": operator, "values": list(values)}
        return selector_matches(Fields({"matchExpressions": [expression]}), {"tier": "gold"})

    assert matches("In", "gold", "tin")
    assert not matches("NotIn", "gold")
    assert matches("Exists")
    assert not matches("DoesNotExist")
