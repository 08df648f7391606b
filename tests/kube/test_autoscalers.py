"""Autoscalers change workloads by what their pods do."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import ApiObject, make_object
from meshsim.kube import KubeSettings
from meshsim.kube.autoscalers import cpu_requests
from meshsim.kube.pod_metrics import Reading
from meshsim.kube.pods import is_ready
from meshsim.trace import TimelineMark
from meshsim.units import SECOND

from .conftest import Cluster, Make, Start

HALF = {"type": "Utilization", "averageUtilization": 50}
REQUESTS = {"resources": {"requests": {"cpu": "500m"}}}


def autoscaler(**spec: Any) -> ApiObject:
    base = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "stock"},
        "minReplicas": 1,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }
        ],
    }
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {**base, **spec}}
    return make_object({**body, "metadata": {"name": "stock", "namespace": "shop"}})


class Load:
    """Pods that share `cores` of work and `rate` requests a second evenly, those that are ready."""

    def __init__(self, cluster: Cluster, cores: float, rate: float = 0.0) -> None:
        self.cluster = cluster
        self.cores = cores
        self.rate = rate
        self._used: dict[str, list[float]] = {}
        self._tick()

    def _ready(self) -> list[str]:
        return [pod.name for pod in self.cluster.kube.pods("shop") if is_ready(pod)]

    def _tick(self) -> None:
        ready = self._ready()
        for name in ready:
            used = self._used.setdefault(name, [0.0, 0.0])
            used[0] += self.cores / len(ready)
            used[1] += self.rate / len(ready)
        self.cluster.env.call_at(self.cluster.env.instant + SECOND, self._tick)

    def read(self, pod: ApiObject) -> Reading | None:
        used = self._used.get(pod.name)
        return Reading(round(used[0] * SECOND), round(used[1]), 0, 0) if used is not None else None


def _start(start: Start, make: Make, item: ApiObject, *, cores: float, rate: float = 0.0, replicas: int = 2) -> Any:
    workload = make.workload("stock", replicas, container=REQUESTS)
    cluster = start([workload, item], settings=KubeSettings().with_stages(spread=0.0))
    marks: list[TimelineMark] = []
    cluster.kube.taps.timeline.listen(marks.append)
    load = Load(cluster, cores, rate)
    cluster.kube.autoscale(load)
    return cluster, load, marks


def _replicas(cluster: Cluster) -> int:
    item = cluster.kube.server.get("Deployment", "shop", "stock", "apps")
    assert item is not None
    return item.spec.integer("replicas", 1)


def test_pods_come_until_they_use_half_of_what_they_ask_for(start: Start, make: Make) -> None:
    """1.5 cores over 500m at 50 %: six pods. The first look at metrics that counts is the second one."""
    cluster, _, marks = _start(start, make, autoscaler(), cores=1.5)
    cluster.run(14)
    assert _replicas(cluster) == 2
    cluster.run(120)
    assert _replicas(cluster) == 6
    assert [(mark.id, mark.action) for mark in marks] == [("hpa/stock", "autoscale")] * len(marks)
    assert marks[0].detail.startswith("Deployment shop/stock from 2 to 4 replicas: cpu above target (cpu 15")
    status = cluster.kube.server.objects.select("HorizontalPodAutoscaler", "autoscaling")[0].status
    assert (status.integer("currentReplicas"), status.integer("desiredReplicas")) == (6, 6)
    assert status.text("lastScaleTime")


def test_pods_go_five_minutes_after_they_were_wanted(start: Start, make: Make) -> None:
    cluster, load, marks = _start(start, make, autoscaler(), cores=1.5, replicas=6)
    cluster.run(120)
    assert _replicas(cluster) == 6
    load.cores = 0.5
    begun = cluster.env.instant
    cluster.run(280)
    assert _replicas(cluster) == 6
    cluster.run(80)
    assert _replicas(cluster) == 2
    assert 300 * SECOND <= marks[0].time - begun <= 345 * SECOND
    assert "from 6 to " in marks[0].detail
    assert "all metrics below target (cpu 16)" in marks[0].detail


def test_requests_a_second_are_a_metric_of_pods(start: Start, make: Make) -> None:
    metric = {"metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "25"}}
    item = autoscaler(metrics=[{"type": "Pods", "pods": metric}])
    cluster, _, _ = _start(start, make, item, cores=0.0, rate=100.0)
    cluster.run(120)
    assert _replicas(cluster) == 4


def test_the_metric_that_asks_for_most_counts(start: Start, make: Make) -> None:
    pods = {"metric": {"name": "requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "50"}}
    cpu = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "200m"}}
    item = autoscaler(metrics=[{"type": "Pods", "pods": pods}, {"type": "Resource", "resource": cpu}])
    cluster, _, _ = _start(start, make, item, cores=1.0, rate=100.0)
    cluster.run(150)
    assert _replicas(cluster) == 5


def test_what_cannot_be_read_is_said_and_takes_no_pods_away(start: Start, make: Make) -> None:
    unknown = {"metric": {"name": "queue_age"}, "target": {"type": "AverageValue", "averageValue": "50"}}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    item = autoscaler(metrics=[{"type": "Pods", "pods": unknown}, {"type": "Resource", "resource": cpu}])
    cluster, load, _ = _start(start, make, item, cores=0.1, replicas=4)
    cluster.run(700)
    assert _replicas(cluster) == 4
    assert "the metric 'queue_age' has no source in a simulation" in cluster.kube.autoscalers.notes()[0]
    load.cores = 3.0
    cluster.run(100)
    assert _replicas(cluster) == 10, "it grows by the other metric, up to maxReplicas"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scaleTargetRef": {"kind": "Deployment", "name": "other"}}, "scaleTargetRef names no Deployment"),
        (
            {"metrics": [{"type": "Resource", "resource": {"name": "memory"}}]},
            "use of the resource 'memory' is not simulated",
        ),
        (
            {"metrics": [{"type": "External", "external": {}}]},
            "metrics of type External have no source in a simulation, those of type Pods do: active_",
        ),
    ],
)
def test_autoscalers_that_cannot_work_are_told(start: Start, make: Make, changes: dict[str, Any], message: str) -> None:
    cluster, _, marks = _start(start, make, autoscaler(**changes), cores=1.5)
    cluster.run(60)
    assert (message in cluster.kube.autoscalers.notes()[0], marks) == (True, [])


def test_bounds_and_zero(start: Start, make: Make) -> None:
    cluster, _, marks = _start(start, make, autoscaler(minReplicas=3), cores=0.0)
    cluster.run(16)
    assert _replicas(cluster) == 3
    assert "fewer than minReplicas" in marks[0].detail
    cluster.kube.scale(cluster.ref("stock"), 20)
    cluster.run(16)
    assert _replicas(cluster) == 10
    cluster.kube.scale(cluster.ref("stock"), 0)
    cluster.run(100)
    assert _replicas(cluster) == 0, "at zero it is switched off"


def test_an_autoscaler_may_come_and_go(start: Start, make: Make) -> None:
    cluster = start([make.workload("stock", 2, container=REQUESTS)])
    load = Load(cluster, 1.5)
    cluster.kube.autoscale(load)
    cluster.run(60)
    cluster.kube.apply(autoscaler())
    cluster.run(120)
    assert _replicas(cluster) == 6
    load.cores = 5.0
    cluster.kube.delete(autoscaler().key)
    cluster.run(120)
    assert _replicas(cluster) == 6


def test_requests_are_those_of_all_containers_or_their_limits() -> None:
    containers = [
        {"name": "istio-proxy", "resources": {"requests": {"cpu": "100m"}}},
        {"name": "one", "resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": 1}}},
        {"name": "two", "resources": {"limits": {"cpu": 1}}},
    ]
    pods = [Make.pod("p", containers=containers), Make.pod("q", containers=[{"name": "one"}])]
    assert cpu_requests(pods) == {"p": 1350}
    assert cpu_requests(pods, "one") == {"p": 250}
    assert cpu_requests(pods, "istio-proxy") == {"p": 100}
    assert cpu_requests(pods, "three") == {}


def test_init_containers_count_where_they_keep_running() -> None:
    """k8s.io/kubernetes pkg/controller/podautoscaler/replica_calculator.go, calculatePodRequests (1.33)."""
    asks = {"resources": {"requests": {"cpu": "100m"}}}
    pod = Make.pod("p", containers=[{"name": "one", **asks}])
    inits = [{"name": "istio-proxy", "restartPolicy": "Always", **asks}, {"name": "istio-validation", **asks}]
    pod = make_object({**pod.body, "spec": {**pod.spec.body, "initContainers": inits}})
    assert cpu_requests([pod]) == {"p": 200}
    assert cpu_requests([pod], "istio-proxy") == {"p": 100}


PROXY = {"name": "istio-proxy", "resources": {"requests": {"cpu": "100m"}}}


class Sidecars(Load):
    """The same, and a fifth of a core in each sidecar."""

    def read(self, pod: ApiObject) -> Reading | None:
        reading = super().read(pod)
        now = self.cluster.env.instant
        return reading._replace(proxy_cpu=now // 5) if reading is not None else None


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        # 1.5 cores and 0.2 a pod, of 500m and 100m a pod.
        ({"type": "Resource", "resource": {"name": "cpu"}}, "(cpu 158)"),
        ({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "istio-proxy"}}, "(cpu 200)"),
    ],
)
def test_sidecars_count_as_containers_do(start: Start, make: Make, metric: dict[str, Any], value: str) -> None:
    source = "resource" if metric["type"] == "Resource" else "containerResource"
    metric[source]["target"] = {"type": "Utilization", "averageUtilization": 50}
    workload = make.workload("stock", 2, container=REQUESTS)
    template = workload.spec.fields("template")
    containers = [*template.fields("spec").value("containers"), PROXY]
    spec = {**template.body, "spec": {**template.fields("spec").body, "containers": containers}}
    workload = make_object({**workload.body, "spec": {**workload.spec.body, "template": spec}})
    cluster = start([workload, autoscaler(metrics=[metric])], settings=KubeSettings().with_stages(spread=0.0))
    marks: list[TimelineMark] = []
    cluster.kube.taps.timeline.listen(marks.append)
    cluster.kube.autoscale(Sidecars(cluster, 1.5))
    cluster.run(60)
    assert value in marks[0].detail
