"""VirtualServices that another one overrides, or that stand on a gateway there is not.

Two for one host: of those a sidecar sees, the first that has the host makes its virtual host, the domains of the others
are dropped and counted (istio pilot/pkg/networking/core/httproute.go, dedupeDomains: pilot_vservice_dup_domain; 1.31).
On a gateway they are merged: the routes of all stand in one virtual host, those without a match last (pilot/pkg/
networking/core/gateway.go; route.go, SortVHostRoutes). Istio's analyzers report the first as IST0109, a gateway that
does not exist as IST0101, a host that none of its servers has as IST0132.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from meshsim.analysis.cluster import ISTIO_NETWORKING, Cluster, route_gateways
from meshsim.analysis.report import Report, close, listed, older
from meshsim.analysis.routes import takes_everything
from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.controlplane.host_names import (
    MESH_GATEWAY,
    hosts_for_namespace,
    hosts_overlap,
    intersection,
    resolve_gateway_name,
    resolve_short_name,
)
from meshsim.controlplane.model import VirtualService

_PROTOCOLS: Final = (("http",), ("tcp", "tls"))
"""Routes of these kinds are looked for together."""
_MERGE: Final = "put the routes of both into one VirtualService"


def check_virtual_services(cluster: Cluster, report: Report) -> None:
    """Hosts that several have, gateways and delegates that are not there."""
    _check_hosts(cluster, report)
    _check_catch_alls(cluster, report)
    referred: set[tuple[str, str]] = set()
    for item in cluster.of_kind("VirtualService"):
        _check_gateways(cluster, item, report)
        referred.update(_check_delegates(cluster, item, report))
    for item in cluster.of_kind("VirtualService"):
        if not item.spec.texts("hosts") and (item.namespace, item.name) not in referred and cluster.whole:
            report.warn(
                "MSH0501",
                item,
                "spec",
                "no VirtualService delegates to this one, and without hosts it applies to nothing",
                "name it as delegate of a route, or give it hosts",
            )


# --- one host, several VirtualServices -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Beaten:
    """Where a VirtualService comes second for a host."""

    by: dict[str, VirtualService] = field(default_factory=dict)
    """The first one, by namespace of the viewers."""
    seen: int = 0
    """How many views it is in."""
    lost: int = 0


def _check_hosts(cluster: Cluster, report: Report) -> None:
    for kinds in _PROTOCOLS:
        beaten: dict[tuple[int, str], _Beaten] = {}
        by_id: dict[int, VirtualService] = {}
        for view in cluster.views:
            first: dict[str, VirtualService] = {}
            for item in view.virtual_services:
                if item.gateway_semantics or not any(item.spec.items(kind) for kind in kinds):
                    continue
                by_id[id(item)] = item
                for host in dict.fromkeys(host.lower() for host in item.hosts):
                    state = beaten.setdefault((id(item), host), _Beaten())
                    state.seen += 1
                    winner = first.setdefault(host, item)
                    if winner is not item:
                        state.lost += 1
                        state.by.setdefault(view.namespace, winner)
        for (number, host), state in beaten.items():
            if state.by:
                _report_beaten(by_id[number], host, kinds[0], state, report)


def _report_beaten(item: VirtualService, host: str, kind: str, state: _Beaten, report: Report) -> None:
    index = next(i for i, name in enumerate(item.hosts) if name.lower() == host)
    winners = list(dict.fromkeys(state.by.values()))
    where = "" if state.lost == state.seen else f" in namespace {listed(sorted(state.by))}"
    names = listed(f"{winner.namespace}/{winner.name}" for winner in winners)
    why = older(item.source, winners[0].source)
    if why != "older" and winners[0].export_to != item.export_to:
        why = "more private"
    if kind == "http":
        effect = f"VirtualService {names} has this host too and is {why}: sidecars{where} follow that one alone"
    else:
        effect = f"VirtualService {names} has this host too and is {why}: sidecars{where} try its routes first"
    hint = f"{_MERGE}; istiod counts it as pilot_vservice_dup_domain" if kind == "http" else _MERGE
    report.warn("IST0109", item.source, f"spec.hosts[{index}]", effect, hint)


def _check_catch_alls(cluster: Cluster, report: Report) -> None:
    """On a gateway the routes of all VirtualServices of a host are joined: one that takes every request ends them."""
    for gateway in cluster.of_kind("Gateway"):
        full = f"{gateway.namespace}/{gateway.name}"
        routers = cluster.routers(gateway.spec.text_map("selector"))
        for namespace in dict.fromkeys(proxy.namespace for proxy in routers):
            takers: dict[str, VirtualService] = {}
            for item in cluster.push.virtual_services_exported_to(namespace, full):
                at = None if item.gateway_semantics else _catch_all(item, full)
                if at is None:
                    continue
                names = _served(item, gateway)
                beaten = {name: takers[name] for name in names if name in takers}
                for name in names:
                    takers.setdefault(name, item)
                if beaten:
                    _report_behind(item, at, full, beaten, len(beaten) == len(names), report)


def _catch_all(item: VirtualService, gateway: str) -> int | None:
    """The first route that takes every request on a gateway."""
    if item.delegates:
        return None
    for at, route in enumerate(item.source.spec.items("http")):
        matches = route.items("match")
        if gateway not in route_gateways(item.source, route):
            continue
        if not matches or any(takes_everything(match) and _is_on(item, match, gateway) for match in matches):
            return at
    return None


def _is_on(item: VirtualService, match: Fields, gateway: str) -> bool:
    names = match.texts("gateways")
    return not names or gateway in {resolve_gateway_name(name, item.namespace) for name in names}


def _served(item: VirtualService, gateway: ApiObject) -> list[str]:
    """Names of the virtual hosts that a Gateway makes for a VirtualService."""
    own = f"{gateway.namespace}/"
    written = [own + host[2:] if host.startswith("./") else host for host in _hosts(gateway)]
    return intersection([host.lower() for host in item.hosts], hosts_for_namespace(written, item.namespace))


def _report_behind(
    item: VirtualService, at: int, gateway: str, beaten: dict[str, VirtualService], always: bool, report: Report
) -> None:
    taker = next(iter(beaten.values()))
    why = older(item.source, taker.source)
    message = (
        f"never used: on Gateway {gateway} the route without match of VirtualService "
        f"{taker.namespace}/{taker.name}, which is {why}, takes all other requests to {listed(beaten)}"
    )
    hint = "give this one a match, or put both into one VirtualService"
    if always:
        report.warn("IST0130", item.source, f"spec.http[{at}]", message, hint)
    else:
        message = message.replace("never used", f"not used for {listed(beaten)}").partition(" to ")[0]
        report.inform("IST0130", item.source, f"spec.http[{at}]", message, hint)


# --- gateways --------------------------------------------------------------------------------------------------------


def _check_gateways(cluster: Cluster, item: ApiObject, report: Report) -> None:
    names = item.spec.texts("gateways")
    unserved = {host: at for at, host in enumerate(item.spec.texts("hosts"))}
    for index, written in enumerate(names):
        if written == MESH_GATEWAY:
            continue
        path = f"spec.gateways[{index}]"
        namespace, _, name = resolve_gateway_name(written, item.namespace).partition("/")
        gateway = cluster.push.objects.get(ObjectKey(ISTIO_NETWORKING, "Gateway", namespace, name))
        if gateway is None:
            if cluster.knows(namespace) and not _is_made(cluster, namespace, name):
                known = [f"{g.namespace}/{g.name}" for g in cluster.of_kind("Gateway")]
                others = len(names) > 1
                effect = "for it this VirtualService does nothing" if others else "this VirtualService does nothing"
                hint = close(f"{namespace}/{name}", known) or _elsewhere(written, name, known)
                report.warn("IST0101", item, path, f"there is no Gateway {namespace}/{name}: {effect}", hint)
            unserved.clear()
            continue
        missed = _check_server_hosts(cluster, item, gateway, path, report)
        unserved = {host: at for host, at in unserved.items() if host in missed}
    if names and MESH_GATEWAY not in names and len(unserved) < len(item.spec.texts("hosts")):
        for host, at in unserved.items():
            message = f"no server of the gateways has the host {host}: it is served nowhere"
            report.inform("IST0132", item, f"spec.hosts[{at}]", message)
    bound = {resolve_gateway_name(name, item.namespace) for name in names} or {MESH_GATEWAY}
    for match in _matches(item):
        for index, written in enumerate(match.texts("gateways")):
            if resolve_gateway_name(written, item.namespace) not in bound:
                report.warn(
                    "MSH0502",
                    item,
                    f"{match.path}.gateways[{index}]",
                    f"the VirtualService is not bound to gateway {written}: this match never holds there",
                    "name the gateway under spec.gateways too",
                )


def _elsewhere(written: str, name: str, known: Sequence[str]) -> str:
    same = [full for full in known if full.partition("/")[2] == name]
    if not same:
        return ""
    if "/" in written:
        return f"did you mean '{same[0]}'?"
    return f"write {same[0]}: a name alone means the VirtualService's own namespace"


def _is_made(cluster: Cluster, namespace: str, name: str) -> bool:
    """Whether it is one that Pilot makes of a Gateway API Gateway or of Ingresses."""
    return any((g.namespace, g.name) == (namespace, name) for g in cluster.push.converted.gateways)


def _check_server_hosts(
    cluster: Cluster, item: ApiObject, gateway: ApiObject, path: str, report: Report
) -> Collection[str]:
    """The hosts, as written, that a Gateway does not serve; reported where it serves none of them."""
    domain = cluster.push.mesh.domain
    hosts = {host: resolve_short_name(host, item.namespace, domain) for host in item.spec.texts("hosts")}
    written = [
        host.replace("./", f"{gateway.namespace}/", 1) if host.startswith("./") else host for host in _hosts(gateway)
    ]
    open_to = hosts_for_namespace(written, item.namespace)
    missed = [host for host, full in hosts.items() if not any(hosts_overlap(full, served) for served in open_to)]
    if len(missed) < len(hosts) or not missed:
        return missed
    whose = f"{gateway.namespace}/{gateway.name}"
    names = listed(missed)
    servers = listed(written)
    closed = [host for host in missed if any(hosts_overlap(hosts[host], name.rpartition("/")[2]) for name in written)]
    if closed:
        message = f"Gateway {whose} opens {listed(closed)} to other namespaces only (hosts {servers}): not served there"
    else:
        message = f"no server of Gateway {whose} has the host {names} (it has {servers}): not served there"
    report.warn("IST0132", item, path, message, "add the host to a server of the Gateway, or correct it here")
    return missed


def _hosts(gateway: ApiObject) -> list[str]:
    return [host for server in gateway.spec.items("servers") for host in server.texts("hosts")]


def _matches(item: ApiObject) -> Iterator[Fields]:
    for kind in ("http", "tcp", "tls"):
        for route in item.spec.items(kind):
            yield from route.items("match")


# --- delegates -------------------------------------------------------------------------------------------------------


def _check_delegates(cluster: Cluster, item: ApiObject, report: Report) -> Iterator[tuple[str, str]]:
    """Delegates that are not there or not visible; yields those the object refers to."""
    used = {source.key for root in cluster.push.virtual_services if root.source is item for source in root.delegates}
    for route in item.spec.items("http"):
        if "delegate" not in route:
            continue
        reference = route.fields("delegate")
        namespace = reference.text("namespace") or item.namespace
        name = reference.text("name")
        yield namespace, name
        found = cluster.push.objects.get(ObjectKey(ISTIO_NETWORKING, "VirtualService", namespace, name))
        if found is None:
            if cluster.knows(namespace):
                known = [vs.name for vs in cluster.of_kind("VirtualService") if not vs.spec.texts("hosts")]
                message = f"there is no VirtualService {namespace}/{name} to delegate to: istiod leaves this route out"
                report.warn("MSH0503", item, reference.path, message, close(name, known))
        elif not item.spec.texts("hosts"):
            report.warn(
                "MSH0503", item, reference.path, "a delegate cannot delegate further: istiod leaves this route out"
            )
        elif found.spec.texts("hosts"):
            message = f"VirtualService {namespace}/{name} has hosts, so it is no delegate: istiod leaves this route out"
            report.warn("MSH0503", item, reference.path, message, "a delegate has no hosts")
        elif found.key not in used:
            message = (
                f"VirtualService {namespace}/{name} is not exported to {item.namespace}: istiod leaves this route out"
            )
            report.warn("MSH0503", item, reference.path, message, "see its exportTo")
