"""Pods as controllers see them: made from templates, ready or not, and what their containers ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshsim.api import ApiObject, Fields, make_object, parse_timestamp
from meshsim.kube.documents import Body, is_terminating, mapping, owner_reference
from meshsim.units import SECOND, Nanos

PROXY_CONTAINER: Final = "istio-proxy"
"""Name of the sidecar's container, in `initContainers` (native) or `containers`."""


def pod_from_template(
    owner: ApiObject, template: Fields, name: str, generate_name: str = "", labels: Mapping[str, str] | None = None
) -> ApiObject:
    """A pod of a workload's template, not stored yet; `labels` are the controller's own."""
    given = template.fields("metadata")
    metadata: Body = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**given.text_map("labels"), **(labels or {})},
        "ownerReferences": [owner_reference(owner)],
    }
    if generate_name:
        metadata["generateName"] = generate_name
    annotations = given.text_map("annotations")
    if annotations:
        metadata["annotations"] = annotations
    body: Body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": dict(mapping(template.value("spec"))),
    }
    return make_object(body, owner.origin, owner.namespace)


def condition(item: ApiObject, kind: str) -> Fields:
    """A status condition by type; empty when absent."""
    for entry in item.status.items("conditions"):
        if entry.text("type") == kind:
            return entry
    return Fields(None)


def is_ready(pod: ApiObject) -> bool:
    """Whether the Ready condition is true."""
    return condition(pod, "Ready").text("status") == "True"


def is_available(pod: ApiObject, min_ready_seconds: int, wall: Nanos) -> bool:
    """Whether the pod is ready and has been so for `minReadySeconds`; `wall` is the present in Unix time."""
    if not is_ready(pod):
        return False
    since = parse_timestamp(condition(pod, "Ready").value("lastTransitionTime"))
    return min_ready_seconds == 0 or wall - since >= min_ready_seconds * SECOND


def is_terminal(pod: ApiObject) -> bool:
    """Whether the pod has ended for good."""
    return pod.status.text("phase") in ("Succeeded", "Failed")


def is_active(pod: ApiObject) -> bool:
    """Whether a controller counts the pod (k8s.io/kubernetes pkg/controller IsPodActive)."""
    return not is_terminal(pod) and not is_terminating(pod)


def pod_address(pod: ApiObject) -> str:
    """status.podIP, empty before the sandbox is up."""
    return pod.status.text("podIP")


def container_images(pod: ApiObject) -> list[str]:
    """Images of all containers in the order they are needed."""
    return [c.text("image") for kind in ("initContainers", "containers") for c in pod.spec.items(kind)]


def is_native_sidecar(container: Fields) -> bool:
    """Whether an init container keeps running beside the containers (``restartPolicy: Always``)."""
    return container.text("restartPolicy") == "Always"
