from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.conversion.backends import (
    UnusableRouteError,
    add_header_filter,
    build_destination,
    build_http_destinations,
    build_tcp_destinations,
    weight_sum,
)

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
"""


@pytest.fixture
def destination(inputs: Callable[[str], Any]) -> Callable[..., tuple[Any, list[str]]]:
    """The destination of a backend and the reasons reported."""

    def make(backend: dict[str, Any], mesh: bool = False) -> tuple[Any, list[str]]:
        made = inputs(TEXT)
        found = build_destination(made, made.objects.select("HTTPRoute")[0], Fields(backend), mesh)
        return found, [problem.reason for problem in made.problems]

    return make


def test_a_service(destination: Callable[..., Any]) -> None:
    want = {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}
    assert destination({"name": "web", "port": 80}) == (want, [])
    gone = {"host": "gone.shop.svc.cluster.local", "port": {"number": 80}}
    assert destination({"name": "gone", "port": 80}) == (gone, ["BackendNotFound"])


def test_another_namespace_needs_a_grant_but_not_in_the_mesh(destination: Callable[..., Any]) -> None:
    backend = {"name": "web", "namespace": "other", "port": 80}
    assert destination(backend) == ({}, ["RefNotPermitted"])
    assert destination(backend, mesh=True)[0]["host"] == "web.other.svc.cluster.local"


def test_a_host_name(destination: Callable[..., Any]) -> None:
    backend = {"group": "networking.istio.io", "kind": "Hostname", "name": "a.com", "port": 80}
    assert destination(backend) == ({"host": "a.com", "port": {"number": 80}}, [])


def test_an_unknown_kind_is_a_destination_without_host(destination: Callable[..., Any]) -> None:
    assert destination({"group": "example.com", "kind": "Thing", "name": "x", "port": 1}) == ({}, ["InvalidKind"])


@pytest.mark.parametrize(
    "backend",
    [
        {"name": "web"},
        {"name": "web.shop", "port": 80},
        {"group": "networking.istio.io", "kind": "Hostname", "name": "a.com", "namespace": "shop", "port": 80},
    ],
)
def test_some_mistakes_spoil_the_route(destination: Callable[..., Any], backend: dict[str, Any]) -> None:
    with pytest.raises(UnusableRouteError):
        destination(backend)


def test_weights(inputs: Callable[[str], Any]) -> None:
    made = inputs(TEXT)
    route = made.objects.select("HTTPRoute")[0]
    backends = [
        Fields({"name": "web", "port": 80, "weight": 3}),
        Fields({"name": "web", "port": 81}),
        Fields({"name": "web", "port": 82, "weight": 0}),
    ]
    assert weight_sum(backends) == 4
    assert [item["weight"] for item in build_tcp_destinations(made, route, backends, False)] == [3, 1]
    assert "weight" not in build_tcp_destinations(made, route, backends[:1], False)[0]


def test_headers_of_a_backend(inputs: Callable[[str], Any]) -> None:
    made = inputs(TEXT)
    filter_ = {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {
            "set": [{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}],
            "add": [{"name": "b", "value": "3"}],
            "remove": ["c"],
        },
    }
    backend = Fields({"name": "web", "port": 80, "filters": [filter_]})
    (found,) = build_http_destinations(made, made.objects.select("HTTPRoute")[0], [backend], False)
    # Names do not depend on case, so of equal ones the first counts.
    assert found["headers"] == {"request": {"add": {"b": "3"}, "set": {"x-a": "1"}, "remove": ["c"]}}


def test_a_backend_takes_header_filters_only() -> None:
    with pytest.raises(UnusableRouteError):
        add_header_filter(Fields({"type": "URLRewrite"}), {})
