"""Pods as controllers see them."""

from __future__ import annotations

from typing import Any

from meshsim.api import ApiObject, Fields, make_object
from meshsim.kube import EPOCH
from meshsim.kube.pods import (
    condition,
    container_images,
    is_active,
    is_available,
    is_native_sidecar,
    is_ready,
    is_terminal,
    pod_address,
    pod_from_template,
)
from meshsim.units import SECOND


def _pod(status: dict[str, Any], **metadata: Any) -> ApiObject:
    return make_object({"kind": "Pod", "metadata": {"name": "p", **metadata}, "status": status})


def _ready(value: str, since: str = "2026-01-01T00:00:10Z") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": value, "lastTransitionTime": since}]}


def test_conditions() -> None:
    assert is_ready(_pod(_ready("True")))
    assert not is_ready(_pod(_ready("False")))
    assert not condition(_pod({}), "Ready")
    assert pod_address(_pod({"podIP": "10.0.0.1"})) == "10.0.0.1"


def test_availability_needs_its_time() -> None:
    pod = _pod(_ready("True"))
    assert is_available(pod, 0, EPOCH)
    assert not is_available(pod, 5, EPOCH + 14 * SECOND)
    assert is_available(pod, 5, EPOCH + 15 * SECOND)
    assert not is_available(_pod(_ready("False")), 0, EPOCH)


def test_who_counts() -> None:
    assert is_active(_pod({"phase": "Running"}))
    assert not is_active(_pod({"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert is_terminal(_pod({"phase": "Succeeded"}))


def test_a_pod_of_a_template() -> None:
    owner = make_object({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "namespace": "n"}})
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"containers": []}}
    pod = pod_from_template(owner, Fields(template), "r-x", "r-", {"own": "1"})
    assert (pod.namespace, pod.name) == ("n", "r-x")
    assert pod.labels == {"a": "b", "own": "1"}
    assert pod.annotations == {"c": "d"}
    assert pod.metadata.text("generateName") == "r-"


def test_containers() -> None:
    spec = {"initContainers": [{"image": "i"}], "containers": [{"image": "a"}, {"image": "b"}]}
    assert container_images(make_object({"kind": "Pod", "metadata": {}, "spec": spec})) == ["i", "a", "b"]
    assert is_native_sidecar(Fields({"restartPolicy": "Always"}))
    assert not is_native_sidecar(Fields({}))
