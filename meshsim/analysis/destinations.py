"""Destinations of VirtualServices that lead nowhere: unknown hosts, ports and subsets.

istiod writes the route all the same; the cluster it names does not exist, and Envoy answers 503 with the flag NC (istio
pilot/pkg/networking/core/route/route.go, GetDestinationCluster, release 1.31). Istio's analyzers: IST0101, and IST0112
where a service has several ports and none is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from meshsim.analysis.cluster import ISTIO_NETWORKING, Cluster, route_gateways
from meshsim.analysis.report import Report, close, close_host, listed
from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.controlplane.host_names import (
    MESH_GATEWAY,
    host_within,
    is_wildcard,
    resolve_short_name,
)
from meshsim.controlplane.model import Registry, Resolution, Service, VirtualService
from meshsim.controlplane.visibility import exported_to

_NOWHERE: Final = "requests that take this route get 503 (flag NC, no such cluster)"
_UNMIRRORED: Final = "nothing is mirrored"


class _Destination(NamedTuple):
    """A destination where it stands."""

    route: Fields
    fields: Fields
    mirror: bool

    @property
    def effect(self) -> str:
        return _UNMIRRORED if self.mirror else _NOWHERE


def check_destinations(cluster: Cluster, report: Report) -> None:
    """Every destination of every VirtualService, delegates among them."""
    split = _split_hosts(cluster)
    for item in cluster.of_kind("VirtualService"):
        for destination in _destinations(item):
            _check(cluster, item, destination, report)
            _check_gateway_route(cluster, item, destination, split, report)


def _split_hosts(cluster: Cluster) -> dict[str, ApiObject]:
    """Hosts whose requests a VirtualService of the mesh sends to subsets."""
    found: dict[str, ApiObject] = {}
    for resolved in cluster.push.virtual_services:
        if resolved.gateways == (MESH_GATEWAY,):
            for destination in _destinations(resolved.source):
                fields = destination.fields
                host = resolve_short_name(fields.text("host"), resolved.namespace, cluster.push.mesh.domain)
                if fields.text("subset") and host in resolved.hosts:
                    found[host] = resolved.source
    return found


def _check_gateway_route(
    cluster: Cluster, item: ApiObject, destination: _Destination, split: dict[str, ApiObject], report: Report
) -> None:
    """A gateway sends requests to the endpoints themselves: what the mesh's VirtualService says does not count."""
    bound = route_gateways(item, destination.route)
    known = [name for name in bound if _gateway(cluster, name) is not None]
    if MESH_GATEWAY in bound or destination.mirror or not known:
        return
    fields = destination.fields
    host = resolve_short_name(fields.text("host"), item.namespace, cluster.push.mesh.domain)
    service = cluster.push.visible_service(host, item.namespace)
    if service is not None and _needs_original(cluster, service):
        message = f"{host} has resolution NONE, and a gateway knows no original destination to go to: 503 (flag UH)"
        hint = "use resolution DNS; istiod counts it as pilot_eds_no_instances"
        report.warn("MSH0505", item, fields.at("host"), message, hint)
    other = split.get(host)
    if other is not None and other is not item and not fields.text("subset"):
        message = (
            f"VirtualService {other.namespace}/{other.name} sends requests for {host} to subsets for sidecars only: "
            "from this gateway they go to all of its endpoints"
        )
        hint = "bind that VirtualService to the gateway too, or name subsets here"
        report.inform("IST0140", item, fields.at("host"), message, hint)


def _destinations(item: ApiObject) -> Iterator[_Destination]:
    for kind in ("http", "tcp", "tls"):
        for route in item.spec.items(kind):
            for entry in route.items("route"):
                if "destination" in entry:
                    yield _Destination(route, entry.fields("destination"), False)
            if "mirror" in route:
                yield _Destination(route, route.fields("mirror"), True)
            for entry in route.items("mirrors"):
                yield _Destination(route, entry.fields("destination"), True)


def _needs_original(cluster: Cluster, service: Service) -> bool:
    """Whether a service has no endpoints but where its clients want to go."""
    external = service.registry is Registry.EXTERNAL and service.resolution is Resolution.PASSTHROUGH
    return external and not any(cluster.push.endpoints(service, port) for port in service.ports)


def _check(cluster: Cluster, item: ApiObject, destination: _Destination, report: Report) -> None:
    push, fields = cluster.push, destination.fields
    host = resolve_short_name(fields.text("host"), item.namespace, push.mesh.domain)
    service = push.visible_service(host, item.namespace)
    path = fields.at("host")
    viewers = _viewers(cluster, item, destination.route)
    if service is None:
        seen = [viewer for viewer in viewers if push.visible_service(host, viewer) is not None]
        _report_unknown(cluster, item, host, destination, seen, report)
        return
    _check_seen(cluster, item, host, viewers, destination, report)
    viewers = [viewer for viewer in viewers if push.visible_service(host, viewer) is not None]
    port = fields.fields("port").integer("number")
    numbers = [p.port for p in service.ports]
    if port and port not in numbers:
        place = fields.fields("port").at("number")
        message = f"{host} has no port {port}, only {listed(map(str, numbers))}: {destination.effect}"
        report.warn("IST0101", item, place, message)
    elif not port:
        missing = [number for number in _request_ports(cluster, item, destination, numbers) if number not in numbers]
        if missing:
            asked = listed(map(str, missing), "or")
            effect = destination.effect.replace("requests", f"requests to port {asked}")
            message = f"without a port that of the request counts, and {host} has no port {asked}: {effect}"
            code = "IST0112" if len(numbers) > 1 else "MSH0506"
            report.warn(code, item, path, message, f"write port.number: {listed(map(str, numbers), 'or')}")
    if subset := fields.text("subset"):
        _check_subset(cluster, item, service, subset, viewers, destination, report)


def _report_unknown(
    cluster: Cluster, item: ApiObject, host: str, destination: _Destination, seen: Sequence[str], report: Report
) -> None:
    namespace = _kube_namespace(cluster, host)
    if namespace is not None and not cluster.knows(namespace):
        return
    if namespace is None and not cluster.whole:
        return
    path = destination.fields.at("host")
    written = destination.fields.text("host")
    elsewhere = cluster.push.registry.by_host.get(host, {})
    if elsewhere:
        owners = listed(sorted(elsewhere))
        whose = f"{item.namespace} and others" if seen else item.namespace
        message = f"{host} is not exported to namespace {whose} (exportTo in {owners}): there {destination.effect}"
        report.warn("IST0101", item, path, message)
        return
    hint = _meant(cluster, written, host)
    report.warn("IST0101", item, path, f"there is no service {host}: {destination.effect}", hint)


def _check_seen(
    cluster: Cluster, item: ApiObject, host: str, viewers: Sequence[str], destination: _Destination, report: Report
) -> None:
    """A service that its own namespace sees and others that follow the route do not."""
    blind = [viewer for viewer in viewers if cluster.push.visible_service(host, viewer) is None]
    if not blind:
        return
    gateways = {p.namespace for p in cluster.proxies if p.is_router}
    message = f"proxies in namespace {listed(blind)} follow this route and do not see {host} (exportTo): "
    tell = report.warn if gateways.intersection(blind) and MESH_GATEWAY not in _bound(item) else report.inform
    tell("IST0101", item, destination.fields.at("host"), message + f"there {destination.effect}")


def _bound(item: ApiObject) -> tuple[str, ...]:
    return item.spec.texts("gateways") or (MESH_GATEWAY,)


def _meant(cluster: Cluster, written: str, host: str) -> str:
    """What the author of a host may have meant."""
    if "." in written and cluster.push.visible_service(f"{host}.svc.{cluster.push.mesh.domain}", "") is not None:
        return f"write {host}.svc.{cluster.push.mesh.domain}: a name with a dot is taken as it is"
    covering = [name for name in cluster.hosts if is_wildcard(name) and host_within(host, name)]
    if covering:
        return f"a route needs a ServiceEntry with this very host; {covering[0]} is not enough"
    if "." not in written:
        same = [name for name in cluster.hosts if name.partition(".")[0] == written]
        if same:
            return f"write {same[0]}: a short name means the VirtualService's own namespace"
    return close_host(host, cluster.hosts)


def _kube_namespace(cluster: Cluster, host: str) -> str | None:
    """The namespace in the name of a Kubernetes service."""
    ending = f".svc.{cluster.push.mesh.domain}"
    return host.removesuffix(ending).partition(".")[2] if host.endswith(ending) else None


def _gateway(cluster: Cluster, full: str) -> ApiObject | None:
    """The Gateway of a ``namespace/name``."""
    namespace, _, name = full.partition("/")
    return cluster.push.objects.get(ObjectKey(ISTIO_NETWORKING, "Gateway", namespace, name))


def _request_ports(cluster: Cluster, item: ApiObject, destination: _Destination, known: Sequence[int]) -> Iterator[int]:
    """Ports of requests that a route without a port takes along to the ports `known` of its service.

    A gateway takes the only port of a service; a sidecar looks among the services of the request's port, and so does
    not find one that has only another (istio pilot/pkg/networking/core/route/route.go, GetDestinationCluster, 1.31).
    """
    push = cluster.push
    matches = destination.route.items("match")
    chosen = [match.integer("port") for match in matches if match.integer("port")]
    for gateway in route_gateways(item, destination.route):
        if gateway == MESH_GATEWAY:
            for host in item.spec.texts("hosts"):
                full = resolve_short_name(host, item.namespace, push.mesh.domain)
                service = push.visible_service(full, item.namespace)
                ports = [port.port for port in service.ports if port.protocol.is_http] if service is not None else []
                yield from (port for port in ports if len(chosen) < len(matches) or not matches or port in chosen)
        elif len(known) > 1:
            found = _gateway(cluster, gateway)
            for server in found.spec.items("servers") if found is not None else ():
                yield server.fields("port").integer("number")


def _check_subset(
    cluster: Cluster,
    item: ApiObject,
    service: Service,
    subset: str,
    viewers: Sequence[str],
    destination: _Destination,
    report: Report,
) -> None:
    known = {viewer: _subsets(cluster, viewer, service) for viewer in viewers}
    missing = [viewer for viewer in viewers if subset not in known[viewer]]
    if not missing:
        return
    path = destination.fields.at("subset")
    names = list(dict.fromkeys(name for viewer in missing for name in known[viewer]))
    if len(missing) < len(viewers):
        where = f" that proxies in namespace {listed(missing)} follow"
    else:
        where = ""
    message = f"no DestinationRule for {service.hostname}{where} has a subset '{subset}': {destination.effect}"
    hint = close(subset, names) or (f"the subsets are {listed(names)}" if names else "define it in a DestinationRule")
    report.warn("IST0101", item, path, message, hint)


def _subsets(cluster: Cluster, viewer: str, service: Service) -> Sequence[str]:
    rules = cluster.push.destination_rules_for(viewer, service)
    return [subset.name for rule in rules for subset in rule.subsets]


def _roots(cluster: Cluster, item: ApiObject) -> list[VirtualService]:
    """The VirtualServices that delegate to this one."""
    return [vs for vs in cluster.push.virtual_services if any(source is item for source in vs.delegates)]


def _viewers(cluster: Cluster, item: ApiObject, route: Fields) -> list[str]:
    """Namespaces of the proxies that can take a route of a VirtualService."""
    found: dict[str, None] = {}
    own = cluster.resolved.get(id(item))
    for resolved in (own,) if own is not None else _roots(cluster, item):
        for gateway in route_gateways(item, route) if own is not None else resolved.gateways:
            if gateway == MESH_GATEWAY:
                found.update((view.namespace, None) for view in cluster.views if resolved in view.virtual_services)
                continue
            target = _gateway(cluster, gateway)
            for proxy in cluster.routers(target.spec.text_map("selector")) if target is not None else ():
                if exported_to(resolved.export_to, resolved.namespace, proxy.namespace):
                    found.setdefault(proxy.namespace)
    return list(found) or [item.namespace]
