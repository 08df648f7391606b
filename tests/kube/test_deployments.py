"""Deployments: ReplicaSets by template, rolling and recreating, limits as Kubernetes rounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from meshsim.api import Fields
from meshsim.kube.deployments import rolling_limits

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "limits"),
    [
        (None, None, 4, (1, 1)),
        (None, None, 1, (1, 0)),
        (None, None, 10, (3, 2)),
        ("30%", "30%", 5, (2, 1)),
        (2, 0, 5, (2, 0)),
        (0, 0, 5, (0, 1)),
        ("0%", "10%", 5, (0, 1)),
        (0, 9, 3, (0, 3)),
    ],
)
def test_limits_round_up_and_down(surge: Any, unavailable: Any, replicas: int, limits: tuple[int, int]) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    assert rolling_limits(Fields({"strategy": {"rollingUpdate": rolling}}), replicas) == limits


def _extremes(make: Make, start: Start, **rolling: Any) -> tuple[int, int]:
    """(fewest ready, most pods) during a roll of five."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    cluster = start([make.workload("web", 5, strategy=strategy), make.service("web")])
    cluster.kube.restart(cluster.ref("web"))
    fewest, most = 5, 5
    for _ in range(1500):
        cluster.run(0.05)
        fewest = min(fewest, len(cluster.ready("web")))
        live = [p for p in cluster.kube.pods("shop") if "deletionTimestamp" not in p.metadata]
        most = max(most, len(live))
        if cluster.kube.rollout(cluster.ref("web")).complete:
            return fewest, most
    raise AssertionError("the roll does not end")


@pytest.mark.parametrize(
    ("surge", "unavailable", "fewest", "most"), [(1, 0, 5, 6), (0, 2, 3, 5), (2, 1, 4, 7), ("100%", 0, 5, 10)]
)
def test_a_roll_keeps_its_limits(
    make: Make, start: Start, surge: Any, unavailable: Any, fewest: int, most: int
) -> None:
    assert _extremes(make, start, maxSurge=surge, maxUnavailable=unavailable) == (fewest, most)


def test_recreate_waits_until_the_old_ones_are_gone(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2, strategy={"type": "Recreate"})])
    old = set(cluster.names())
    cluster.kube.restart(cluster.ref("web"))
    for _ in range(600):
        cluster.run(0.05)
        names = set(cluster.names())
        assert names <= old or not names & old
    assert cluster.kube.rollout(cluster.ref("web")).complete


def test_names_and_labels_are_kubernetes_like(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2)])
    (replica_set,) = cluster.kube.server.objects.select("ReplicaSet", "apps", "shop")
    digest = replica_set.labels["pod-template-hash"]
    assert replica_set.name == f"web-{digest}"
    for pod in cluster.kube.pods("shop"):
        assert pod.name.startswith(f"web-{digest}-")
        assert pod.labels["pod-template-hash"] == digest
        (owner,) = pod.metadata.items("ownerReferences")
        assert (owner.text("kind"), owner.text("name")) == ("ReplicaSet", replica_set.name)


def test_going_back_to_an_old_template_uses_its_old_set(make: Make, start: Start) -> None:
    one = make.workload("web", 1)
    cluster = start([one])
    undo = cluster.kube.apply(make.workload("web", 1, container={"image": "web:2"}))
    cluster.run(20)
    assert len(cluster.kube.server.objects.select("ReplicaSet", "apps", "shop")) == 2
    undo()
    cluster.run(20)
    sets = cluster.kube.server.objects.select("ReplicaSet", "apps", "shop")
    assert sorted(item.spec.integer("replicas") for item in sets) == [0, 1]
    assert cluster.kube.pods("shop")[0].spec.items("containers")[0].text("image") == "web:1"


def test_a_paused_deployment_does_not_roll(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2)])
    before = cluster.names()
    cluster.kube.apply(make.workload("web", 2, container={"image": "web:2"}, paused=True))
    cluster.run(30)
    assert cluster.names() == before


def test_a_roll_that_never_becomes_ready_stops(make: Make, start: Start) -> None:
    never = {"readinessProbe": {"httpGet": {"port": 1}, "initialDelaySeconds": 10000}}
    cluster = start([make.workload("web", 4), make.service("web")])
    cluster.kube.apply(make.workload("web", 4, container=never))
    cluster.run(300)
    assert len(cluster.ready("web")) == 3
    assert not cluster.kube.rollout(cluster.ref("web")).complete


def test_min_ready_seconds_slow_a_roll(make: Make, start: Start) -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster = start([make.workload("web", 2, strategy=strategy, minReadySeconds=20)])
    cluster.kube.restart(cluster.ref("web"))
    cluster.run(35)
    assert not cluster.kube.rollout(cluster.ref("web")).complete
    cluster.run(40)
    assert cluster.kube.rollout(cluster.ref("web")).complete
