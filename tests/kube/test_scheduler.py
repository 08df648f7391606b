"""Which node a pod goes to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from meshsim.api import Fields
from meshsim.kube import KubeSettings
from meshsim.kube.scheduler import tolerates

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start


def test_replicas_spread_over_zones_then_nodes(make: Make, start: Start) -> None:
    nodes = [make.node("a1"), make.node("a2"), make.node("b1", "b")]
    cluster = start([*nodes, make.workload("web", 4)])
    placed = Counter(pod.spec.text("nodeName") for pod in cluster.kube.pods("shop"))
    assert placed == {"a1": 1, "a2": 1, "b1": 2}


def test_the_emptiest_node_when_nothing_else_tells(make: Make, start: Start) -> None:
    cluster = start([make.node("n1"), make.node("n2"), *(make.pod(f"p{n}") for n in range(6))])
    assert Counter(pod.spec.text("nodeName") for pod in cluster.kube.pods("shop")) == {"n1": 3, "n2": 3}


@pytest.mark.parametrize(
    ("node", "pod", "fits"),
    [
        ({"unschedulable": True}, {}, False),
        ({"taints": [{"key": "gpu", "value": "1", "effect": "NoSchedule"}]}, {}, False),
        ({"taints": [{"key": "gpu", "value": "1", "effect": "PreferNoSchedule"}]}, {}, True),
        (
            {"taints": [{"key": "gpu", "value": "1", "effect": "NoSchedule"}]},
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            True,
        ),
        ({}, {"nodeSelector": {"topology.kubernetes.io/zone": "a"}}, True),
        ({}, {"nodeSelector": {"topology.kubernetes.io/zone": "b"}}, False),
    ],
)
def test_filters(make: Make, start: Start, node: dict[str, Any], pod: dict[str, Any], fits: bool) -> None:
    cluster = start([make.node("n1", **node), make.pod("own", **pod)])
    assert (cluster.kube.pods("shop")[0].spec.text("nodeName") == "n1") is fits


@pytest.mark.parametrize(("operator", "values", "fits"), [("In", ["a"], True), ("NotIn", ["a"], False)])
def test_required_node_affinity(make: Make, start: Start, operator: str, values: list[str], fits: bool) -> None:
    expression = {"key": "topology.kubernetes.io/zone", "operator": operator, "values": values}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    cluster = start([make.node("n1"), make.pod("own", affinity=affinity)])
    assert (cluster.kube.pods("shop")[0].spec.text("nodeName") == "n1") is fits


def test_a_pod_waits_for_a_node(make: Make, start: Start) -> None:
    cluster = start([make.node("n1"), make.workload("web", 2)], settings=KubeSettings(max_pods_per_node=1))
    waiting = [p for p in cluster.kube.pods("shop") if not p.spec.text("nodeName")]
    assert len(waiting) == 1
    cluster.kube.apply(make.node("n2"))
    cluster.run(20)
    assert {p.spec.text("nodeName") for p in cluster.kube.pods("shop")} == {"n1", "n2"}
    assert cluster.kube.rollout(cluster.ref("web")).complete


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_tolerations(toleration: dict[str, Any], covers: bool) -> None:
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    assert tolerates(Fields(toleration), Fields(taint)) is covers
