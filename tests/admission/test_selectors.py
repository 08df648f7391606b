"""Label selectors as apimachinery evaluates them."""

from __future__ import annotations

import pytest

from meshsim.admission.selectors import is_empty, matches_selector
from meshsim.api import Fields


@pytest.mark.parametrize(
    ("operator", "values", "with_label", "without"),
    [
        ("In", ["v"], True, False),
        ("In", ["other"], False, False),
        ("NotIn", ["v"], False, True),
        ("NotIn", ["other"], True, True),
        ("Exists", [], True, False),
        ("DoesNotExist", [], False, True),
        ("NoSuch", [], False, False),
    ],
)
def test_operators(operator: str, values: list[str], with_label: bool, without: bool) -> None:
    selector = Fields({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]})
    assert matches_selector(selector, {"k": "v"}) is with_label
    assert matches_selector(selector, {}) is without


def test_all_conditions_must_hold_and_none_matches_everything() -> None:
    both = Fields({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]})
    assert matches_selector(both, {"a": "1", "b": ""})
    assert not matches_selector(both, {"a": "1"})
    assert matches_selector(Fields({}), {})
    assert is_empty(Fields({"matchLabels": {}}))
    assert not is_empty(both)
