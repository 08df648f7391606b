"""Virtual hosts of a sidecar's route configuration before they have names: which hosts have which routes.

istio pilot/pkg/networking/core/route/route.go (BuildSidecarVirtualHostWrapper), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.host_names import MESH_GATEWAY
from meshsim.controlplane.model import Protocol, Resolution, Service, VirtualService
from meshsim.controlplane.routes.destinations import Meaning
from meshsim.controlplane.routes.hosts import HostRoutes
from meshsim.controlplane.routes.selection import about_services, most_specific, split_hosts
from meshsim.controlplane.routes.sharing import RouteSharing, Surroundings

if TYPE_CHECKING:
    from meshsim.controlplane.sidecar_scope import EgressListener, SidecarScope

_HTTP_PORT: Final = 80


@dataclass(frozen=True, slots=True, eq=False)
class HostGroup:
    """Virtual hosts with the same routes on one port (istio route.go VirtualHostWrapper)."""

    port: int
    services: tuple[Service, ...]
    other_hosts: tuple[str, ...]
    """Hosts of a VirtualService that are no services."""
    routes: HostRoutes


class Wanted(NamedTuple):
    """A virtual host that wants a name."""

    port: int
    about: Service | str
    """A service, or a host that is none."""


@dataclass(frozen=True, slots=True, eq=False)
class HostGroups:
    """All groups of a configuration, those of VirtualServices first."""

    of_routes: Mapping[VirtualService, tuple[HostGroup, ...]]
    of_services: Mapping[Service, tuple[HostGroup, ...]]
    """Of services that no VirtualService is about."""
    wanted: tuple[Wanted, ...]
    """Who wants a name, in the order in which names are given."""
    routes: tuple[HostRoutes, ...]
    """What each of them does."""


class GroupBuilder:
    """Groups the hosts of one port, or of all ports (0), of an egress listener."""

    def __init__(
        self,
        sharing: RouteSharing,
        scope: SidecarScope,
        labels: Mapping[str, str],
        attempt_count: bool,
        listener: EgressListener,
        services: Mapping[str, Service],
        port: int,
    ) -> None:
        self._sharing = sharing
        self._scope = scope
        self._labels = labels
        """Of the proxy, as far as conditions and selectors ask for them."""
        self._attempt_count = attempt_count
        self._listener = listener
        self._services = services
        """By host, each with the port alone."""
        self._port = port
        self._winners: Mapping[str, VirtualService] | None = None

    def build(self, before: HostGroups | None) -> HostGroups:
        """The groups; `before`, of the same services and rules, keeps what other VirtualServices do not matter for."""
        virtual_services: Iterable[VirtualService] = self._listener.virtual_services
        if self._port != _HTTP_PORT:
            virtual_services = about_services(virtual_services, self._services, self._sharing.facts)
        of_routes: dict[VirtualService, tuple[HostGroup, ...]] = {}
        around = self._surroundings()
        for item in virtual_services:
            known = before.of_routes.get(item) if before is not None else None
            if known is None or self._sharing.facts(item).wildcard_hosts:
                known = tuple(self._of_virtual_service(item, around))
            of_routes[item] = known
        routed = {s.hostname for groups in of_routes.values() for group in groups for s in group.services}
        of_services: dict[Service, tuple[HostGroup, ...]] = {}
        for service in self._services.values():
            if service.hostname in routed or service.resolution is Resolution.ALIAS:
                continue
            default = before.of_services.get(service) if before is not None else None
            of_services[service] = tuple(self._of_service(service)) if default is None else default
        return _collect(of_routes, of_services)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            port=self._port,
            gateway=MESH_GATEWAY,
            namespace=self._scope.namespace,
            labels=self._labels,
            meaning=lambda host: Meaning.of(self._services.get(host)),
            rule=lambda host: self._scope.destination_rule(host, self._labels),
        )

    def _find_winners(self) -> Mapping[str, VirtualService]:
        if self._winners is None:
            self._winners = most_specific(self._listener.virtual_services, self._listener.services)
        return self._winners

    def _of_virtual_service(self, item: VirtualService, around: Surroundings) -> Iterable[HostGroup]:
        routes = self._sharing.virtual_service_routes(item, around)
        if not routes:
            return ()
        facts = self._sharing.facts(item)
        others, matched = split_hosts(item, facts, self._services, self._find_winners)
        if item.gateway_semantics and not self._may_override(item, matched):
            return ()
        shared = HostRoutes.of(routes, self._attempt_count)
        by_port: dict[int, list[Service]] = {}
        for service in matched:
            for service_port in service.ports:
                if _is_http_or_detected(service_port.protocol):
                    by_port.setdefault(service_port.port, []).append(service)
        if not by_port and self._port == _HTTP_PORT:
            by_port[_HTTP_PORT] = []
        return [HostGroup(number, tuple(group), tuple(others), shared) for number, group in by_port.items()]

    def _may_override(self, item: VirtualService, matched: Sequence[Service]) -> bool:
        """Gateway API routes count in the namespace of the client and for services of their own namespace only."""
        return any(item.namespace in (service.namespace, self._scope.namespace) for service in matched)

    def _of_service(self, service: Service) -> Iterable[HostGroup]:
        rule = self._scope.destination_rule(service.hostname, self._labels)
        for service_port in service.ports:
            if _is_http_or_detected(service_port.protocol):
                route = self._sharing.default_route(service.hostname, service_port.port, rule)
                routes = HostRoutes.of((route,), self._attempt_count)
                yield HostGroup(service_port.port, (service,), (), routes)


def _collect(
    of_routes: Mapping[VirtualService, tuple[HostGroup, ...]], of_services: Mapping[Service, tuple[HostGroup, ...]]
) -> HostGroups:
    wanted: list[Wanted] = []
    routes: list[HostRoutes] = []
    for groups in (*of_routes.values(), *of_services.values()):
        for group in groups:
            members = [Wanted(group.port, host) for host in group.other_hosts]
            members += [Wanted(group.port, service) for service in group.services]
            wanted += members
            routes += [group.routes] * len(members)
    return HostGroups(of_routes, of_services, tuple(wanted), tuple(routes))


def _is_http_or_detected(protocol: Protocol) -> bool:
    return protocol.is_http or protocol.is_auto
