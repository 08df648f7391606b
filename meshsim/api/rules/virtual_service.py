"""Rules of a VirtualService. Source: istio pkg/config/validation/validation.go (ValidateVirtualService), 1.31."""

from __future__ import annotations

from meshsim.api.fields import Fields
from meshsim.api.rules.common import (
    check_destination,
    check_export_to,
    check_gateway_name,
    check_labels,
    check_weights,
)
from meshsim.api.rules.http_routes import check_http_route
from meshsim.api.rules.names import (
    covers,
    is_address,
    is_sni_host,
    refuse_port,
    refuse_subnet,
    refuse_wildcard_host,
)
from meshsim.api.rules.report import Report


def check_virtual_service(spec: Fields, report: Report) -> None:
    """Hosts, gateways, visibility, and each route."""
    hosts = spec.texts("hosts")
    gateways = spec.texts("gateways")
    delegate = not hosts
    on_mesh = not gateways or "mesh" in gateways
    if delegate:
        for field in ("gateways", "tls", "tcp"):
            if spec.value(field):
                report.refuse(spec.at(field), f"a VirtualService without hosts is a delegate, which has no '{field}'")
    else:
        _check_hosts(spec, on_mesh, report)
    for index, gateway in enumerate(gateways):
        check_gateway_name(gateway, f"{spec.at('gateways')}[{index}]", report)
    check_export_to(spec, report)
    if not any(spec.items(field) for field in ("http", "tls", "tcp")):
        report.refuse(spec.path, "one of http, tls and tcp is required, with at least one route")
    for route in spec.items("http"):
        check_http_route(route, report, delegate=delegate, on_gateway=not on_mesh or len(gateways) > 1)
    for route in spec.items("tls"):
        _check_tls_route(route, hosts, not on_mesh, report)
    for route in spec.items("tcp"):
        _check_tcp_route(route, report)


def _check_hosts(spec: Fields, on_mesh: bool, report: Report) -> None:
    hosts = spec.texts("hosts")
    by_sni = not on_mesh and bool(spec.items("tls"))
    for index, host in enumerate(hosts):
        path = f"{spec.at('hosts')}[{index}]"
        if not is_address(host) and not (by_sni and is_sni_host(host)):
            report.refuse_if(refuse_wildcard_host(host), path)
        if host == "*" and on_mesh:
            hint = "bind it to a gateway only, or name the hosts"
            report.refuse(path, "the host '*' is for gateways, not for the mesh", hint)
        for earlier in hosts[:index]:
            if covers(earlier, host) or covers(host, earlier):
                report.refuse(path, f"the hosts '{earlier}' and '{host}' overlap")


def _check_tls_route(route: Fields, hosts: tuple[str, ...], by_sni: bool, report: Report) -> None:
    matches = route.items("match")
    if not matches:
        report.refuse(route.path, "a TLS route needs a match with SNI hosts")
    for match in matches:
        names = match.texts("sniHosts")
        if not names:
            report.refuse(match.path, "a TLS match needs at least one SNI host")
        for index, name in enumerate(names):
            path = f"{match.at('sniHosts')}[{index}]"
            if is_address(name):
                report.warn(path, "clients send no SNI for an IP address")
                continue
            if not (by_sni and is_sni_host(name)):
                report.refuse_if(refuse_wildcard_host(name), path)
            if not any(covers(host, name) for host in hosts):
                report.refuse(path, f"no host of this VirtualService covers the SNI host '{name}'")
        _check_l4_match(match, report)
    _check_l4_destinations(route, "TLS", report)


def _check_tcp_route(route: Fields, report: Report) -> None:
    for match in route.items("match"):
        _check_l4_match(match, report)
    _check_l4_destinations(route, "TCP", report)


def _check_l4_match(match: Fields, report: Report) -> None:
    """Conditions on a connection."""
    for index, subnet in enumerate(match.texts("destinationSubnets")):
        report.refuse_if(refuse_subnet(subnet), f"{match.at('destinationSubnets')}[{index}]")
    if match.integer("port"):
        report.refuse_if(refuse_port(match.integer("port")), match.at("port"))
    check_labels(match, "sourceLabels", report)
    for index, gateway in enumerate(match.texts("gateways")):
        check_gateway_name(gateway, f"{match.at('gateways')}[{index}]", report)


def _check_l4_destinations(route: Fields, what: str, report: Report) -> None:
    destinations = route.items("route")
    if not destinations:
        report.refuse(route.path, f"a {what} route needs a destination")
    for destination in destinations:
        check_destination(destination.fields("destination"), report)
    check_weights(destinations, route.at("route"), report)
