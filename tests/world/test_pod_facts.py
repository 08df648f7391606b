"""What is read from a pod's document."""

from __future__ import annotations

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
