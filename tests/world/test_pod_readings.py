"""What autoscalers read of the engine's pods, and a mesh that grows by it."""

from __future__ import annotations

import pytest

from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.trace import TimelineMark
from meshsim.units import SECOND
from meshsim.world.pod_readings import EngineReadings

from .conftest import build, run

BUSY = """
  - match: {app: front}
    serve: {time: 50ms, cpu: 80%}
"""
SCALED = """
  - apiVersion: v1
    kind: Service
    metadata: {name: front, namespace: shop}
    spec: {selector: {app: front}, ports: [{name: http, port: 80, targetPort: 8080}]}
  - apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: front, namespace: shop}
    spec:
      scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: front}
      minReplicas: 1
      maxReplicas: 20
      metrics:
        - type: METRIC
"""
CPU = "Resource\n          resource: {name: cpu, target: {type: AverageValue, averageValue: 500m}}"
OF_FRONT = CPU.replace("Resource", "ContainerResource", 1).replace(
    "resource: {", "containerResource: {container: front, "
)
RATE = 'Pods\n          pods: {metric: {name: requests_per_second}, target: {type: AverageValue, averageValue: "20"}}'
CLIENTS = """  - {name: visit, from: {match: {app: plain}}, request: {host: front.shop}, rate: 50/s, arrivals: constant}
"""


def test_pods_are_read_as_the_engine_has_them() -> None:
    ran = run(workloads=BUSY, more=SCALED.replace("METRIC", CPU), timeline=CLIENTS, duration="10s")
    readings = EngineReadings(ran.world.engine, ran.world.directory)
    (front,) = [pod for pod in ran.world.kube.pods("shop") if pod.labels["app"] == "front"]
    reading = readings.read(front)
    assert reading is not None
    assert reading.requests in (499, 500)
    assert reading.cpu is not None
    assert abs(reading.cpu - reading.requests * SECOND // 25) <= 3 * SECOND // 25, "40 ms of CPU each"
    (stock, *_) = [pod for pod in ran.world.kube.pods("shop") if pod.labels["app"] == "stock"]
    other = readings.read(stock)
    assert other is not None
    assert other.cpu is None
    (plain,) = ran.world.kube.pods("bare")
    bare = readings.read(plain)
    assert bare is not None
    assert bare.proxy_cpu is None


def test_a_sidecar_uses_what_its_passes_cost() -> None:
    """500 requests come in and 1,000 go out, each there and back: 3,000 passes of 100 us, exponential."""
    ran = run(workloads=BUSY, more=SCALED.replace("METRIC", CPU), timeline=CLIENTS, duration="10s")
    (front,) = [pod for pod in ran.world.kube.pods("shop") if pod.labels["app"] == "front"]
    reading = EngineReadings(ran.world.engine, ran.world.directory).read(front)
    assert reading is not None
    assert reading.proxy_cpu is not None
    assert abs(reading.proxy_cpu - 3000 * 100_000) < 5 * 100_000 * 3000**0.5


def test_reading_sidecars_changes_nothing_else() -> None:
    """The same run with an autoscaler that cannot act: the same requests at the same times."""
    fixed = SCALED.replace("METRIC", CPU).replace("maxReplicas: 20", "maxReplicas: 1")
    service = SCALED[: SCALED.index("  - apiVersion: autoscaling")]
    rows = [run(workloads=BUSY, more=more, timeline=CLIENTS, duration="5s").sink.rows for more in (fixed, service)]
    assert rows[0] == rows[1]


def test_a_workload_grows_by_its_cpu_and_by_its_requests() -> None:
    """50 requests a second of 40 ms CPU are 2 cores: four pods at 500m; at 20 requests a second each, three.

    With the 40 ms a second that their sidecars need it is a little more than four pods can do.
    """
    for metric, replicas in ((OF_FRONT, 4), (CPU, 5), (RATE, 3)):
        ran = run(workloads=BUSY, more=SCALED.replace("METRIC", metric), timeline=CLIENTS, duration="2m")
        pods = [pod for pod in ran.world.kube.pods("shop") if pod.labels["app"] == "front"]
        assert len(pods) == replicas
        marks = [mark for mark in ran.sink.of(TimelineMark) if mark.id == "hpa/front"]
        assert marks[0].detail.startswith("Deployment shop/front from 1 to ")
        late = [row for row in ran.sink.rows if row["traffic"] == "visit" and row["start"] > 115 * SECOND]
        assert len({row["pod"] for row in late}) == replicas
        assert ran.outcome.notes == ()


def test_an_autoscaler_that_cannot_read_is_a_note() -> None:
    metric = CPU.replace("AverageValue, averageValue: 500m", "Utilization, averageUtilization: 50")
    ran = run(workloads=BUSY, more=SCALED.replace("METRIC", metric), timeline=CLIENTS, duration="1m")
    assert len(ran.outcome.notes) == 1
    assert "HorizontalPodAutoscaler shop/front does not scale: a container of pod front-" in ran.outcome.notes[0]
    world, _ = build()
    assert world.kube.autoscalers is None


EVERYTHING = """  - name: many
    from: {match: {app: plain}}
    request: {host: front.shop, size: 20KB}
    rate: 40/s
    connections: 4
  - name: bursty
    from: {match: {app: plain}}
    request: {host: front.shop}
    bursts: [{rate: 100/s, dwell: 2s}, {rate: 5/s, dwell: 3s}]
  - name: growing
    from: {match: {app: plain}}
    request: {host: front.shop}
    userRamp: [{at: 0s, users: 1}, {at: 30s, users: 9}]
    think: empirical(p0 50ms, p50 100ms, p100 400ms)
"""
LIMITED = """
  - match: {app: front}
    serve:
      time: gamma(12ms, 2)
      cpu: 70%
      concurrency: 6
      queue: 20
      slowdown: [{busy: 2, factor: 1}, {busy: 6, factor: 1.5}]
      errors: [{rate: 1%}, {rate: 1%, status: 404}]
      size: 30KB
    calls:
      - parallel:
          - {to: "stock:80", times: 2, timeout: 20ms, retries: {attempts: 1, backoff: 5ms}}
          - sequence: ["stock:80", {to: "stock:80", errors: {rate: 10%}, optional: true}]
"""


@pytest.mark.parametrize(("mode", "sampling"), [("numba", 1.0), ("plain", 0.2)])
def test_equal_digests_with_everything_in_any_mode_and_at_any_sampling_rate(mode: str, sampling: float) -> None:
    if choose_mode(mode) is not Mode(mode):
        pytest.skip("numba is not installed")
    parts = {"workloads": LIMITED, "more": SCALED.replace("METRIC", CPU), "timeline": EVERYTHING, "duration": "40s"}
    expected = run(**parts).outcome
    other, _ = build(**parts, sampling=sampling, mode=mode)
    outcome = other.run()
    assert (outcome.digest, outcome.requests) == (expected.digest, expected.requests)
    assert outcome.requests > 2_000
