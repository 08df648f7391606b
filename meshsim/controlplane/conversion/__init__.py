"""Gateway API and Ingress objects as the Istio objects that Pilot makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from meshsim.api import ApiObject, ObjectView
from meshsim.controlplane.conversion.backend_policies import convert_backend_policies
from meshsim.controlplane.conversion.defaults import DefaultedView
from meshsim.controlplane.conversion.ingress import convert_ingresses
from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP, ConversionInputs, Problem
from meshsim.controlplane.conversion.listeners import convert_gateways
from meshsim.controlplane.conversion.routes import convert_http_routes, convert_tcp_routes, convert_tls_routes
from meshsim.controlplane.mesh import MeshConfig

__all__ = ["READ_KINDS", "Converted", "Problem", "convert", "convert_gateway_api", "convert_ingresses"]

READ_KINDS: Final = (
    "BackendTLSPolicy",
    "ConfigMap",
    "GRPCRoute",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "Ingress",
    "IngressClass",
    "ListenerSet",
    "Namespace",
    "ReferenceGrant",
    "Secret",
    "Service",
    "ServiceEntry",
    "TCPRoute",
    "TLSRoute",
)
"""Kinds that the conversion reads."""

_SOURCES: Final = ("Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "BackendTLSPolicy")


class Converted(NamedTuple):
    """Istio objects made from others, and what could not be taken over."""

    gateways: tuple[ApiObject, ...] = ()
    virtual_services: tuple[ApiObject, ...] = ()
    destination_rules: tuple[ApiObject, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of_kind(self, kind: str) -> tuple[ApiObject, ...]:
        """The objects of a kind of Istio's."""
        made = {
            "Gateway": self.gateways,
            "VirtualService": self.virtual_services,
            "DestinationRule": self.destination_rules,
        }
        return made.get(kind, ())

    def sharing(self, previous: Converted) -> Converted:
        """The same, with the previous objects where they are equal, so that what was made of them stands."""
        known = {item.key: item for made in previous[:3] for item in made}

        def shared(items: tuple[ApiObject, ...]) -> tuple[ApiObject, ...]:
            return tuple(before if (before := known.get(item.key)) == item and before else item for item in items)

        return self._replace(
            gateways=shared(self.gateways),
            virtual_services=shared(self.virtual_services),
            destination_rules=shared(self.destination_rules),
        )


def convert(
    objects: ObjectView,
    mesh: MeshConfig,
    known_host: Callable[[str, str], bool],
    previous: Converted | None = None,
) -> Converted:
    """Convert everything that is not Istio's own, after the defaults of the API server.

    `known_host` says whether a service of a host and namespace exists.
    """
    gateways, virtual_services = convert_ingresses(objects, mesh)
    found = Converted()
    if any(objects.select(kind, GATEWAY_GROUP) for kind in _SOURCES):
        found = convert_gateway_api(DefaultedView(objects), mesh.domain, known_host)
    found = found._replace(
        gateways=(*gateways, *found.gateways), virtual_services=(*virtual_services, *found.virtual_services)
    )
    return found.sharing(previous) if previous is not None else found


def convert_gateway_api(objects: ObjectView, domain: str, known_host: Callable[[str, str], bool]) -> Converted:
    """Convert Gateways, ListenerSets, routes and BackendTLSPolicies as they stand.

    `known_host` says whether a service of a host and namespace exists.
    DEVIATION: istiod also writes the status of each object; here only what stands against it is collected.
    """
    inputs = ConversionInputs(objects, domain, known_host)
    listeners = convert_gateways(inputs)
    routes = [
        *convert_http_routes(inputs, listeners),
        *convert_tcp_routes(inputs, listeners),
        *convert_tls_routes(inputs, listeners),
    ]
    rules = convert_backend_policies(inputs)
    return Converted(tuple(listeners.gateways), tuple(routes), tuple(rules), tuple(inputs.problems))
