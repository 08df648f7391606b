"""What a pod's document says that the data plane needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject, Fields, ObjectKey, ObjectView
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
    app: str
    """Labels app and version, empty without."""
    version: str
    stats: str
    """The proxyStatsMatcher of its proxy as a JSON object, empty without."""
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
        app=pod.labels.get("app", ""),
        version=pod.labels.get("version", ""),
        stats=_stats_matcher(pod, containers) if proxied else "",
        cpu_limit=cpu_quota(apps),
    )


_ANNOTATIONS: Final = {
    "inclusionPrefixes": "sidecar.istio.io/statsInclusionPrefixes",
    "inclusionSuffixes": "sidecar.istio.io/statsInclusionSuffixes",
    "inclusionRegexps": "sidecar.istio.io/statsInclusionRegexps",
}


def _stats_matcher(pod: ApiObject, containers: Sequence[Fields]) -> str:
    """Which statistics a proxy keeps beside the usual ones: each annotation counts instead of the configuration.

    istio pkg/bootstrap/config.go, getStatsOptions, release 1.31.
    """
    proxy = next((c for c in containers if c.text("name") == PROXY_CONTAINER), Fields({}))
    config = next((e.text("value") for e in proxy.items("env") if e.text("name") == "PROXY_CONFIG"), "")
    matcher = Fields(json.loads(config) if config else {}).fields("proxyStatsMatcher")
    annotations = pod.metadata.text_map("annotations")
    kept = {
        key: annotations[name].split(",") if annotations.get(name) else list(matcher.texts(key))
        for key, name in _ANNOTATIONS.items()
    }
    return json.dumps(kept) if any(kept.values()) else ""


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
