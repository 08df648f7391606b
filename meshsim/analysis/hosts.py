"""One host that several Services and ServiceEntries define: which of them proxies use.

A proxy uses the definition of its own namespace, else a Kubernetes Service before a ServiceEntry, else the oldest
(istio pilot/pkg/model/sidecar.go, convertIstioListenerToWrapper; 1.31). Two of one namespace are joined port by port
where nothing else differs; else the first holds, and only endpoints of the second join it.
"""

from __future__ import annotations

from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report
from meshsim.api import ApiObject
from meshsim.controlplane.model import Registry, Service
from meshsim.controlplane.sidecar_scope import SidecarScope

_HINT: Final = "define a host once, or keep each to its namespace with exportTo"


def check_hosts(cluster: Cluster, report: Report) -> None:
    """Definitions that no proxy uses although it sees them."""
    by_host: dict[str, list[Service]] = {}
    for service in cluster.push.services:
        by_host.setdefault(service.hostname, []).append(service)
    scopes = _scopes(cluster)
    for host, services in by_host.items():
        if len({id(service.source) for service in services}) > 1:
            _check(host, services, scopes, cluster, report)


def _scopes(cluster: Cluster) -> list[SidecarScope]:
    found = {id(scope): scope for scope in (cluster.push.scope(proxy) for proxy in cluster.proxies)}
    return list(found.values())


def _check(host: str, services: list[Service], scopes: list[SidecarScope], cluster: Cluster, report: Report) -> None:
    used = [(scope, service) for scope in scopes for service in scope.services if service.hostname == host]
    for service in services:
        rivals = [
            (scope, winner)
            for scope, winner in used
            if winner.source is not service.source and cluster.push.is_visible(service, scope.namespace)
        ]
        if not rivals or any(_covers(winner, service) for _, winner in used):
            continue
        winner = rivals[0][1]
        own = all(scope.namespace == other.namespace for scope, other in rivals)
        _report(host, service, winner, own, report)


def _covers(winner: Service, service: Service) -> bool:
    """Whether a definition in use is this one, or was joined with it."""
    if winner.source is service.source:
        return True
    ports = {port.port for port in winner.ports}
    same = winner.namespace == service.namespace and winner.resolution is service.resolution
    return same and all(port.port in ports for port in service.ports)


def _report(host: str, service: Service, winner: Service, own: bool, report: Report) -> None:
    item, other = service.source, winner.source
    if item is None or other is None or item.origin is None:
        return
    why = "is of the proxies' own namespace" if own else _reason(item, other, winner)
    if winner.namespace == service.namespace:
        why = _reason(item, other, winner)
        effect = "its ports and its resolution hold, of this one only the endpoints join"
    else:
        effect = "proxies use that one, nobody uses this one"
    report.warn("MSH0563", item, _path(item, host), f"{other} defines {host} too and {why}: {effect}", _HINT)


def _reason(item: ApiObject, other: ApiObject, winner: Service) -> str:
    if winner.registry is Registry.KUBERNETES and item.kind != "Service":
        return "is a Kubernetes Service"
    return "is older" if other.created < item.created else "comes first"


def _path(item: ApiObject, host: str) -> str:
    hosts = item.spec.texts("hosts")
    return f"spec.hosts[{hosts.index(host)}]" if host in hosts else "metadata.name"
