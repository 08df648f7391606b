from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.routes.destinations import Meaning
from meshsim.controlplane.routes.sharing import RouteSharing, Surroundings
from meshsim.xds.messages import route_components_pb2

MESH = build_mesh_config()


def around(**changes: Any) -> Surroundings:
    values: dict[str, Any] = {
        "port": 80,
        "gateway": "mesh",
        "namespace": "shop",
        "labels": {},
        "meaning": lambda host: Meaning(),
        "rule": lambda host: None,
    }
    return Surroundings(**{**values, **changes})


PLAIN = "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}"
SOURCES = (
    "{hosts: [a], http: [{match: [{sourceLabels: {app: x}}, {sourceNamespace: n}], route: [{destination: {host: a}}]}]}"
)


@pytest.mark.parametrize(
    ("spec", "changes", "same"),
    [
        (PLAIN, {"namespace": "other", "labels": {"app": "x"}}, True),
        (PLAIN, {"port": 81}, False),
        (PLAIN, {"tls": True}, False),
        (PLAIN, {"gateway": "shop/gw"}, False),
        (PLAIN, {"meaning": lambda host: Meaning("", 9080)}, False),
        (SOURCES, {"labels": {"other": "x"}}, True),
        (SOURCES, {"labels": {"app": "x"}}, False),
        (SOURCES, {"namespace": "n"}, False),
    ],
)
def test_routes_are_shared_by_what_they_read(
    virtual_service: Callable[..., Any], spec: str, changes: dict[str, Any], same: bool
) -> None:
    item = virtual_service(spec)
    sharing = RouteSharing(MESH, GenerationCache())
    one = sharing.virtual_service_routes(item, around())
    assert sharing.virtual_service_routes(item, around()) is one
    other = sharing.virtual_service_routes(item, around(**changes))
    assert (other is one) is same or (not other and not one)
    fresh = RouteSharing(MESH, GenerationCache()).virtual_service_routes(item, around(**changes))
    assert [route.body for route in fresh] == [route.body for route in other]


def test_pushes_share_through_the_cache(virtual_service: Callable[..., Any]) -> None:
    item, cache = virtual_service(PLAIN), GenerationCache()
    one = RouteSharing(MESH, cache).virtual_service_routes(item, around())
    assert RouteSharing(MESH, cache).virtual_service_routes(item, around()) is one
    assert RouteSharing(build_mesh_config(), cache).virtual_service_routes(item, around()) is not one


def test_default_routes_take_the_retries_of_the_mesh() -> None:
    mesh = build_mesh_config({"defaultHttpRetryPolicy": {"attempts": 7}})
    made = RouteSharing(mesh, GenerationCache()).default_route("a.com", 80, None)
    host = route_components_pb2.VirtualHost.FromString(made.body)
    assert host.routes[0].route.retry_policy.num_retries.value == 7
