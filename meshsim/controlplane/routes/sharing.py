"""Routes that were built once, for every proxy and every push that sees them the same.

Keys hold all that a translation reads: of a VirtualService the clusters its destinations mean and the DestinationRules
of these, and of the proxy what its source conditions compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.routes.actions import RouteContext
from meshsim.controlplane.routes.destinations import NOTHING, Meaning
from meshsim.controlplane.routes.facts import RouteFacts
from meshsim.controlplane.routes.hash_policy import hash_for_destination, hash_for_service
from meshsim.controlplane.routes.hosts import BuiltRoute
from meshsim.controlplane.routes.http_routes import build_default_route, build_http_routes


class Surroundings(NamedTuple):
    """Where the routes of VirtualServices are built for."""

    port: int
    """0 for HTTP proxy and unix socket listeners."""
    gateway: str
    """``mesh`` for sidecars."""
    namespace: str
    labels: Mapping[str, str]
    """Of the proxy."""
    meaning: Callable[[str], Meaning]
    """What the host of a destination means."""
    rule: Callable[[str], MergedDestinationRule | None]
    """The DestinationRule of a host."""
    tls: bool = False
    """Whether the listener terminates TLS."""


class RouteSharing:
    """Routes as bytes, each made on first use and kept for later pushes."""

    def __init__(self, mesh: MeshConfig, cache: GenerationCache) -> None:
        self._mesh = mesh
        self._cache = cache
        self._facts: dict[VirtualService, RouteFacts] = {}

    @property
    def default_retries(self) -> Fields | None:
        """`defaultHttpRetryPolicy` of the mesh."""
        fields = self._mesh.fields
        return fields.fields("defaultHttpRetryPolicy") if "defaultHttpRetryPolicy" in fields else None

    def facts(self, virtual_service: VirtualService) -> RouteFacts:
        """What the routes of a VirtualService ask about their surroundings."""
        found = self._facts.get(virtual_service)
        if found is None:
            key = ("route facts", virtual_service)
            found = self._cache.get_or_make(key, lambda: RouteFacts.of(virtual_service))
            self._facts[virtual_service] = found
        return found

    def source_labels(self, virtual_services: Iterable[VirtualService]) -> tuple[str, ...]:
        """Labels of the client that conditions of some VirtualServices compare."""
        return tuple(dict.fromkeys(label for item in virtual_services for label in self.facts(item).source_labels))

    def default_route(self, host: str, port: int, rule: MergedDestinationRule | None) -> BuiltRoute:
        """The route to a service port that no VirtualService is about."""

        def make() -> BuiltRoute:
            route = build_default_route(host, port, self.default_retries, hash_for_service(rule, port))
            return BuiltRoute.of(route)

        return self._cache.get_or_make(("default route", self._mesh, host, port, rule), make)

    def virtual_service_routes(self, virtual_service: VirtualService, around: Surroundings) -> tuple[BuiltRoute, ...]:
        """The routes of a VirtualService; none when it is not meant for the proxy or the port."""
        facts = self.facts(virtual_service)
        labels = around.labels
        targets = {host: (around.meaning(host), around.rule(host)) for host in facts.destinations}
        targets[""] = (NOTHING, None)
        compared = {key: labels[key] for key in facts.source_labels if key in labels}

        def make() -> tuple[BuiltRoute, ...]:
            context = RouteContext(
                listener_port=around.port,
                proxy_labels=compared,
                proxy_namespace=around.namespace,
                gateway_names=(around.gateway,),
                meaning=lambda host: targets[host][0],
                lookup_hash=lambda destination: hash_for_destination(targets[destination.text("host")][1], destination),
                default_retries=self.default_retries,
                tls=around.tls,
            )
            return tuple(BuiltRoute.of(route) for route in build_http_routes(virtual_service, context))

        key = (
            "virtual service routes",
            self._mesh,
            virtual_service,
            around.port,
            around.gateway,
            around.tls,
            tuple(targets.values()),
            tuple(compared.items()),
            around.namespace if facts.source_namespace else None,
        )
        return self._cache.get_or_make(key, make)
