"""From paths to lines and columns."""

from __future__ import annotations

import pytest

from meshsim.api.objects import Origin
from meshsim.api.positions import locate, locate_value, scalar_text

TEXT = """---
kind: Pod
metadata:
  labels:
    app.kubernetes.io/name: web
    app: "80"
spec:
  containers:
  - name: web
    image: web:1
  - {name: side, image: y}
  load_balancer:
    simple: RANDOM
"""
ORIGIN = Origin("m.yaml", 10, TEXT)


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("", 11, 1),
        ("metadata.labels.app.kubernetes.io/name", 14, 5),
        ("metadata.labels.app", 15, 5),
        ("spec.containers[0]", 18, 5),
        ("spec.containers[0].image", 19, 5),
        ("spec.containers[1].image", 20, 18),
        ("spec.containers[7].image", 17, 3),
        ("spec.nothing.here", 16, 1),
        ("nothing", 11, 1),
        ("spec.loadBalancer.simple", 22, 5),
        ("spec.load_balancer.simple", 22, 5),
    ],
)
def test_paths_lead_to_keys(path: str, line: int, column: int) -> None:
    position = locate(ORIGIN, path)
    assert (position.file, position.line, position.column) == ("m.yaml", line, column)


def test_objects_inside_of_a_document() -> None:
    origin = Origin("s.yaml", 1, "timeline:\n- apply:\n    kind: Pod\n    spec: {a: 1}\n", "timeline[0].apply")
    assert locate(origin, "spec.a")[1:] == (4, 12)
    assert locate(origin, "")[1:] == (2, 3)
    assert locate(Origin("s.yaml", 1, "- {a: 1}\n", "[0]"), "a")[1:] == (1, 4)


def test_merged_keys_are_found_where_they_were_written() -> None:
    origin = Origin("m.yaml", 1, "base: &base\n  a: 1\nspec:\n  <<: *base\n  b: 2\n")
    assert locate(origin, "spec.a")[1:] == (2, 3)
    assert locate(origin, "spec.b")[1:] == (5, 3)


def test_unreadable_texts_give_their_first_line() -> None:
    assert locate(Origin("m.yaml", 4, "a: ["), "a")[1:] == (4, 0)
    assert locate(Origin("m.yaml", 4, ""), "a")[1:] == (4, 0)


def test_values_are_found_beside_their_keys() -> None:
    assert locate_value(ORIGIN, "metadata.labels.app")[1:] == (15, 10)
    assert locate_value(ORIGIN, "spec.containers[1].image")[1:] == (20, 25)
    assert locate_value(ORIGIN, "spec.nothing")[1:] == (16, 1)
    assert locate_value(Origin("m.yaml", 4, "a: ["), "a")[1:] == (4, 0)


def test_scalars_as_written() -> None:
    assert scalar_text(ORIGIN, "metadata.labels.app") == "80"
    assert scalar_text(ORIGIN, "spec.containers") is None
    assert scalar_text(ORIGIN, "spec.nothing") is None
