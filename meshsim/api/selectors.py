"""Label selectors as the API server, its controllers and istiod evaluate them (apimachinery pkg/labels/selector.go)."""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.api import Fields


def matches_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether all wanted labels are there; no wanted labels match everything."""
    return all(labels.get(key) == value for key, value in wanted.items())


def matches_requirement(requirement: Fields, labels: Mapping[str, str]) -> bool:
    """One ``matchExpressions`` entry of a label selector or node selector."""
    key, operator, values = requirement.text("key"), requirement.text("operator"), requirement.texts("values")
    value = labels.get(key)
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            if value is None or not values or not _is_number(value) or not _is_number(values[0]):
                return False
            return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return False


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def is_empty(selector: Fields) -> bool:
    """Whether a selector has no condition."""
    return not selector.text_map("matchLabels") and not selector.items("matchExpressions")


def matches_selector(selector: Fields, labels: Mapping[str, str]) -> bool:
    """A LabelSelector (``matchLabels`` and ``matchExpressions``); an empty one matches everything."""
    return matches_labels(selector.text_map("matchLabels"), labels) and all(
        matches_requirement(requirement, labels) for requirement in selector.items("matchExpressions")
    )
