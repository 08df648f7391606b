"""Metrics merging: annotations move to the agent's, ports of the mesh are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.prometheus import RESERVED_PORTS, apply_merge, parse_targets, strip_merge
from meshsim.api import Fields
from meshsim.errors import InputError

MERGED = {
    "prometheus.io/port": "15020",
    "prometheus.io/path": "/stats/prometheus",
    "prometheus.io/scrape": "true",
}


def test_own_annotations_go_to_the_agent() -> None:
    own = {"prometheus.io/scrape": "true", "prometheus-io/port": "9100", "other": "x"}
    merge = apply_merge(Fields({}), own, 15020)
    assert merge is not None
    assert merge.annotations == {**MERGED, "other": "x"}
    assert json.loads(merge.variable) == {"scrape": "true", "path": "", "port": "9100"}


@pytest.mark.parametrize(
    ("mesh", "annotations"),
    [
        ({}, {"prometheus.io/scrape": "false"}),
        ({"enablePrometheusMerge": False}, {}),
        ({}, {"prometheus.istio.io/merge-metrics": "false"}),
        ({}, {"prometheus.io/port": "15020"}),
    ],
)
def test_nothing_is_merged(mesh: dict[str, Any], annotations: dict[str, str]) -> None:
    assert apply_merge(Fields(mesh), annotations, 15020) is None


def test_every_pod_gets_the_annotations() -> None:
    merge = apply_merge(Fields({}), {}, 15020)
    assert merge is not None
    assert (merge.annotations, merge.variable) == (MERGED, "")
    assert strip_merge(MERGED, 15020) == {}


@pytest.mark.parametrize(
    "annotations",
    [
        {"prometheus.io/port": "http"},
        {"prometheus.io/port": "15000"},
        {"prometheus.istio.io/scrape-targets": "15021"},
        {"prometheus.istio.io/scrape-targets": "8080,15020:/x"},
    ],
)
def test_refused_ports(annotations: dict[str, str]) -> None:
    with pytest.raises(InputError, match="invalid prometheus scrape"):
        apply_merge(Fields({}), annotations, 15020)


@pytest.mark.needs_shared
def test_recorded_functions(recording: Callable[[str], Any]) -> None:
    recorded = recording("functions.json")
    for port, reserved, what in recorded["reserved_scrape_ports"]:
        assert RESERVED_PORTS.get(port, "") == what
        assert (port in RESERVED_PORTS) is reserved
    for text, targets, error in recorded["scrape_targets"]:
        if error is not None:
            with pytest.raises(ValueError, match="empty port"):
                parse_targets(text)
        else:
            assert parse_targets(text) == (targets or [])
