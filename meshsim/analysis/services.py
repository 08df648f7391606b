"""Services and ServiceEntries: ports whose protocol nobody says, endpoints that are not there, hosts in two places.

Istio's analyzers: IST0118 for a port without protocol in its name, IST0116 and IST0137 for Services that give one
workload port two meanings, IST0177 for one host and port with two protocols.
istiod counts a cluster without endpoints as pilot_eds_no_instances (pilot/pkg/xds/endpoints, 1.31).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.analysis.cluster import Cluster, Workload
from meshsim.analysis.report import Report, labels_text, listed, older
from meshsim.api import ApiObject, Fields
from meshsim.controlplane.model import Protocol
from meshsim.controlplane.protocols import port_protocol
from meshsim.controlplane.push_context import by_age
from meshsim.controlplane.visibility import exported_to

_SYSTEM: Final = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
_COUNTED: Final = "istiod counts it as pilot_eds_no_instances"


def check_services(cluster: Cluster, report: Report) -> None:
    """Kubernetes Services, then ServiceEntries."""
    for item in cluster.push.objects.select("Service", ""):
        if item.namespace in _SYSTEM or item.namespace == cluster.push.mesh.root_namespace:
            continue
        _check_names(item, report)
        _check_selector(cluster, item, report)
    for workload, services in _behind(cluster):
        _check_shared_ports(workload, services, report)
    entries = by_age(cluster.of_kind("ServiceEntry"))
    for item in entries:
        _check_endpoints(cluster, item, report)
    _check_same_port(cluster, entries, report)


# --- Services --------------------------------------------------------------------------------------------------------


def _check_names(item: ApiObject, report: Report) -> None:
    external = item.spec.text("type") == "ExternalName"
    for port in item.spec.items("ports"):
        name, number = port.text("name"), port.integer("port")
        declared = port.text("appProtocol") if "appProtocol" in port else None
        protocol = port_protocol(number, name, port.text("protocol", "TCP"), declared)
        if external and (protocol is Protocol.UNSUPPORTED or name == "tcp"):
            message = f"port {number} of an ExternalName Service is taken as TCP: it may take other traffic too"
            report.warn("IST0150", item, port.path, message, "name it after its protocol, such as http or https")
        elif protocol is Protocol.UNSUPPORTED:
            why = f"the name '{name}' does not say" if name else "without a name nothing says"
            message = f"{why} which protocol port {number} speaks: proxies detect HTTP on each connection"
            report.inform(
                "IST0118", item, port.path, message, "name it http-..., grpc-..., tcp-..., or set appProtocol"
            )


def _check_selector(cluster: Cluster, item: ApiObject, report: Report) -> None:
    selector = item.spec.text_map("selector")
    if not selector or item.spec.text("type") == "ExternalName" or not cluster.knows(item.namespace):
        return
    if cluster.pods(selector, item.namespace) or _has_slices(cluster, item):
        return
    blame = cluster.blame(selector, item.namespace)
    hint = "; ".join(filter(None, (blame.hint(selector), _COUNTED)))
    message = f"no workload of namespace {item.namespace} has the labels {labels_text(selector.items())}: "
    report.warn("MSH0561", item, f"spec.selector.{blame.key}", f"{message}requests get 503 (flag UH)", hint)


def _has_slices(cluster: Cluster, item: ApiObject) -> bool:
    return any(
        entry.items("endpoints")
        for entry in (slice_.fields for slice_ in cluster.push.objects.select("EndpointSlice", None, item.namespace))
        if entry.fields("metadata").text_map("labels").get("kubernetes.io/service-name") == item.name
    )


def _behind(cluster: Cluster) -> list[tuple[Workload, list[ApiObject]]]:
    """Workloads with the Services that select them."""
    found: dict[int, tuple[Workload, list[ApiObject]]] = {}
    for item in cluster.push.objects.select("Service", ""):
        selector = item.spec.text_map("selector")
        for workload in cluster.pods(selector, item.namespace) if selector else ():
            found.setdefault(id(workload), (workload, []))[1].append(item)
    return list(found.values())


def _check_shared_ports(workload: Workload, services: Sequence[ApiObject], report: Report) -> None:
    """One workload behind several Services whose ports contradict each other."""
    if len(services) < 2 or not workload.in_mesh:
        return
    transports: dict[int, dict[str, list[str]]] = {}
    for service in services:
        for port in service.spec.items("ports"):
            transport = port.text("protocol", "TCP")
            transports.setdefault(port.integer("port"), {}).setdefault(transport, []).append(service.name)
    for number, found in transports.items():
        if len(found) > 1:
            names = listed(name for each in found.values() for name in each)
            kinds = listed(found)
            message = f"Services {names} select this workload and give port {number} different protocols ({kinds})"
            report.inform("IST0116", workload.source, "metadata.name", message)


# --- ServiceEntries --------------------------------------------------------------------------------------------------


def _check_endpoints(cluster: Cluster, item: ApiObject, report: Report) -> None:
    """STATIC entries without an address: nothing stands behind the hosts."""
    spec = item.spec
    if spec.text("resolution", "NONE") != "STATIC" or spec.items("endpoints"):
        return
    if "workloadSelector" in spec:
        labels = spec.fields("workloadSelector").text_map("labels")
        entries = cluster.push.objects.select("WorkloadEntry", None, item.namespace)
        if cluster.pods(labels, item.namespace) or not cluster.knows(item.namespace):
            return
        if any(_carries(entry, labels) for entry in entries):
            return
        message = f"no workload of namespace {item.namespace} has the labels {labels_text(labels.items())}: "
        report.warn("MSH0562", item, "spec.workloadSelector", f"{message}requests get 503 (flag UH)", _COUNTED)
        return
    message = "STATIC without endpoints and without addresses to stand for them: requests get 503 (flag UH)"
    if not spec.texts("addresses"):
        report.warn("MSH0562", item, "spec.resolution", message, f"give it endpoints; {_COUNTED}")
    else:
        report.warn(
            "MSH0562", item, "spec.resolution", "STATIC without endpoints: requests get 503 (flag UH)", _COUNTED
        )


def _carries(entry: ApiObject, labels: dict[str, str]) -> bool:
    own = {**entry.labels, **entry.spec.text_map("labels")}
    return all(own.get(key) == value for key, value in labels.items())


def _check_same_port(cluster: Cluster, entries: Iterable[ApiObject], report: Report) -> None:
    """One host and port in several entries that a namespace sees."""
    known: dict[tuple[str, int], list[tuple[ApiObject, Fields]]] = {}
    for item in entries:
        for host in item.spec.texts("hosts"):
            for port in item.spec.items("ports"):
                known.setdefault((host.lower(), port.integer("number")), []).append((item, port))
    for (host, number), found in known.items():
        for at, (item, port) in enumerate(found):
            for first, other in found[:at]:
                if first is item or not _meet(cluster, first, item):
                    continue
                mine, theirs = port.text("protocol").upper(), other.text("protocol").upper()
                if mine == theirs:
                    continue
                message = (
                    f"ServiceEntry {first.namespace}/{first.name}, which is {older(item, first)}, has port {number} of "
                    f"{host} as {theirs or 'TCP'}, here it is {mine or 'TCP'}: whose protocol holds is not certain"
                )
                report.warn("IST0177", item, port.at("protocol") if mine else port.path, message, "make them equal")


def _meet(cluster: Cluster, one: ApiObject, other: ApiObject) -> bool:
    """Whether some namespace sees both."""
    default = cluster.push.mesh.service_export_to
    visible = [(frozenset(i.spec.texts("exportTo")) or default, i.namespace) for i in (one, other)]
    viewers = dict.fromkeys((*cluster.namespaces, one.namespace, other.namespace))
    return any(all(exported_to(export, owner, viewer) for export, owner in visible) for viewer in viewers)
