"""Routes of gateways: the recorded worlds, and the rules one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meshsim.controlplane.model import ProxyType

WORLDS = (
    "egress-gateway",
    "gw-east-west",
    "gw-http",
    "gw-many",
    "gw-tls-modes",
    "ingress-classic",
    "kgw-grpc-tcp-tls",
    "kgw-httproute",
)


@pytest.mark.needs_shared
@pytest.mark.parametrize("world", WORLDS)
def test_routes_are_those_istiod_sent(recorded_routes: Callable[[str], Iterator[Any]], world: str) -> None:
    count = 0
    for item in recorded_routes(world):
        assert item.got == item.want, f"{item.proxy} {item.name}"
        count += 1
    assert count


GATEWAY = """
apiVersion: v1
kind: Pod
metadata: {name: gw-0, namespace: shop, labels: {istio: gw}}
spec: {serviceAccountName: gw, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.20, podIPs: [{ip: 10.244.0.20}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gw-1, namespace: shop, labels: {istio: gw}}
spec: {serviceAccountName: gw, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.21, podIPs: [{ip: 10.244.0.21}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec:
  selector: {istio: gw}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com'], tls: {httpsRedirect: %s}}
"""

FRONT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: shop, creationTimestamp: '2026-01-01T00:00:0%dZ'}
spec:
  hosts: [%s]
  gateways: [gw]
  http: [{name: %s, match: [{uri: {prefix: %s}}], route: [{destination: {host: web}}]}]
"""


@pytest.fixture
def gateway(shop: Any, configuration: Callable[..., Any]) -> Callable[..., Any]:
    """The configuration of port 80 for these VirtualServices."""

    def make(*fronts: tuple[Any, ...], redirect: str = "false") -> Any:
        shop.put(GATEWAY % redirect)
        for front in fronts:
            shop.put(FRONT % front)
        return configuration(shop.push(), shop.proxy("shop", "gw-0", ProxyType.ROUTER), "http.80")

    return make


def test_without_a_virtual_service_everything_is_404(gateway: Callable[..., Any]) -> None:
    (host,) = gateway().virtual_hosts
    assert (host.name, list(host.domains), list(host.routes)) == ("blackhole:80", ["*"], [])


def test_virtual_services_of_a_host_are_joined_catch_alls_last(gateway: Callable[..., Any]) -> None:
    made = gateway(("old", 1, "a.example.com", "all", "/"), ("new", 2, "a.example.com", "some", "/x"))
    (host,) = made.virtual_hosts
    assert host.name == "a.example.com:80"
    assert [route.name for route in host.routes] == ["some", "all"]
    assert host.include_request_attempt_count


def test_hosts_outside_the_server_are_left_out(gateway: Callable[..., Any]) -> None:
    made = gateway(("one", 1, "'*.com', other.org", "r", "/"))
    assert [list(host.domains) for host in made.virtual_hosts] == [["*.example.com"]]


def test_hosts_with_the_same_routes_are_one(gateway: Callable[..., Any]) -> None:
    made = gateway(("one", 1, "a.example.com, b.example.com", "r", "/"))
    (host,) = made.virtual_hosts
    assert host.name == "a.example.com:80"
    assert list(host.domains) == ["a.example.com", "b.example.com"]


def test_https_redirects_the_servers_hosts(gateway: Callable[..., Any]) -> None:
    made = gateway(("one", 1, "a.example.com", "r", "/"), redirect="true")
    assert {host.name: host.require_tls for host in made.virtual_hosts} == {
        "a.example.com:80": 2,
        "*.example.com:80": 2,
    }


def test_an_unknown_name_is_empty(gateway: Callable[..., Any], shop: Any, configuration: Callable[..., Any]) -> None:
    gateway()
    made = configuration(shop.push(), shop.proxy("shop", "gw-0", ProxyType.ROUTER), "http.81")
    assert made.name == "http.81"
    assert not made.virtual_hosts


def test_replicas_share_their_routes(gateway: Callable[..., Any], shop: Any) -> None:
    gateway(("one", 1, "a.example.com", "r", "/"))
    cache = shop.push().route_cache
    one, two = (cache.gateway_routes(shop.proxy("shop", f"gw-{n}", ProxyType.ROUTER)) for n in (0, 1))
    assert one is two
