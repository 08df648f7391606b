"""Which services and VirtualServices a sidecar's route configuration is made of.

Modelled on istio pilot/pkg/networking/core/httproute.go (BuildSidecarOutboundVirtualHosts, selectVirtualServices)
and route/route.go (buildSidecarVirtualHostsForVirtualService), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.host_names import host_order, hosts_overlap, is_wildcard
from meshsim.controlplane.model import Service, ServicePort, VirtualService
from meshsim.controlplane.routes.facts import RouteFacts


def services_of_port(services: Sequence[Service], port: int, cache: GenerationCache) -> dict[str, Service]:
    """Services by host, each with the listener's port alone; with all ports where the listener takes every port."""
    if not port:
        return {service.hostname: service for service in services}
    found: dict[str, Service] = {}
    for service in services:
        service_port = service.port(port)
        if service_port is None:
            continue
        host = service.hostname.lower()
        if len(service.ports) > 1 or host != service.hostname:
            service = _cut(service, service_port, cache)
        found[host] = service
    return found


def _cut(service: Service, port: ServicePort, cache: GenerationCache) -> Service:
    """The service with one port, the same object whenever it is asked for."""
    return cache.get_or_make(
        ("routes of one port", service, port),
        lambda: replace(service, hostname=service.hostname.lower(), ports=(port,)),
    )


def about_services(
    virtual_services: Iterable[VirtualService],
    services: Mapping[str, Service],
    facts: Callable[[VirtualService], RouteFacts],
) -> list[VirtualService]:
    """VirtualServices with a host that covers, or is covered by, a service."""
    wildcards = [host for host in services if is_wildcard(host)]

    def about(virtual_service: VirtualService) -> bool:
        known = facts(virtual_service)
        if any(host in services for _, host in known.exact_hosts):
            return True
        if any(hosts_overlap(host, other) for _, host in known.exact_hosts for other in wildcards):
            return True
        return any(hosts_overlap(host, other) for host in known.wildcard_hosts for other in services)

    return [item for item in virtual_services if about(item)]


def split_hosts(
    virtual_service: VirtualService,
    facts: RouteFacts,
    services: Mapping[str, Service],
    winners: Callable[[], Mapping[str, VirtualService]],
) -> tuple[list[str], list[Service]]:
    """Hosts of a VirtualService that are no services, and the services it is about.

    A wildcard takes the services for which no other VirtualService has a more specific host: its `winners`.
    """
    others: list[str] = []
    matched: list[Service] = []
    for written, host in facts.exact_hosts:
        service = services.get(host)
        if service is not None:
            matched.append(service)
        else:
            others.append(written)
    for host in facts.wildcard_hosts:
        if virtual_service.gateway_semantics:
            others.append(host)
            continue
        covered = [service for name, service in services.items() if hosts_overlap(name, host)]
        matched += [service for service in covered if winners().get(service.hostname) is virtual_service]
        if not covered:
            others.append(host)
    return others, matched


def most_specific(virtual_services: Iterable[VirtualService], services: Iterable[Service]) -> dict[str, VirtualService]:
    """For each service the VirtualService with the most specific host; of equal ones the first."""
    exact: dict[str, VirtualService] = {}
    wildcard: dict[str, VirtualService] = {}
    for item in virtual_services:
        for host in item.hosts:
            (wildcard if is_wildcard(host) else exact).setdefault(host, item)
    ordered = sorted(wildcard, key=host_order)
    found: dict[str, VirtualService] = {}
    for service in services:
        host = service.hostname
        winner = wildcard.get(host) if is_wildcard(host) else exact.get(host)
        if winner is None:
            needle = host[1:] if is_wildcard(host) else host
            winner = next((wildcard[cover] for cover in ordered if needle.endswith(cover[1:])), None)
        if winner is not None:
            found[host] = winner
    return found
