"""Which namespaces Pilot looks at (istio pkg/kube/namespace/filter.go, release 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from meshsim.api import Fields

if TYPE_CHECKING:
    from meshsim.api import ObjectView
    from meshsim.controlplane.mesh import MeshConfig


def selector_matches(selector: Fields, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a Kubernetes label selector."""
    for key, value in selector.text_map("matchLabels").items():
        if labels.get(key) != value:
            return False
    return all(_expression_holds(item, labels) for item in selector.items("matchExpressions"))


def _expression_holds(item: Fields, labels: Mapping[str, str]) -> bool:
    key = item.text("key")
    operator = item.text("operator")
    values = item.texts("values")
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    return key not in labels


def discovered_namespaces(objects: ObjectView, mesh: MeshConfig) -> frozenset[str] | None:
    """Namespaces that `discoverySelectors` choose; `None` = all, because there are no selectors."""
    if not mesh.discovery_selectors:
        return None
    return frozenset(
        item.name
        for item in objects.select("Namespace")
        if any(selector_matches(selector, item.labels) for selector in mesh.discovery_selectors)
    )
