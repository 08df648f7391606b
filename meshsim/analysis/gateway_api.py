"""Gateway API objects that istiod does not take over: what it writes into their status as a condition that is False.

The reasons and messages are those of the conversion (istio pilot/pkg/config/kube/gateway, release 1.31), which
`meshsim.controlplane.conversion` collects. Istio's analyzers report such a condition as IST0171.
"""

from __future__ import annotations

from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, close, listed
from meshsim.api import ApiObject, ObjectKey
from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP

_ROUTES: Final = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")


def check_gateway_api(cluster: Cluster, report: Report) -> None:
    """Every condition that stands against an object, and routes of Gateways that are not there."""
    for problem in cluster.push.converted.problems:
        if problem.reason == "BackendNotFound" and not cluster.knows(problem.source.namespace):
            continue
        told = f"istiod does not take this over (condition False, reason {problem.reason}): {problem.message}"
        report.warn("IST0171", problem.source, problem.path, told)
    for kind in _ROUTES:
        for item in cluster.of_kind(kind, GATEWAY_GROUP):
            _check_parents(cluster, item, report)
            _check_ports(cluster, item, report)


def _check_parents(cluster: Cluster, item: ApiObject, report: Report) -> None:
    for reference in item.spec.items("parentRefs"):
        namespace, name = reference.text("namespace", item.namespace), reference.text("name")
        if reference.text("kind", "Gateway") != "Gateway" or not cluster.knows(namespace):
            continue
        known = [gateway.name for gateway in cluster.push.objects.select("Gateway", GATEWAY_GROUP, namespace)]
        if name not in known:
            message = f"there is no Gateway {namespace}/{name} of the Gateway API: nobody takes this route"
            report.warn("IST0101", item, reference.at("name"), message, close(name, known))


def _check_ports(cluster: Cluster, item: ApiObject, report: Report) -> None:
    """Ports that a Service does not have: istiod accepts the route, and its cluster does not exist (Envoy then answers
    500, the clusterNotFoundResponseCode of routes made from HTTPRoutes)."""
    for rule in item.spec.items("rules"):
        for backend in rule.items("backendRefs"):
            namespace = backend.text("namespace", item.namespace)
            number = backend.integer("port")
            service = cluster.push.objects.get(ObjectKey("", "Service", namespace, backend.text("name")))
            if backend.text("kind", "Service") != "Service" or service is None or not number:
                continue
            numbers = [port.integer("port") for port in service.spec.items("ports")]
            if number not in numbers:
                message = f"Service {namespace}/{service.name} has no port {number}, only {listed(map(str, numbers))}: "
                report.warn("IST0101", item, backend.at("port"), f"{message}{_effect(item)}")


def _effect(item: ApiObject) -> str:
    if item.kind in ("HTTPRoute", "GRPCRoute"):
        return "requests that take this rule get 500 (flag NC, no such cluster)"
    return "connections that take this rule are closed (no such cluster)"
