"""StatefulSets: stable names, one after the other, from the highest down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.kube.statefulsets import ordinal_of

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start


def test_names_and_labels(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 2, kind="StatefulSet", serviceName="db")])
    assert cluster.names() == ["db-0", "db-1"]
    pod = cluster.kube.pods("shop", name="db-1")[0]
    assert ordinal_of(pod) == 1
    assert pod.labels["apps.kubernetes.io/pod-index"] == "1"
    assert (pod.spec.text("hostname"), pod.spec.text("subdomain")) == ("db-1", "db")


def test_pods_come_one_after_the_other(make: Make, start: Start) -> None:
    cluster = start([])
    cluster.kube.apply(make.workload("db", 3, kind="StatefulSet"))
    cluster.run(60)
    ready = [cluster.at("ready", f"db-{n}")[0] for n in range(3)]
    scheduled = [cluster.at("scheduled", f"db-{n}")[0] for n in range(3)]
    assert ready[0] < scheduled[1] < ready[1] < scheduled[2]


def test_parallel_pods_come_together(make: Make, start: Start) -> None:
    cluster = start([])
    cluster.kube.apply(make.workload("db", 3, kind="StatefulSet", podManagementPolicy="Parallel"))
    cluster.run(1)
    assert cluster.names() == ["db-0", "db-1", "db-2"]


def test_scaling_down_takes_the_highest_first(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 3, kind="StatefulSet")])
    cluster.kube.scale(cluster.ref("db", "StatefulSet"), 1)
    cluster.run(60)
    assert cluster.names() == ["db-0"]
    assert cluster.at("gone", "db-2")[0] < cluster.at("terminating", "db-1")[0]


def test_a_roll_goes_from_the_highest_down_to_the_partition(make: Make, start: Start) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    cluster = start([make.workload("db", 3, kind="StatefulSet", updateStrategy=strategy)])
    uids = {p.name: p.metadata.text("uid") for p in cluster.kube.pods("shop")}
    cluster.kube.restart(cluster.ref("db", "StatefulSet"))
    cluster.run(120)
    after = {p.name: p.metadata.text("uid") for p in cluster.kube.pods("shop")}
    assert [name for name in sorted(uids) if uids[name] == after[name]] == ["db-0"]
    assert cluster.at("ready", "db-2")[-1] < cluster.at("terminating", "db-1")[0]


def test_a_killed_pod_comes_back_under_its_name(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 2, kind="StatefulSet")])
    uid = cluster.kube.pods("shop")[0].metadata.text("uid")
    cluster.kube.kill(cluster.kube.pods("shop")[:1])
    cluster.run(20)
    assert cluster.names() == ["db-0", "db-1"]
    assert cluster.kube.pods("shop")[0].metadata.text("uid") != uid


def test_ordinals_may_start_elsewhere(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 2, kind="StatefulSet", ordinals={"start": 5})])
    assert cluster.names() == ["db-5", "db-6"]


def test_on_delete_replaces_nothing_by_itself(make: Make, start: Start) -> None:
    cluster = start([make.workload("db", 2, kind="StatefulSet", updateStrategy={"type": "OnDelete"})])
    cluster.kube.restart(cluster.ref("db", "StatefulSet"))
    cluster.run(60)
    assert cluster.phases == []
