"""Pods out of manifests, and back into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.api import load_text
from meshsim.cli.pods import choose, inject_pod, pod_of, read_pods, settings_from, with_pod
from meshsim.errors import InputError, InputErrors, UsageError

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop, labels: {team: a}}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: app, image: cart:1, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: shop, annotations: {sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: app, image: bare:1}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(DEPLOYMENT)
    return path


def test_controllers_make_pods_and_other_kinds_do_not() -> None:
    deployment, service, bare = load_text(DEPLOYMENT, "shop.yaml").objects
    made = pod_of(deployment)
    assert made is not None
    assert (made.kind, made.name, made.namespace, made.labels) == ("Pod", "cart", "shop", {"app": "cart"})
    assert pod_of(service) is None
    assert pod_of(bare) is bare


def test_an_injected_pod_goes_back_into_its_template(file: Path) -> None:
    objects, sources = read_pods([file])
    result = inject_pod(sources[0], settings_from(None), objects)
    assert result.decision
    document = with_pod(sources[0], result.pod)
    assert document["metadata"] == {"name": "cart", "namespace": "shop", "labels": {"team": "a"}}
    spec = document["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == 2
    template = spec["template"]
    assert "name" not in template["metadata"]
    names = [c["name"] for key in ("containers", "initContainers") for c in template["spec"].get(key, [])]
    assert {"app", "istio-proxy"} <= set(names)


def test_a_pod_is_chosen_by_name(file: Path) -> None:
    _, sources = read_pods([file])
    assert choose(sources, "cart").owner.kind == "Deployment"
    assert choose(sources, "bare.shop").pod.name == "bare"
    with pytest.raises(UsageError, match="did you mean 'cart'"):
        choose(sources, "crat")
    with pytest.raises(UsageError, match="choose one with --pod: cart, bare"):
        choose(sources, None)
    with pytest.raises(UsageError, match="no pod in these files"):
        choose([], None)


def test_a_mesh_config_of_its_own_or_in_its_config_map(tmp_path: Path) -> None:
    plain = tmp_path / "mesh.yaml"
    plain.write_text("defaultConfig: {holdApplicationUntilProxyStarts: true}\n")
    assert settings_from(plain).mesh == {"defaultConfig": {"holdApplicationUntilProxyStarts": True}}
    wrapped = tmp_path / "map.yaml"
    wrapped.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
        "data:\n  mesh: |\n    rootNamespace: roots\n"
    )
    assert settings_from(wrapped).mesh == {"rootNamespace": "roots"}
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    with pytest.raises(InputError, match="no MeshConfig"):
        settings_from(empty)


def test_a_mesh_config_with_values_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("enableTracing: perhaps\n")
    with pytest.raises(InputErrors, match="must be") as caught:
        settings_from(path)
    assert caught.value.errors[0].subject == "MeshConfig enableTracing"


def test_the_mesh_config_of_an_operator(tmp_path: Path) -> None:
    path = tmp_path / "operator.yaml"
    path.write_text(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {meshConfig: {rootNamespace: r}}\n"
    )
    assert settings_from(path).mesh == {"rootNamespace": "r"}


def test_what_is_no_mesh_config(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")
    with pytest.raises(InputError, match="this is a Pod, not a MeshConfig"):
        settings_from(path)
