"""istiod's pods carry Pilot: it stops with the last and serves again with the first."""

from __future__ import annotations

from meshsim.trace import ProxyEffective

from .conftest import run, seconds

ISTIOD = """
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: istiod, namespace: istio-system}
    spec:
      replicas: 1
      selector: {matchLabels: {app: istiod}}
      template:
        metadata: {labels: {app: istiod}}
        spec: {containers: [{name: discovery, image: "example/pilot:1"}]}
"""
TIMELINE = """
timeline:
  - {id: lose, at: 1s, for: 10s, kill: {deployment: istiod, namespace: istio-system}}
  - id: change
    at: 2s
    apply:
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: stock, namespace: shop}
      spec: {hosts: [stock], http: [{name: new, route: [{destination: {host: stock}}]}]}
"""


def test_a_change_waits_for_istiod_and_traffic_does_not() -> None:
    ran = run(more=ISTIOD, timeline=TIMELINE, duration="60s")
    assert {row["status"] for row in ran.sink.rows} == {200}
    effective = [r.time for r in ran.sink.of(ProxyEffective) if r.proxy.startswith("front")]
    assert effective
    assert min(effective) > seconds(11), "no configuration arrives while istiod is away"
    assert {row["route"] for row in ran.sink.rows if row["start"] > seconds(55)} == {"new"}
    assert ran.world.pilot.running


def test_without_istiod_in_the_manifests_pilot_always_serves() -> None:
    lines = TIMELINE.splitlines(keepends=True)
    timeline = "".join(line for line in lines if "id: lose" not in line)
    ran = run(timeline=timeline, duration="4s")
    assert {row["route"] for row in ran.sink.rows if row["start"] > seconds(3)} == {"new"}
