"""Label and node selectors."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.api.selectors import is_empty, matches_labels, matches_requirement, matches_selector


@pytest.mark.parametrize(
    ("operator", "values", "label", "answer"),
    [
        ("In", ["1", "2"], "2", True),
        ("In", ["1"], None, False),
        ("NotIn", ["1"], None, True),
        ("NotIn", ["1"], "1", False),
        ("Exists", [], "x", True),
        ("DoesNotExist", [], None, True),
        ("Gt", ["5"], "6", True),
        ("Gt", ["5"], "5", False),
        ("Lt", ["5"], "-1", True),
        ("Lt", ["5"], "text", False),
        ("Lt", ["5"], None, False),
        ("Lt", ["5"], "--1", False),
        ("Gt", [], "6", False),
        ("NoSuch", [], "x", False),
    ],
)
def test_requirements(operator: str, values: list[str], label: str | None, answer: bool) -> None:
    requirement = Fields({"key": "k", "operator": operator, "values": values})
    assert matches_requirement(requirement, {"k": label} if label is not None else {}) is answer


def test_selectors_need_everything() -> None:
    selector = Fields({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]})
    assert matches_selector(selector, {"a": "1", "b": "x"})
    assert not matches_selector(selector, {"a": "1"})
    assert matches_selector(Fields({}), {})
    assert matches_labels({}, {"a": "1"})
    assert is_empty(Fields({"matchLabels": {}}))
    assert not is_empty(selector)
