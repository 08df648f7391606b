"""The gateway template: a pod whose own container is the proxy."""

from __future__ import annotations

from meshsim.admission.inject import inject
from meshsim.admission.settings import InjectionSettings
from meshsim.api import Fields, make_object

POD = make_object(
    {
        "kind": "Pod",
        "metadata": {
            "name": "ingress",
            "namespace": "edge",
            "labels": {"istio": "ingressgateway"},
            "annotations": {"inject.istio.io/templates": "gateway"},
        },
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8443}]}]},
    }
)


def test_the_container_becomes_a_router_without_rules() -> None:
    pod = Fields(inject(POD, InjectionSettings()).pod)
    (proxy,) = pod.fields("spec").items("containers")
    assert proxy.texts("args")[:2] == ("proxy", "router")
    assert [port.integer("containerPort") for port in proxy.items("ports")] == [15090, 8443]
    assert proxy.text("image").startswith("registry.istio.io/")
    assert not pod.fields("spec").items("initContainers")
    assert "security.istio.io/tlsMode" not in pod.fields("metadata").text_map("labels")
