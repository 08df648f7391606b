"""Namespaces whose workloads have no proxy although Istio's objects are written for them.

Istio's analyzers report every namespace without injection label (IST0102); here only those with objects that a sidecar
would follow.
"""

from __future__ import annotations

from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, listed
from meshsim.api import ApiObject, ObjectKey
from meshsim.controlplane.host_names import MESH_GATEWAY

_LABELS: Final = ("istio-injection", "istio.io/rev")
_KINDS: Final = ("VirtualService", "DestinationRule", "Sidecar")
"""What sidecars follow; policies without a proxy to enforce them are reported one by one."""


def check_injection(cluster: Cluster, report: Report) -> None:
    """Each namespace with workloads, none of them with a proxy."""
    if not cluster.whole:
        return
    for namespace in dict.fromkeys(workload.namespace for workload in cluster.workloads):
        found = cluster.push.objects.get(ObjectKey("", "Namespace", "", namespace))
        if found is not None and any(label in found.labels for label in _LABELS):
            continue
        if any(workload.in_mesh for workload in cluster.pods({}, namespace)):
            continue
        written = [item for kind in _KINDS for item in cluster.of_kind(kind) if _is_for(item, namespace)]
        if written:
            item, path = (found, "metadata.name") if found is not None and found.origin else (written[0], "metadata")
            message = (
                f"namespace {namespace} is not enabled for injection: its workloads have no proxy to follow "
                f"{listed(map(str, written))}"
            )
            report.inform(
                "IST0102", item, path, message, f"kubectl label namespace {namespace} istio-injection=enabled"
            )


def _is_for(item: ApiObject, namespace: str) -> bool:
    """Whether it is of the namespace, and not for gateways alone."""
    gateways = item.spec.texts("gateways")
    return item.namespace == namespace and (not gateways or MESH_GATEWAY in gateways)
