"""Gateways that no proxy runs, and servers that istiod leaves out.

All Gateways that select a proxy are merged by port, oldest first; a server that contradicts an earlier one of its port
is rejected and counted as pilot_total_rejected_configs (istio pilot/pkg/model/gateway.go, mergeGateways, 1.31).
Istio's analyzers: IST0101 for a selector or credential that matches nothing, IST0162 for a port that the Service in
front does not have. What they call a conflict of gateways (IST0145) is none for plain HTTP: the servers are merged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meshsim.analysis.cluster import ISTIO_NETWORKING, Cluster, Workload
from meshsim.analysis.report import Report, close, labels_text, listed
from meshsim.api import ApiObject, ObjectKey

_COUNTED: Final = "istiod counts it as pilot_total_rejected_configs"


def check_gateways(cluster: Cluster, report: Report) -> None:
    """Selectors, ports and credentials of each Gateway, then what merging rejects."""
    for item in cluster.of_kind("Gateway"):
        selector = item.spec.text_map("selector")
        pods = cluster.pods(selector)
        if not pods:
            if cluster.whole and selector:
                _report_unselected(cluster, item, selector, report)
            continue
        _check_ports(cluster, item, pods, report)
        _check_credentials(cluster, item, pods, report)
    _check_rejected(cluster, report)


def _report_unselected(cluster: Cluster, item: ApiObject, selector: dict[str, str], report: Report) -> None:
    blame = cluster.blame(selector)
    message = f"no workload has the labels {labels_text(selector.items())}: no proxy runs this Gateway"
    report.warn("IST0101", item, f"spec.selector.{blame.key}", message, blame.hint(selector))


def _check_ports(cluster: Cluster, item: ApiObject, pods: Iterable[Workload], report: Report) -> None:
    services = _services_of(cluster, pods)
    ports = [port for s in services for port in s.spec.items("ports") if port.text("protocol", "TCP") == "TCP"]
    open_ports = {port.integer("port") for port in ports}
    # A server may also be written with the port of the container behind the Service.
    reached = {int(port.text("targetPort")) for port in ports if port.text("targetPort").isdigit()}
    if any(port.text("targetPort") and not port.text("targetPort").isdigit() for port in ports):
        return
    for server in item.spec.items("servers"):
        port = server.fields("port")
        number = port.integer("number")
        if number and number not in open_ports | reached:
            names = listed(f"{s.namespace}/{s.name}" for s in services)
            if services:
                known = listed(map(str, sorted(open_ports)))
                message = f"Service {names} in front of the gateway has no port {number}, only {known}"
            else:
                message = f"no Service is in front of the gateway: port {number} is reached by pod address only"
            report.warn("IST0162", item, port.at("number"), message)


def _services_of(cluster: Cluster, pods: Iterable[Workload]) -> list[ApiObject]:
    found: dict[ObjectKey, ApiObject] = {}
    for pod in pods:
        for service in cluster.push.objects.select("Service", "", pod.namespace):
            selector = service.spec.text_map("selector")
            if selector and pod.has(selector):
                found[service.key] = service
    return list(found.values())


def _check_credentials(cluster: Cluster, item: ApiObject, pods: Iterable[Workload], report: Report) -> None:
    """Secrets stand in the namespace of the gateway's pods; istiod sends nothing for one that is not there, and
    Envoy fails every handshake of the server."""
    namespaces = list(dict.fromkeys(pod.namespace for pod in pods))
    for server in item.spec.items("servers"):
        tls = server.fields("tls")
        name = tls.text("credentialName")
        if not name or "://" in name:
            continue
        missing = [n for n in namespaces if cluster.push.objects.get(ObjectKey("", "Secret", n, name)) is None]
        if not missing:
            continue
        where = listed(missing)
        path = tls.at("credentialName")
        known = [s.name for n in missing for s in cluster.push.objects.select("Secret", "", n)]
        near = close(name, known)
        message = f"there is no Secret {name} in namespace {where}, where the gateway's pods are"
        if near:
            report.warn("IST0101", item, path, f"{message}: TLS handshakes fail", near)
        else:
            report.inform("IST0101", item, path, f"{message}; it is taken as given", "without it TLS handshakes fail")


def _check_rejected(cluster: Cluster, report: Report) -> None:
    for proxy in cluster.proxies:
        merged = cluster.push.merged_gateway(proxy) if proxy.is_router else None
        for rejected in merged.rejected if merged is not None else ():
            gateway = rejected.server.gateway
            if gateway.group != ISTIO_NETWORKING or gateway.origin is None:
                continue
            message = f"istiod leaves this server of port {rejected.port} out: {rejected.reason}"
            report.warn("MSH0521", gateway, rejected.server.fields.path, message, _COUNTED)
