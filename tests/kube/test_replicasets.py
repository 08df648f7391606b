"""ReplicaSets: numbers kept, victims chosen, refused pods tried again, writes limited."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from meshsim.errors import InputError
from meshsim.units import SECOND

if TYPE_CHECKING:
    from meshsim.api import ApiObject
    from tests.kube.conftest import Make, Start


def test_a_set_of_its_own(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2, kind="ReplicaSet")])
    assert len(cluster.names()) == 2
    cluster.kube.kill(cluster.kube.pods("shop")[:1])
    cluster.run(1)
    assert len(cluster.names()) == 2


def test_pods_that_are_not_ready_are_given_up_first(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3, kind="ReplicaSet")])
    sick = cluster.kube.pods("shop")[1]
    cluster.kube.crash([sick])
    cluster.run(1.5)
    cluster.kube.scale(cluster.ref("web", "ReplicaSet"), 2)
    cluster.run(30)
    assert sick.name not in cluster.names()
    assert len(cluster.names()) == 2


def test_the_deletion_cost_is_respected(make: Make, start: Start) -> None:
    cheap = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    cluster = start([make.workload("web", 3, kind="ReplicaSet")])
    pod = cluster.kube.pods("shop")[2]
    from meshsim.api import make_object

    cluster.kube.apply(make_object({**pod.body, "metadata": {**pod.metadata.body, "annotations": cheap}}))
    cluster.kube.scale(cluster.ref("web", "ReplicaSet"), 2)
    cluster.run(30)
    assert pod.name not in cluster.names()


def test_a_refused_pod_is_tried_again_with_growing_waits(make: Make, start: Start) -> None:
    attempts: list[int] = []
    allowed = False

    def admit(pod: ApiObject) -> Mapping[str, object]:
        attempts.append(cluster.env.instant)
        if not allowed:
            raise InputError("failed calling webhook", None, "no endpoints available for service istiod")
        return pod.body

    cluster = start([], admission=admit)
    cluster.kube.apply(make.workload("web", 1))
    cluster.run(10)
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert cluster.names() == []
    assert len(attempts) > 8
    assert all(gap * 3 // 2 < following for gap, following in pairwise(gaps[2:]))
    (refusal,) = cluster.kube.server.refusals.values()
    assert "failed calling webhook" in refusal.message
    allowed = True
    cluster.run(40)
    assert len(cluster.names()) == 1
    assert cluster.kube.server.refusals == {}


def test_the_admissions_document_is_what_is_stored(make: Make, start: Start) -> None:
    def admit(pod: ApiObject) -> Mapping[str, object]:
        labels = {**pod.labels, "injected": "yes"}
        return {**pod.body, "metadata": {**pod.metadata.body, "labels": labels}}

    cluster = start([make.workload("web", 2)], admission=admit)
    assert {pod.labels["injected"] for pod in cluster.kube.pods("shop")} == {"yes"}


def test_many_pods_are_created_at_the_clients_rate(make: Make, start: Start) -> None:
    """kube-api-burst 30, then kube-api-qps 20."""
    cluster = start([])
    cluster.kube.apply(make.workload("web", 90, kind="ReplicaSet"))
    cluster.run(1)
    assert 48 <= len(cluster.names()) <= 52
    cluster.run(2.2)
    assert len(cluster.names()) == 90
    created = [c.written for c in cluster.changes if c.object.kind == "Pod" and c.before is None]
    assert created[29] < SECOND // 10
    assert created[89] - created[30] == 59 * SECOND // 20
