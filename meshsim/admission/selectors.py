"""Label selectors as the API server and istiod evaluate them (apimachinery pkg/labels/selector.go)."""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.api import Fields


def is_empty(selector: Fields) -> bool:
    """Whether a selector has no condition."""
    return not selector.text_map("matchLabels") and not selector.items("matchExpressions")


def matches_selector(selector: Fields, labels: Mapping[str, str]) -> bool:
    """A LabelSelector against labels; an empty one matches everything."""
    if any(labels.get(key) != value for key, value in selector.text_map("matchLabels").items()):
        return False
    return all(_matches(requirement, labels) for requirement in selector.items("matchExpressions"))


def _matches(requirement: Fields, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.text("key"))
    values = requirement.texts("values")
    match requirement.text("operator"):
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
