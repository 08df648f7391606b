"""What an egress listener imports: hosts of namespaces, ports of services, destinations of routes.

istio pilot/pkg/model/sidecar.go (hostClassification, addService, servicesDependencies), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.host_names import host_within, hosts_overlap, is_wildcard
from meshsim.controlplane.model import Registry, Service, VirtualService


@dataclass(slots=True)
class Imports:
    """Hosts one egress listener imports from one namespace."""

    exact: set[str] = field(default_factory=set)
    every: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def add(self, host: str) -> None:
        if not is_wildcard(host):
            self.exact.add(host)
        self.every.append(host)

    def excludes(self, host: str) -> bool:
        """Whether the host is left out by a ``~namespace/host`` entry, whatever else imports it."""
        return any(host_within(host, h) for h in self.excluded)

    def takes_service(self, host: str) -> bool:
        if host in self.exact:
            return True
        wild = is_wildcard(host)
        return any(host_within(host, h) for h in self.every if wild or is_wildcard(h))

    def takes_virtual_service(self, host: str, gateway_semantics: bool) -> bool:
        if host in self.exact:
            return True
        wild = is_wildcard(host)
        covers = host_within if gateway_semantics else hosts_overlap
        return any(covers(host, h) for h in self.every if wild or is_wildcard(h))


def with_port(service: Service, number: int) -> Service | None:
    """The service with one port only; `None` when it has not that port."""
    kept = tuple(port for port in service.ports if port.port == number)
    if not kept:
        return None
    return service if len(kept) == len(service.ports) else replace(service, ports=kept)


def with_ports(service: Service, numbers: frozenset[int]) -> Service | None:
    """The service with the ports a VirtualService routes to (none named = all); `None` when it has none of them."""
    if not numbers:
        return service
    kept = tuple(port for port in service.ports if port.port in numbers)
    if len(kept) == len(service.ports):
        return service
    return replace(service, ports=kept) if kept else None


class ServiceUnion:
    """Services of all listeners by host name; partial ones of one namespace are joined port by port."""

    def __init__(self) -> None:
        self.services: list[Service] = []
        self._index: dict[str, int] = {}

    def add(self, service: Service) -> None:
        at = self._index.get(service.hostname)
        if at is None:
            self._index[service.hostname] = len(self.services)
            self.services.append(service)
            return
        have = self.services[at]
        if have is service:
            return
        if have.registry is not service.registry:
            # A Kubernetes service takes the name from a ServiceEntry, whichever is older.
            if service.registry is Registry.KUBERNETES:
                self.services[at] = service
            return
        if not _can_merge(have, service):
            return
        numbers = {port.port for port in have.ports}
        more = tuple(port for port in service.ports if port.port not in numbers)
        if more:
            self.services[at] = replace(have, ports=have.ports + more)

    def by_host(self) -> dict[str, Service]:
        return {service.hostname: service for service in self.services}


def _can_merge(one: Service, other: Service) -> bool:
    return (
        one.namespace == other.namespace
        and one.resolution is other.resolution
        and one.labels == other.labels
        and one.selector == other.selector
        and one.export_to == other.export_to
    )


class RouteTargets(NamedTuple):
    """Where one route of a VirtualService leads."""

    source_namespaces: frozenset[str]
    """Namespaces it is for; empty = all."""
    targets: tuple[tuple[str, int], ...]
    """Hosts with the port named, 0 when none is."""


def route_targets(item: VirtualService) -> tuple[RouteTargets, ...]:
    """Every route of a VirtualService with its destinations and mirrors."""
    found: list[RouteTargets] = []
    for kind in ("http", "tcp", "tls"):
        for route in item.spec.items(kind):
            destinations = [target.fields("destination") for target in route.items("route")]
            destinations += [mirror.fields("destination") for mirror in route.items("mirrors")]
            if "mirror" in route:
                destinations.append(route.fields("mirror"))
            matches = [match.text("sourceNamespace") for match in route.items("match")]
            namespaces = frozenset(matches) if all(matches) else frozenset[str]()
            targets = tuple((d.text("host"), d.fields("port").integer("number")) for d in destinations)
            found.append(RouteTargets(namespaces, targets))
    return tuple(found)


def routes_of(cache: GenerationCache, item: VirtualService) -> tuple[RouteTargets, ...]:
    """The routes of a VirtualService, read once."""
    return cache.get_or_make(("route targets", item), lambda: route_targets(item))


def all_destinations(
    cache: GenerationCache, virtual_services: Sequence[VirtualService], by_host: Mapping[str, Mapping[str, Service]]
) -> frozenset[Service]:
    """Every service that some VirtualServices may lead to, whoever asks."""
    found: dict[Service, None] = {}
    for item in virtual_services:
        for route in routes_of(cache, item):
            for host, _ in route.targets:
                found.update(dict.fromkeys(by_host.get(host, {}).values()))
    return frozenset(found)


def destinations(routes: Sequence[RouteTargets], namespace: str) -> dict[str, frozenset[int]]:
    """Hosts that routes for a namespace lead to, each with the ports named (none when any port is meant)."""
    found: dict[str, set[int]] = {}
    for route in routes:
        if route.source_namespaces and namespace not in route.source_namespaces:
            continue
        for host, port in route.targets:
            if host:
                found.setdefault(host, set()).add(port)
    return {host: frozenset() if 0 in ports else frozenset(ports) for host, ports in found.items()}
