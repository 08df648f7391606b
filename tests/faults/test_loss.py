"""Pods and nodes that go away: who replaces them, and what reverting brings back."""

from __future__ import annotations

from meshsim.faults import KillPods, KillWorkload, LoseNodes
from meshsim.kube import WorkloadRef
from meshsim.units import MINUTE, SECOND

from .conftest import SmallMesh

WEB = WorkloadRef("Deployment", "shop", "web")


def test_a_killed_pod_is_replaced(mesh: SmallMesh) -> None:
    before = mesh.kube.pods("shop")
    KillPods(lambda m: m.kube.pods("shop")[:1]).apply(mesh, "crash")
    mesh.env.run(until=MINUTE)
    after = mesh.kube.pods("shop")
    assert len(after) == 4
    assert before[0].name not in [pod.name for pod in after]
    assert mesh.kube.rollout(WEB).complete


def test_a_pod_held_down_comes_back_with_the_revert(mesh: SmallMesh) -> None:
    revert = KillPods(lambda m: m.kube.pods("shop")[:1], held_down=True).apply(mesh, "crash")
    mesh.env.run(until=MINUTE)
    assert mesh.kube.rollout(WEB).ready == 3
    revert()
    mesh.env.run(until=2 * MINUTE)
    assert mesh.kube.rollout(WEB).ready == 4


def test_a_workload_dies_at_once_and_stays_down(mesh: SmallMesh) -> None:
    revert = KillWorkload(WEB, held_down=True).apply(mesh, "gone")
    mesh.env.run(until=30 * SECOND)
    assert mesh.kube.pods("shop") == []
    revert()
    mesh.env.run(until=MINUTE)
    assert mesh.kube.rollout(WEB).ready == 4


def test_a_workload_killed_without_end_is_replaced(mesh: SmallMesh) -> None:
    KillWorkload(WEB).apply(mesh, "blip")
    mesh.env.run(until=MINUTE)
    assert mesh.kube.rollout(WEB).ready == 4


def test_a_lost_node_is_noticed_after_its_grace_period(mesh: SmallMesh) -> None:
    revert = LoseNodes(("b",)).apply(mesh, "power")
    on_b = [pod.name for pod in mesh.kube.pods("shop") if pod.spec.text("nodeName") == "b"]
    assert on_b
    mesh.env.run(until=30 * SECOND)
    assert mesh.kube.rollout(WEB).ready == 4, "nobody has noticed yet"
    mesh.env.run(until=70 * SECOND)
    assert mesh.kube.rollout(WEB).ready == 4 - len(on_b)
    revert()
    mesh.env.run(until=3 * MINUTE)
    assert mesh.kube.rollout(WEB).ready == 4
