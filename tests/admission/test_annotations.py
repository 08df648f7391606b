"""Checked annotations: what the real validation accepts and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.annotations import CHECKED, check_annotations, parse_bool


def test_nineteen_annotations_are_checked() -> None:
    assert len(CHECKED) == 19


@pytest.mark.parametrize(("text", "value"), [("t", True), ("TRUE", True), ("0", False), ("yes", None), ("", None)])
def test_booleans_as_go_reads_them(text: str, value: bool | None) -> None:
    assert parse_bool(text) is value


def test_every_problem_is_named() -> None:
    problems = check_annotations(
        {"sidecar.istio.io/proxyCPU": "fast", "status.sidecar.istio.io/port": "x", "something.else": "y"}
    )
    assert len(problems) == 2
    assert problems[0].startswith("invalid value 'fast' for annotation 'sidecar.istio.io/proxyCPU'")


@pytest.mark.needs_shared
def test_recorded_values(recording: Callable[[str], Any]) -> None:
    rows = recording("annotation-values.json")["rows"]
    assert len(rows) == 286
    same_text = 0
    for row in rows:
        problems = check_annotations({row["annotation"]: row["value"]})
        assert bool(problems) is (row["error"] is not None), row
        same_text += not problems or problems[0].endswith(row["error"])
    # the rest are messages of Go's JSON and YAML decoders about proxy.istio.io/config
    assert same_text >= 271
