"""Sidecars that another one hides, and egress hosts that import nothing.

A workload has one Sidecar: the oldest whose selector matches it, else the oldest without selector of its namespace,
else that of the root namespace (istio pilot/pkg/model/push_context.go, getSidecarScope, 1.31). Istio's analyzers report
several for one workload as IST0110, several without selector as IST0111, a selector without pods as IST0101.
"""

from __future__ import annotations

from meshsim.analysis.cluster import Cluster, Workload
from meshsim.analysis.report import Report, close, close_host, labels_text, listed, older
from meshsim.api import ApiObject
from meshsim.controlplane.host_names import hosts_overlap
from meshsim.controlplane.push_context import by_age
from meshsim.controlplane.visibility import exported_to


def check_sidecars(cluster: Cluster, report: Report) -> None:
    """Selectors, several for one workload, and what each imports."""
    general: dict[str, ApiObject] = {}
    taken: dict[tuple[str, str], ApiObject] = {}
    for item in by_age(cluster.of_kind("Sidecar")):
        if "workloadSelector" not in item.spec:
            first = general.setdefault(item.namespace, item)
            if first is not item:
                message = (
                    f"Sidecar {first.namespace}/{first.name} has no selector either and is {older(item, first)}: "
                    "istiod takes that one, this one is ignored"
                )
                report.warn("IST0111", item, "spec", message, "join both, or give one a workloadSelector")
        else:
            _check_selector(cluster, item, taken, report)
        _check_egress(cluster, item, report)


def _check_selector(cluster: Cluster, item: ApiObject, taken: dict[tuple[str, str], ApiObject], report: Report) -> None:
    labels = item.spec.fields("workloadSelector").text_map("labels")
    pods = cluster.pods(labels, item.namespace)
    if not pods:
        if cluster.knows(item.namespace):
            blame = cluster.blame(labels, item.namespace)
            message = f"no workload of namespace {item.namespace} has the labels {labels_text(labels.items())}: "
            path = f"spec.workloadSelector.labels.{blame.key}"
            report.warn("IST0101", item, path, f"{message}this Sidecar applies to nothing", blame.hint(labels))
        return
    beaten: dict[str, list[Workload]] = {}
    for pod in pods:
        first = taken.setdefault((pod.namespace, pod.name), item)
        if first is not item:
            beaten.setdefault(f"{first.namespace}/{first.name}", []).append(pod)
    for name, losers in beaten.items():
        whom = "" if len(losers) == len(pods) else f" for {listed(pod.name for pod in losers)}"
        message = f"Sidecar {name} selects the same workloads and comes first: this one is ignored{whom}"
        report.warn("IST0110", item, "spec.workloadSelector", message, "join both, or make the selectors disjoint")


def _check_egress(cluster: Cluster, item: ApiObject, report: Report) -> None:
    for listener in item.spec.items("egress"):
        for index, written in enumerate(listener.texts("hosts")):
            owner, slash, host = written.partition("/")
            if not slash or owner.startswith("~"):
                continue
            if owner == "." and item.namespace == cluster.push.mesh.root_namespace:
                continue  # the namespace of each workload it applies to
            namespace = item.namespace if owner == "." else owner
            if not (cluster.whole if namespace == "*" else cluster.knows(namespace)):
                continue
            path = f"{listener.path}.hosts[{index}]"
            if namespace not in ("*", "~", *cluster.namespaces):
                message = f"there is no namespace {namespace}: it imports nothing"
                report.warn("MSH0531", item, path, message, close(namespace, cluster.namespaces))
                continue
            if host != "*" and not _imports(cluster, item.namespace, namespace, host):
                report.warn(
                    "MSH0531",
                    item,
                    path,
                    f"no service and no VirtualService that {item.namespace} sees fits {written}: it imports nothing",
                    close_host(host, cluster.hosts),
                )


def _imports(cluster: Cluster, viewer: str, namespace: str, host: str) -> bool:
    push = cluster.push
    for service in push.services:
        names = (service.hostname, *service.aliases)
        fits = namespace in ("*", service.namespace) and any(hosts_overlap(host, name) for name in names)
        if fits and push.is_visible(service, viewer):
            return True
    return any(
        namespace in ("*", item.namespace)
        and exported_to(item.export_to, item.namespace, viewer)
        and any(hosts_overlap(host, name) for name in item.hosts)
        for item in push.virtual_services
    )
