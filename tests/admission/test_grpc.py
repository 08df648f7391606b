"""Templates of proxyless gRPC."""

from __future__ import annotations

from meshsim.admission.inject import inject
from meshsim.admission.settings import InjectionSettings
from meshsim.api import ApiObject, Fields, make_object


def _pod(template: str) -> ApiObject:
    metadata = {"name": "p", "namespace": "shop", "annotations": {"inject.istio.io/templates": template}}
    return make_object({"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app"}]}})


def test_an_agent_without_envoy() -> None:
    pod = Fields(inject(_pod("grpc-agent"), InjectionSettings()).pod)
    app, agent = pod.fields("spec").items("containers")
    assert {e.text("name") for e in app.items("env")} >= {"GRPC_XDS_BOOTSTRAP"}
    assert {e.text("name"): e.text("value") for e in agent.items("env")}["DISABLE_ENVOY"] == "true"


def test_a_bootstrap_file_alone() -> None:
    pod = Fields(inject(_pod("grpc-simple"), InjectionSettings()).pod)
    assert [c.text("name") for c in pod.fields("spec").items("initContainers")] == ["grpc-bootstrap-init"]
    assert [c.text("name") for c in pod.fields("spec").items("containers")] == ["app"]
