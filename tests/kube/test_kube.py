"""A whole kube: a settled start, the actions of a timeline and their undoing, the same twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meshsim.api import make_object
from meshsim.errors import InputError
from meshsim.kernel import RunDigest
from meshsim.kube import KubeSettings
from meshsim.network import REGION_LABEL, ZONE_LABEL

if TYPE_CHECKING:
    from tests.kube.conftest import Cluster, Make, Start


def test_at_time_zero_everything_runs_and_is_ready(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3), make.service("web"), make.workload("db", 2, kind="StatefulSet")])
    pods = cluster.kube.pods("shop")
    assert len(pods) == 5
    assert all(pod.status.text("phase") == "Running" and pod.status.text("podIP") for pod in pods)
    assert len({pod.status.text("podIP") for pod in pods}) == 5
    assert cluster.ready("web") == sorted(p.status.text("podIP") for p in cluster.kube.pods("shop", {"app": "web"}))
    assert cluster.names(app="db") == ["db-0", "db-1"]
    assert cluster.kube.rollout(cluster.ref("web")).complete
    cluster.run(60)
    assert cluster.phases == []
    assert cluster.changes == []


def test_default_nodes_stand_in_three_zones(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3)])
    nodes = cluster.kube.server.objects.select("Node")
    assert [node.labels[ZONE_LABEL] for node in nodes] == ["region-1a", "region-1b", "region-1c"]
    assert {node.labels[REGION_LABEL] for node in nodes} == {"region-1"}
    assert {pod.spec.text("nodeName") for pod in cluster.kube.pods("shop")} == {node.name for node in nodes}


def test_enough_default_nodes_for_the_pods(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 400)])
    assert len(cluster.kube.server.objects.select("Node")) == 6
    assert cluster.kube.rollout(cluster.ref("web")).complete


def test_recorded_pods_keep_their_place_and_address(make: Make, start: Start) -> None:
    pod = make.pod("own", {"app": "web"}, nodeName="node-x")
    recorded = make_object({**pod.body, "status": {"podIP": "10.1.2.3"}})
    cluster = start([recorded, make.service("web")])
    assert cluster.ready("web") == ["10.1.2.3"]
    assert cluster.kube.server.get("Node", "", "node-x") is not None


def test_namespaces_nobody_declared_are_made(make: Make, start: Start) -> None:
    cluster = start([make.workload("web")])
    shop = cluster.kube.server.get("Namespace", "", "shop")
    assert shop is not None
    assert shop.labels["kubernetes.io/metadata.name"] == "shop"


def test_scale_and_back(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2)])
    before = cluster.names()
    undo = cluster.kube.scale(cluster.ref("web"), 4, "more")
    cluster.run(30)
    assert cluster.kube.rollout(cluster.ref("web")).complete
    assert set(before) < set(cluster.names())
    undo()
    cluster.run(60)
    # the youngest pods go first
    assert cluster.names() == before


def test_apply_a_new_workload_runs_through_the_real_stages(make: Make, start: Start, exact: KubeSettings) -> None:
    cluster = start([], settings=exact)
    undo = cluster.kube.apply(make.workload("web", 1), "new")
    cluster.kube.apply(make.service("web"), "new")
    cluster.run(20)
    assert [r.phase for r in cluster.phases] == ["scheduled", "ready", "started"]
    assert len(cluster.ready("web")) == 1
    undo()
    cluster.run(40)
    assert cluster.names() == []
    assert cluster.endpoints("web") == {}


def test_delete_and_back(make: Make, start: Start) -> None:
    service = make.service("web")
    cluster = start([make.workload("web"), service])
    stored = cluster.kube.server.get("Service", "shop", "web")
    assert stored is not None
    undo = cluster.kube.delete(service.key, "gone")
    cluster.run(1)
    assert cluster.endpoints("web") == {}
    undo()
    cluster.run(1)
    again = cluster.kube.server.get("Service", "shop", "web")
    assert again is not None
    assert again.spec.text("clusterIP") == stored.spec.text("clusterIP")
    assert len(cluster.ready("web")) == 2


def test_what_is_not_there_is_an_input_error(make: Make, start: Start) -> None:
    cluster = start([make.workload("web")])
    with pytest.raises(InputError, match="there is no Deployment shop/nope"):
        cluster.kube.scale(cluster.ref("nope"), 1)
    with pytest.raises(InputError, match="there is no Node nowhere"):
        cluster.kube.lose_node("nowhere")


def test_restart_replaces_every_pod_one_after_the_other(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 4), make.service("web")])
    before = set(cluster.names())
    cluster.kube.restart(cluster.ref("web"), "again")
    lowest = len(before)
    while not cluster.kube.rollout(cluster.ref("web")).complete:
        cluster.run(0.1)
        lowest = min(lowest, len(cluster.ready("web")))
        assert cluster.env.instant < 120_000_000_000
    cluster.run(5)
    assert not before & set(cluster.names())
    # maxUnavailable 25 % of 4: never fewer than three
    assert lowest == 3


def test_kill_replaces_at_once_and_kill_workload_only_when_undone(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2), make.service("web")])
    cluster.kube.kill(cluster.kube.pods("shop")[:1], "kill")
    assert len(cluster.names()) == 1
    cluster.run(20)
    assert cluster.kube.rollout(cluster.ref("web")).complete
    undo = cluster.kube.kill_workload(cluster.ref("web"), "lost")
    cluster.run(30)
    assert cluster.names() == []
    undo()
    cluster.run(20)
    assert cluster.kube.rollout(cluster.ref("web")).complete


def test_drain_moves_pods_and_cordon_keeps_new_ones_away(make: Make, start: Start) -> None:
    cluster = start([make.node("n1"), make.node("n2", "b"), make.workload("web", 4)])
    undo = cluster.kube.drain("n1", "maintenance")
    cluster.run(60)
    assert {pod.spec.text("nodeName") for pod in cluster.kube.pods("shop")} == {"n2"}
    undo()
    cluster.kube.scale(cluster.ref("web"), 6)
    cluster.run(60)
    assert {pod.spec.text("nodeName") for pod in cluster.kube.pods("shop")} == {"n1", "n2"}


def _eventful(make: Make, start: Start, seed: int) -> tuple[str, Cluster]:
    probe = {"readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 2}}
    cluster = start([make.workload("web", 5, container=probe), make.service("web")], seed=seed)
    cluster.kube.restart(cluster.ref("web"))
    cluster.run(10)
    cluster.kube.crash(cluster.kube.pods("shop")[:2])
    cluster.kube.lose_node("node-2")
    cluster.run(400)
    digest = RunDigest()
    for record in cluster.phases:
        digest.add(*record)
    for change in cluster.changes:
        digest.add(change.verb.value, str(change.object), change.written, change.cause, repr(change.object.body))
    return digest.hexdigest(), cluster


def test_the_same_seed_gives_the_same_history(make: Make, start: Start) -> None:
    first, again, other = (_eventful(make, start, seed)[0] for seed in (7, 7, 8))
    assert first == again
    assert first != other
