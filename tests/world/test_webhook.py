"""Injection as the API server asks for it."""

from __future__ import annotations

import pytest

from meshsim.api import ApiObject, Fields, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.errors import InputError
from meshsim.kernel import Environment
from meshsim.kube import Kube
from meshsim.world.webhook import SidecarWebhook


def _webhook(label: dict[str, str]) -> SidecarWebhook:
    kube = Kube(Environment(), seed=1)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": label}}
    kube.load([make_object(namespace)])
    webhook = SidecarWebhook(build_mesh_config({}))
    webhook.attach(kube.server)
    return webhook


def _pod(**labels: str) -> ApiObject:
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "shop", "labels": labels},
            "spec": {"containers": [{"name": "app", "image": "example/app:1"}]},
        }
    )


def _containers(body: object) -> list[str]:
    spec = Fields(body).fields("spec")  # type: ignore[arg-type]
    return [c.text("name") for c in (*spec.items("initContainers"), *spec.items("containers"))]


def test_a_labelled_namespace_is_injected() -> None:
    got = _containers(_webhook({"istio-injection": "enabled"}).admit(_pod()))
    assert got == ["istio-init", "istio-proxy", "app"]


def test_another_namespace_and_an_unwilling_pod_are_not() -> None:
    assert _containers(_webhook({}).admit(_pod())) == ["app"]
    unwilling = _pod(**{"sidecar.istio.io/inject": "false"})
    assert _containers(_webhook({"istio-injection": "enabled"}).admit(unwilling)) == ["app"]


def test_while_istiod_is_away_injected_pods_are_refused() -> None:
    webhook = _webhook({"istio-injection": "enabled"})
    webhook.served_by(lambda: False)
    with pytest.raises(InputError, match="webhook"):
        webhook.admit(_pod())
    assert _containers(webhook.admit(_pod(**{"sidecar.istio.io/inject": "false"}))) == ["app"]


def test_a_scenario_may_name_the_namespaces() -> None:
    namespace = make_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    made = SidecarWebhook(build_mesh_config({})).labelled([namespace], ("shop", "new"))
    assert {o.name: o.labels.get("istio-injection") for o in made} == {"shop": "enabled", "new": "enabled"}
