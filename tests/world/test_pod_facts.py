"""What is read from a pod's document."""

from __future__ import annotations

from meshsim.units import MILLISECOND
from meshsim.world.pod_facts import pod_facts

from .conftest import build


def test_an_injected_pod_of_a_deployment() -> None:
    world, _ = build()
    pod = next(p for p in world.kube.pods("shop") if p.labels["app"] == "front")
    facts = pod_facts(pod, world.kube.server.objects)
    assert (facts.workload, facts.service_account) == ("front", "front")
    assert facts.has_proxy
    assert not facts.is_gateway
    assert facts.ports["http-envoy-prom"] == 15090


LIMITED = """
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: busy, namespace: shop}
    spec:
      replicas: 1
      selector: {matchLabels: {app: busy}}
      template:
        metadata: {labels: {app: busy}}
        spec:
          containers:
            - {name: one, image: one, resources: {limits: {cpu: 250m}}}
            - {name: two, image: two, resources: {limits: {cpu: 5m, memory: 1Gi}TWO}}
"""


def test_cpu_limits_are_quotas_of_the_applications() -> None:
    for other, limit in (("", 26 * MILLISECOND), (", requests: {cpu: 1m}", 26 * MILLISECOND)):
        world, _ = build(more=LIMITED.replace("TWO", other))
        pod = next(p for p in world.kube.pods("shop") if p.labels["app"] == "busy")
        assert pod_facts(pod, world.kube.server.objects).cpu_limit == limit, "5m are less than the least quota, 1 ms"
    world, _ = build(more=LIMITED.replace("cpu: 5m, ", "").replace("TWO", ""))
    pod = next(p for p in world.kube.pods("shop") if p.labels["app"] == "busy")
    assert pod_facts(pod, world.kube.server.objects).cpu_limit == 0, "a container without a limit may use any"
