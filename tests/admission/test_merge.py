"""Strategic merge: elements by key, the patch's order first, null removes (apimachinery pkg/util/strategicpatch)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.admission.merge import merge_pod


@pytest.mark.parametrize(
    ("original", "patch", "merged"),
    [
        ({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "d": 2}}),
        ({"a": 1}, {"a": None}, {}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({}, {"env": [{"name": "A"}]}, {"env": [{"name": "A"}]}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B"}]},
            {"env": [{"name": "C"}, {"name": "A", "value": "2"}]},
            {"env": [{"name": "C"}, {"name": "A", "value": "2"}, {"name": "B"}]},
        ),
        (
            {"volumes": [{"name": "own"}]},
            {"volumes": [{"name": "x"}, {"name": "y"}]},
            {"volumes": [{"name": "x"}, {"name": "y"}, {"name": "own"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "p", "image": "1"}, {"name": "b"}]},
            {"containers": [{"name": "p", "image": "2"}]},
            {"containers": [{"name": "a"}, {"name": "p", "image": "2"}, {"name": "b"}]},
        ),
        (
            {"ports": [{"containerPort": 1, "name": "x"}]},
            {"ports": [{"containerPort": 1, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 1, "name": "x", "protocol": "TCP"}]},
        ),
    ],
)
def test_merge(original: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    before = repr(original)
    assert merge_pod(original, patch) == merged
    assert repr(original) == before
