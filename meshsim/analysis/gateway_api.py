"""Gateway API objects that istiod does not take over: what it writes into their status as a condition that is False.

The reasons and messages are those of the conversion (istio pilot/pkg/config/kube/gateway, release 1.31), which
`meshsim.controlplane.conversion` collects. Istio's analyzers report such a condition as IST0171.
"""

from __future__ import annotations

from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, close
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
            for reference in item.spec.items("parentRefs"):
                namespace, name = reference.text("namespace", item.namespace), reference.text("name")
                if reference.text("kind", "Gateway") != "Gateway" or not cluster.knows(namespace):
                    continue
                known = [gateway.name for gateway in cluster.push.objects.select("Gateway", GATEWAY_GROUP, namespace)]
                if name not in known:
                    message = f"there is no Gateway {namespace}/{name} of the Gateway API: nobody takes this route"
                    report.warn("IST0101", item, reference.at("name"), message, close(name, known))
