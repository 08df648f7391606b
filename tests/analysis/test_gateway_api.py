"""What istiod would write as a condition that is False."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

GATEWAY = """
gatewayClassName: istio
listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Same}}}]
"""
ROUTE = "parentRefs:\n- {name: gw, namespace: %s}\nrules:\n- backendRefs:\n  - {name: %s, port: 80}"
API = "gateway.networking.k8s.io/v1"


def test_backends(finds: Callable) -> None:
    gateway = manifest("Gateway", "gw", GATEWAY, version=API)
    finds(gateway + manifest("HTTPRoute", "a", ROUTE % ("shop", "app"), version=API))
    finds(
        gateway + manifest("HTTPRoute", "a", ROUTE % ("shop", "ap"), version=API),
        ("IST0171", "{name: ap", "reason BackendNotFound): backend(ap.shop.svc.cluster.local) not found"),
    )


def test_parents(finds: Callable) -> None:
    gateway = manifest("Gateway", "gw", GATEWAY, version=API)
    finds(
        gateway + manifest("HTTPRoute", "a", ROUTE % ("shop", "plain"), 1, "bare", API),
        ("IST0171", "{name: gw", "namespace 'bare' is not allowed by the parent"),
    )
    finds(
        manifest("HTTPRoute", "a", ROUTE % ("shop", "app"), version=API),
        ("IST0101", "name: gw", "there is no Gateway shop/gw of the Gateway API"),
    )


def test_one_listener_that_takes_a_route_is_enough(finds: Callable) -> None:
    two = GATEWAY.replace("listeners: [", "listeners: [{name: a, port: 81, protocol: HTTP, hostname: a.org}, ")
    route = ROUTE % ("shop", "app")
    gateway = manifest("Gateway", "gw", two, version=API)
    finds(gateway + manifest("HTTPRoute", "a", f"hostnames: [b.org]\n{route}", version=API))


def test_ports_that_a_backend_does_not_have(finds: Callable) -> None:
    route = (ROUTE % ("shop", "app")).replace("port: 80}", "\n     port: 81}")
    text = manifest("Gateway", "gw", GATEWAY, version=API) + manifest("HTTPRoute", "a", route, version=API)
    finds(text, ("IST0101", "port: 81", "Service shop/app has no port 81, only 80: requests that take this rule get"))
