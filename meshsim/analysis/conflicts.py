"""Conflicts that Pilot only counts, each with the objects that make it.

Metrics of istio pilot/pkg/model/push_context.go (release 1.31): a listener that two services want, a domain of two
virtual hosts, a cluster name twice. Those that follow from one rule (DestinationRules, VirtualServices, services
without endpoints) are reported where the rule is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, listed
from meshsim.analysis.serving import listen, serve
from meshsim.controlplane.model import PushStatus, Service, VirtualService

OUTBOUND: Final = "pilot_conflict_outbound_listener_tcp_over_current_tcp"
INBOUND: Final = "pilot_conflict_inbound_listener"
DOMAIN: Final = "pilot_vservice_dup_domain"
CLUSTER: Final = "pilot_duplicate_envoy_clusters"

_INBOUND: Final = re.compile(r"Conflicting inbound listener:(\d+)\. existing: (\S+), incoming: (\S+)")
_OUTBOUND: Final = re.compile(r"Listener=(\S+) Accepted=(\S+) Rejected=(\S+) \((\S+)\)")


def check_conflicts(cluster: Cluster, report: Report) -> None:
    """Serve the proxies and report what was counted: what they send is alike for all of one scope, their own listeners
    are not."""
    scopes: set[int] = set()
    for proxy in cluster.proxies:
        scope = id(cluster.push.scope(proxy))
        if proxy.is_router or scope not in scopes:
            scopes.add(scope)
            serve(cluster.push, proxy)
        else:
            listen(cluster.push, proxy)
    report_counts(cluster, cluster.push.status, report)


def report_counts(cluster: Cluster, status: PushStatus, report: Report) -> None:
    """The counts of a push context as findings."""
    for metric, tell in _TELLERS.items():
        for key, (proxy, message) in status.counts.get(metric, {}).items():
            tell(cluster, key, proxy, message, report)


def _inbound(cluster: Cluster, key: str, proxy: str, message: str, report: Report) -> None:
    """Two services give one port of a workload different protocols: the first one makes the listener."""
    found = _INBOUND.search(message)
    if found is None:
        return
    number, existing, incoming = int(found[1]), found[2], found[3]
    for service in _services(cluster, incoming):
        port = next((p for p in service.ports if (p.target_port or p.port) == number), None)
        told = (
            f"service {existing} has the workload port {number} already: at {proxy} its protocol holds, "
            "what this service says of the port is ignored"
        )
        _warn(service, "MSH0581", port.port if port else 0, told, INBOUND, "make the protocols equal", report)


def _outbound(cluster: Cluster, key: str, proxy: str, message: str, report: Report) -> None:
    """Two services without addresses of their own want one port."""
    found = _OUTBOUND.search(message)
    if found is None:
        return
    listener, rejected, host = found[1], found[3], found[4]
    number = int(listener.rpartition("_")[2]) if listener.rpartition("_")[2].isdigit() else 0
    taken = [s.hostname for s in cluster.push.services if s.port(number) is not None and s.hostname != host]
    rivals = f", which {listed(taken)} wants too," if taken else ""
    told = f"at {proxy} the listener {listener}{rivals} cannot tell this {rejected} service apart: it is left out of it"
    for service in _services(cluster, host):
        _warn(service, "MSH0582", number, told, OUTBOUND, "give the services addresses of their own", report)


def _domain(cluster: Cluster, key: str, proxy: str, message: str, report: Report) -> None:
    """A domain of two virtual hosts; where two VirtualServices have the host, they are reported as such."""
    host, _, port = key.rpartition(":")
    number = int(port) if port.isdigit() else 0
    holders = {id(item) for view in cluster.views for item in view.virtual_services if _has(item, host)}
    if len(holders) > 1:
        return
    for service in _services(cluster, host):
        if len(service.ports) > 1 and cluster.push.mesh.http_proxy_port:
            told = f"on the HTTP proxy port the ports of {host} share a domain: port {number} needs host:port"
            _inform(service, "MSH0583", number, told, DOMAIN, report)
            return
        for rival in cluster.push.services:
            what = _shared(service, rival, number)
            if not what:
                continue
            told = (
                f"the virtual hosts of {service.hostname} and {rival.hostname} both have the domain {what} on port "
                f"{number}: Envoy takes it once, requests to {what} go to one of the two alone"
            )
            _inform(service, "MSH0583", number, told, DOMAIN, report)
            return


def _has(item: VirtualService, host: str) -> bool:
    return host in {name.lower() for name in item.hosts}


def _cluster(cluster: Cluster, key: str, proxy: str, message: str, report: Report) -> None:
    host = key.rpartition("|")[2]
    number = int(key.split("|")[1]) if key.count("|") == 3 and key.split("|")[1].isdigit() else 0
    services = _services(cluster, host)
    for service in services[1:] or services:
        told = f"the cluster {key} is there already: Pilot leaves this one out"
        _warn(service, "MSH0584", number, told, CLUSTER, "", report)


def _services(cluster: Cluster, host: str) -> list[Service]:
    return list(cluster.push.registry.by_host.get(host, {}).values())


def _shared(service: Service, rival: Service, port: int) -> str:
    """A name or address that both have on a port; empty when there is none."""
    if rival.hostname == service.hostname or rival.port(port) is None:
        return ""
    return min(_names(service) & _names(rival), default="")


def _names(service: Service) -> set[str]:
    own = {service.hostname, *service.aliases, *service.addresses, service.default_address}
    return own - {"0.0.0.0"}


def _path(service: Service, number: int) -> str:
    """The port of a Service or ServiceEntry."""
    if service.source is None:
        return ""
    for port in service.source.spec.items("ports"):
        if number and number in (port.integer("port"), port.integer("number")):
            return port.path
    return "spec.ports"


def _warn(service: Service, code: str, number: int, told: str, metric: str, hint: str, report: Report) -> None:
    if service.source is not None:
        counted = f"istiod counts it as {metric}"
        report.warn(code, service.source, _path(service, number), told, f"{hint}; {counted}" if hint else counted)


def _inform(service: Service, code: str, number: int, told: str, metric: str, report: Report) -> None:
    if service.source is not None:
        report.inform(code, service.source, _path(service, number), told, f"istiod counts it as {metric}")


_Teller = Callable[[Cluster, str, str, str, Report], None]

_TELLERS: Final[dict[str, _Teller]] = {INBOUND: _inbound, OUTBOUND: _outbound, DOMAIN: _domain, CLUSTER: _cluster}
