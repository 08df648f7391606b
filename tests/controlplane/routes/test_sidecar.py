"""Outbound routes of sidecars: the recorded worlds, and the rules one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meshsim.controlplane.routes.sidecar import RouteName

WORLDS = (
    "app-bookinfo",
    "dr-levels",
    "dr-pool-outlier",
    "pa-levels",
    "se-resolutions",
    "se-wildcard-registry-only",
    "sidecar-egress-listeners",
    "sidecar-egress-proxy",
    "svc-external-types",
    "svc-headless-kafka",
    "svc-http-basic",
    "svc-multiport",
    "svc-protocols",
    "svc-same-names",
    "vs-cors-hash",
    "vs-dangling",
    "vs-delegate",
    "vs-direct-mirror-fault",
    "vs-exportto",
    "vs-headers",
    "vs-precedence",
    "vs-query-method",
    "vs-retry-timeout-headers",
    "vs-rewrite-redirect",
    "vs-source",
    "vs-uri",
    "vs-weights",
)


@pytest.mark.needs_shared
@pytest.mark.parametrize("world", WORLDS)
def test_routes_are_those_istiod_sent(recorded_routes: Callable[[str], Iterator[Any]], world: str) -> None:
    count = 0
    for item in recorded_routes(world):
        assert item.got == item.want, f"{item.proxy} {item.name}"
        count += 1
    assert count


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("80", (80, False)),
        ("a.com:80", (80, True)),
        ("http_proxy", (0, False)),
        ("unix:///run/x", (0, False)),
        ("nothing", None),
        ("a.com:http", None),
    ],
)
def test_names(name: str, parsed: tuple[int, bool] | None) -> None:
    assert RouteName.parse(name) == parsed


def hosts(made: Any) -> dict[str, list[str]]:
    return {host.name: sorted(host.domains) for host in made.virtual_hosts}


def test_a_service_has_its_default_route(shop: Any, configuration: Callable[..., Any]) -> None:
    made = configuration(shop.push(), shop.proxy("shop", "client-0"), "80")
    assert hosts(made) == {
        "allow_any": ["*"],
        "web.shop.svc.cluster.local:80": [
            "10.96.0.1",
            "web",
            "web.shop",
            "web.shop.svc",
            "web.shop.svc.cluster.local",
            "web.shop.svc.cluster.local.",
        ],
    }


def test_registry_only_blocks_the_rest(
    small_mesh: Callable[..., Any], shop: Any, configuration: Callable[..., Any]
) -> None:
    mesh = small_mesh("", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    mesh.store = shop.store
    made = configuration(mesh.push(), mesh.proxy("shop", "client-0"), "80")
    (rest,) = (host for host in made.virtual_hosts if list(host.domains) == ["*"])
    assert rest.name == "block_all"
    assert rest.routes[0].direct_response.status == 502


def test_a_detected_port_has_its_service_alone(shop: Any, configuration: Callable[..., Any]) -> None:
    made = configuration(shop.push(), shop.proxy("shop", "client-0"), "web.shop.svc.cluster.local:80")
    assert hosts(made) == {"web.shop.svc.cluster.local:80": ["*"]}


def test_a_port_nobody_has_leads_only_to_the_rest(shop: Any, configuration: Callable[..., Any]) -> None:
    assert hosts(configuration(shop.push(), shop.proxy("shop", "client-0"), "9999")) == {"allow_any": ["*"]}


ELSEWHERE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: else, namespace: shop}
spec: {hosts: [nowhere.example.com, web], http: [{route: [{destination: {host: web}}]}]}
"""


def test_hosts_that_are_no_service_are_on_port_80(shop: Any, configuration: Callable[..., Any]) -> None:
    shop.put(ELSEWHERE)
    made = configuration(shop.push(), shop.proxy("shop", "client-0"), "80")
    assert hosts(made)["nowhere.example.com:80"] == ["nowhere.example.com"]
    assert "web.shop.svc.cluster.local:80" in hosts(made)


def test_the_first_of_two_virtual_services_wins(shop: Any, configuration: Callable[..., Any]) -> None:
    for name, second in (("young", 2), ("old", 1)):
        shop.put(
            f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-01T00:00:0{second}Z'}}
spec: {{hosts: [web], http: [{{name: {name}, route: [{{destination: {{host: web}}}}]}}]}}
"""
        )
    push = shop.push()
    made = configuration(push, shop.proxy("shop", "client-0"), "80")
    (host,) = (host for host in made.virtual_hosts if host.name.startswith("web."))
    assert [route.name for route in host.routes] == ["old"]
    assert list(push.status.counts["pilot_vservice_dup_domain"]) == ["web.shop.svc.cluster.local:80"]
