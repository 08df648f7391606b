"""What a pod's document says that the data plane needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshsim.api import ApiObject, ObjectKey, ObjectView
from meshsim.api.resources import cpu_quota
from meshsim.controlplane.proxies import PROXY_CONTAINER, has_proxy
from meshsim.units import Nanos


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod read once."""

    workload: str
    """Name of the Deployment or StatefulSet it belongs to; its own name without one."""
    service_account: str
    has_proxy: bool
    is_gateway: bool
    ports: Mapping[str, int]
    """Named container ports."""
    cpu_limit: Nanos = 0
    """CPU time in each 100 ms that its application containers may use, 0 = any."""


def pod_facts(pod: ApiObject, objects: ObjectView) -> PodFacts:
    """Read a pod's document."""
    containers = [*pod.spec.items("initContainers"), *pod.spec.items("containers")]
    apps = [c for c in pod.spec.items("containers") if c.text("name") != PROXY_CONTAINER]
    proxied = has_proxy(pod)
    return PodFacts(
        workload=_workload(pod, objects),
        service_account=pod.spec.text("serviceAccountName", "default"),
        has_proxy=proxied,
        is_gateway=proxied and not apps,
        ports={
            port.text("name"): port.integer("containerPort")
            for container in containers
            for port in container.items("ports")
            if "name" in port
        },
        cpu_limit=cpu_quota(apps),
    )


def _workload(pod: ApiObject, objects: ObjectView) -> str:
    name = pod.name
    item: ApiObject | None = pod
    while item is not None:
        owner = next((o for o in item.metadata.items("ownerReferences") if o.flag("controller")), None)
        if owner is None:
            return name
        name = owner.text("name")
        group = owner.text("apiVersion").partition("/")[0] if "/" in owner.text("apiVersion") else ""
        item = objects.get(ObjectKey(group, owner.text("kind"), item.namespace, name))
    return name
