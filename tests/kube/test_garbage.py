"""What belonged to a deleted owner goes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.api import ObjectKey

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start


def test_a_deployments_sets_and_pods(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2), make.workload("other", 1)])
    cluster.kube.delete(cluster.ref("web").key)
    cluster.run(30)
    assert cluster.names(app="web") == []
    assert len(cluster.names()) == 1
    assert len(cluster.kube.server.objects.select("ReplicaSet", "apps", "shop")) == 1


def test_a_stateful_sets_pods(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 2, kind="StatefulSet")])
    cluster.kube.delete(cluster.ref("db", "StatefulSet").key)
    cluster.run(30)
    assert cluster.names() == []


def test_an_owner_that_came_back_keeps_what_it_had(make: Make, start: Start) -> None:
    item = make.workload("db", 2, kind="StatefulSet")
    cluster = start([item])
    undo = cluster.kube.delete(item.key)
    undo()
    cluster.run(30)
    assert cluster.names() == ["db-0", "db-1"]
    assert cluster.phases == []


def test_a_namespace_takes_everything_with_it(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2), make.service("web")])
    cluster.kube.delete(ObjectKey("", "Namespace", "", "shop"))
    cluster.run(60)
    assert [str(item) for item in cluster.kube.server.objects if item.namespace == "shop"] == []
