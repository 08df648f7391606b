from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from meshsim.api import make_object
from meshsim.controlplane.envoy_filters import EnvoyFilterIndex, PatchContext, PatchSet
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.routes.patches import patched_body
from meshsim.xds.messages import route_components_pb2, route_pb2

NAME = "80"


@pytest.fixture
def patch_set(shop: Any) -> Callable[[str], PatchSet]:
    """The patches of one EnvoyFilter, given as a list, for a client."""
    proxy: Proxy = shop.proxy("shop", "client-0")

    def make(patches: str) -> PatchSet:
        document = {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": "f", "namespace": "shop"},
            "spec": {"configPatches": yaml.safe_load(patches)},
        }
        return EnvoyFilterIndex((make_object(document),), "istio-system").for_proxy(proxy)

    return make


def configuration() -> route_pb2.RouteConfiguration:
    def host(name: str, *routes: str) -> route_components_pb2.VirtualHost:
        return route_components_pb2.VirtualHost(
            name=name,
            domains=[name],
            routes=[
                route_components_pb2.Route(
                    name=route,
                    match=route_components_pb2.RouteMatch(prefix="/"),
                    route=route_components_pb2.RouteAction(cluster="c"),
                )
                for route in routes
            ],
        )

    return route_pb2.RouteConfiguration(name=NAME, virtual_hosts=[host("a:80", "r1", "r2"), host("b:80", "r1")])


def apply(patches: PatchSet, context: PatchContext = PatchContext.SIDECAR_OUTBOUND) -> route_pb2.RouteConfiguration:
    body = patched_body(configuration().SerializeToString(), patches, context, {})
    return route_pb2.RouteConfiguration.FromString(body)


def routes(made: route_pb2.RouteConfiguration) -> dict[str, list[str]]:
    return {host.name: [route.name for route in host.routes] for host in made.virtual_hosts}


def test_other_patches_leave_the_bytes_alone(patch_set: Callable[[str], PatchSet]) -> None:
    body = configuration().SerializeToString()
    patches = patch_set("[{applyTo: CLUSTER, patch: {operation: MERGE, value: {lb_policy: RANDOM}}}]")
    assert patched_body(body, patches, PatchContext.SIDECAR_OUTBOUND, {}) is body


def test_a_route_configuration_is_merged(patch_set: Callable[[str], PatchSet]) -> None:
    text = (
        "[{applyTo: ROUTE_CONFIGURATION, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {portNumber: %d}},"
        " patch: {operation: MERGE, value: {response_headers_to_remove: [x]}}}]"
    )
    assert list(apply(patch_set(text % 80)).response_headers_to_remove) == ["x"]
    assert not apply(patch_set(text % 81)).response_headers_to_remove
    assert not apply(patch_set(text % 80), PatchContext.SIDECAR_INBOUND).response_headers_to_remove


VHOST = "[{applyTo: VIRTUAL_HOST, match: {routeConfiguration: {vhost: {%s}}}, patch: {operation: %s, value: {%s}}}]"


def test_virtual_hosts(patch_set: Callable[[str], PatchSet]) -> None:
    removed = apply(patch_set(VHOST % ("name: 'a:80'", "REMOVE", "")))
    assert list(routes(removed)) == ["b:80"]
    merged = apply(patch_set(VHOST % ("domainName: 'b:80'", "MERGE", "include_request_attempt_count: true")))
    assert [host.include_request_attempt_count for host in merged.virtual_hosts] == [False, True]
    added = apply(patch_set(VHOST % ("", "ADD", "name: new, domains: [n]")))
    assert list(routes(added)) == ["a:80", "b:80", "new"]
    replaced = apply(patch_set(VHOST % ("name: 'a:80'", "REPLACE", "name: new, domains: [n]")))
    assert list(routes(replaced)) == ["new", "b:80"]


ROUTE = (
    "[{applyTo: HTTP_ROUTE, match: {routeConfiguration: {vhost: {name: 'a:80', route: {%s}}}},"
    " patch: {operation: %s, value: {name: new}}}]"
)


@pytest.mark.parametrize(
    ("match", "operation", "want"),
    [
        ("name: r1", "REMOVE", ["r2"]),
        ("name: r2", "INSERT_BEFORE", ["r1", "new", "r2"]),
        ("name: r1", "INSERT_AFTER", ["r1", "new", "r2"]),
        ("name: r2", "INSERT_FIRST", ["new", "r1", "r2"]),
        ("name: none", "INSERT_BEFORE", ["r1", "r2"]),
        ("", "ADD", ["r1", "r2", "new"]),
        ("name: r2", "MERGE", ["r1", "new"]),
        ("action: REDIRECT", "REMOVE", ["r1", "r2"]),
        ("action: ROUTE", "REMOVE", []),
    ],
)
def test_routes(patch_set: Callable[[str], PatchSet], match: str, operation: str, want: list[str]) -> None:
    made = apply(patch_set(ROUTE % (match, operation)))
    assert routes(made) == {"a:80": want, "b:80": ["r1"]}
