"""Whether a pod is injected: every recorded answer of the real decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.decision import decide
from meshsim.api import Fields


def _selector(given: Any) -> Fields:
    """A recorded selector: a LabelSelector, or the text of one."""
    if isinstance(given, dict):
        return Fields(given)
    expressions: list[dict[str, Any]] = []
    for part in re.split(r",(?![^(]*\))", given):
        text = part.strip()
        inside = re.fullmatch(r"(\S+) (in|notin) \((.*)\)", text)
        if inside:
            operator = {"in": "In", "notin": "NotIn"}[inside[2]]
            expressions.append({"key": inside[1], "operator": operator, "values": inside[3].split(",")})
        elif text.startswith("!"):
            expressions.append({"key": text[1:], "operator": "DoesNotExist"})
        elif "!=" in text:
            key, _, value = text.partition("!=")
            expressions.append({"key": key, "operator": "NotIn", "values": [value]})
        elif "=" in text:
            key, _, value = text.replace("==", "=").partition("=")
            expressions.append({"key": key, "operator": "In", "values": [value]})
        elif text:
            expressions.append({"key": text, "operator": "Exists"})
    return Fields({"matchExpressions": expressions})


def test_the_reasons_name_the_rules_in_order() -> None:
    answer = decide(
        policy="disabled",
        namespace="shop",
        labels={"mesh": "in", "sidecar.istio.io/inject": ""},
        annotations={"sidecar.istio.io/inject": "false"},
        host_network=False,
        always=[Fields({"matchLabels": {"mesh": "in"}})],
    )
    assert answer.inject
    assert answer.reasons == ("alwaysInjectSelector matches the pod's labels",)


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"])
def test_system_namespaces_are_never_injected(namespace: str) -> None:
    labels = {"sidecar.istio.io/inject": "true"}
    answer = decide(policy="enabled", namespace=namespace, labels=labels, annotations={}, host_network=False)
    assert not answer.inject


@pytest.mark.needs_shared
def test_recorded_rows(recording: Callable[[str], Any]) -> None:
    recorded = recording("decisions.json")
    rows = [*recorded["istio_rows"], *recorded["own_rows"]]
    assert len(rows) == 67
    for row in rows:
        answer = decide(
            policy=row["policy"],
            namespace=row["namespace"],
            labels=row["labels"] or {},
            annotations=row["annotations"] or {},
            host_network=bool(row.get("hostNetwork")),
            never=[_selector(s) for s in row["neverInjectSelector"] or []],
            always=[_selector(s) for s in row["alwaysInjectSelector"] or []],
        )
        assert answer.inject is row["got"], row["name"]


@pytest.mark.needs_shared
def test_recorded_grid(recording: Callable[[str], Any]) -> None:
    grid = recording("decisions-grid.json.gz")
    assert len(grid["rows"]) == 4800
    for row in grid["rows"]:
        facts = dict(zip(grid["columns"], row))
        labels, annotations = {"oracle": "match"}, {}
        if facts["label"] != grid["absent"]:
            labels["sidecar.istio.io/inject"] = facts["label"]
        if facts["annotation"] != grid["absent"]:
            annotations["sidecar.istio.io/inject"] = facts["annotation"]
        selectors = grid["selectors"][facts["selectors"]]
        answer = decide(
            policy=facts["policy"],
            namespace=facts["namespace"],
            labels=labels,
            annotations=annotations,
            host_network=bool(facts["hostNetwork"]),
            never=[_selector(s) for s in selectors["never"]],
            always=[_selector(s) for s in selectors["always"]],
        )
        assert answer.inject is facts["injected"], facts
