"""Lost nodes: nobody says it, missing heartbeats do; pods become unready, then are evicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.kube import KubeSettings
from meshsim.kube.nodes import default_nodes
from meshsim.kube.pods import condition
from meshsim.units import SECOND

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start


def test_default_nodes_have_zones_and_a_new_kubelet() -> None:
    nodes = default_nodes(4, 0)
    zones = [node.labels["topology.kubernetes.io/zone"] for node in nodes]
    assert zones == ["region-1a", "region-1b", "region-1c", "region-1a"]
    assert nodes[0].status.fields("nodeInfo").text("kubeletVersion") == "v1.33.0"


def test_a_lost_node_is_declared_after_the_grace_period(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3), make.service("web")])
    (victim,) = [p for p in cluster.kube.pods("shop") if p.spec.text("nodeName") == "node-2"]
    cluster.kube.lose_node("node-2")
    assert cluster.at("lost", victim.name) == [0]
    cluster.run(39)
    assert len(cluster.ready("web")) == 3
    cluster.run(31)
    (unready,) = cluster.at("unready", victim.name)
    # last heartbeat up to 10 s before, 50 s of grace, polls every 5 s on both ends
    assert 40 * SECOND <= unready <= 60 * SECOND
    assert victim.status.text("podIP") not in cluster.ready("web")
    node = cluster.kube.server.get("Node", "", "node-2")
    assert node is not None
    assert condition(node, "Ready").text("status") == "Unknown"
    assert {t.text("effect") for t in node.spec.items("taints")} == {"NoSchedule", "NoExecute"}


def test_pods_are_evicted_after_their_toleration_and_replaced_elsewhere(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3)])
    (victim,) = [p for p in cluster.kube.pods("shop") if p.spec.text("nodeName") == "node-2"]
    cluster.kube.lose_node("node-2")
    cluster.run(330)
    assert cluster.at("terminating") == []
    cluster.run(60)
    (terminating,) = cluster.at("terminating", victim.name)
    assert 340 * SECOND <= terminating <= 360 * SECOND
    # its kubelet is dead, so the object stays; a new pod runs on another node
    pods = {p.name: p.spec.text("nodeName") for p in cluster.kube.pods("shop")}
    assert victim.name in pods
    assert len(pods) == 4
    assert sum(node == "node-2" for node in pods.values()) == 1


def test_a_pod_with_a_toleration_of_its_own(make: Make, start: Start) -> None:
    tolerations = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 20}]
    forever = [{"operator": "Exists"}]
    cluster = start(
        [
            make.node("n1"),
            make.workload("short", 1, pod={"tolerations": tolerations}),
            make.workload("long", 1, pod={"tolerations": forever}),
        ]
    )
    cluster.kube.lose_node("n1")
    cluster.run(1000)
    assert len(cluster.at("terminating")) == 1
    assert cluster.phases[-1].pod.startswith("short")


def test_a_node_that_boots_in_time_loses_nothing_but_its_processes(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3), make.service("web")])
    before = cluster.names()
    undo = cluster.kube.lose_node("node-2")
    cluster.run(80)
    undo()
    cluster.run(30)
    assert cluster.names() == before
    assert len(cluster.ready("web")) == 3
    node = cluster.kube.server.get("Node", "", "node-2")
    assert node is not None
    assert condition(node, "Ready").text("status") == "True"
    assert not node.spec.items("taints")
    cluster.run(400)
    assert cluster.at("terminating") == []


def test_a_node_that_boots_late_finishes_its_terminating_pods(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3)])
    undo = cluster.kube.lose_node("node-2")
    cluster.run(400)
    undo()
    cluster.run(10)
    assert len(cluster.names()) == 3
    assert len(cluster.at("gone")) == 1


def test_the_grace_period_can_be_the_older_one(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3)], settings=KubeSettings(node_monitor_grace=40 * SECOND))
    cluster.kube.lose_node("node-1")
    cluster.run(55)
    assert len(cluster.at("unready")) == 1
