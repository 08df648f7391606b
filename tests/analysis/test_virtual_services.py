"""VirtualServices that override each other, and gateways and delegates that are not there."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

ROUTE = "http: [{route: [{destination: {host: app}}]}]"


def test_the_younger_of_two_for_one_host_is_ignored_by_sidecars(finds: Callable) -> None:
    text = manifest("VirtualService", "b", f"hosts: [app]\n{ROUTE}", 1) + manifest(
        "VirtualService", "a", f"hosts:\n- app.shop.svc.cluster.local\n{ROUTE}", 2
    )
    finds(text, ("IST0109", "app.shop.svc.cluster.local", "VirtualService shop/b has this host too and is older"))


def test_of_one_age_the_first_name_wins(finds: Callable) -> None:
    text = manifest("VirtualService", "b", f"hosts:\n- app\n{ROUTE}") + manifest(
        "VirtualService", "a", f"hosts: [app]\n{ROUTE}"
    )
    finds(text, ("IST0109", "app", "VirtualService shop/a has this host too and is first by name"))


def test_a_private_one_wins_in_its_own_namespace_only(finds: Callable) -> None:
    text = manifest("VirtualService", "public", f"hosts:\n- app\n{ROUTE}", 1) + manifest(
        "VirtualService",
        "private",
        f"hosts: [app.shop.svc.cluster.local]\nexportTo: [.]\n{ROUTE.replace('app', 'app.shop.svc.cluster.local')}",
        2,
        "other",
    )
    finds(text, ("IST0109", "app", "is more private: sidecars in namespace other follow that one alone"))


def test_http_and_tcp_routes_of_one_host_do_not_meet(finds: Callable) -> None:
    tcp = "tcp: [{route: [{destination: {host: db, port: {number: 5432}}}]}]"
    text = manifest("VirtualService", "a", f"hosts: [app]\n{ROUTE}") + manifest(
        "VirtualService", "b", f"hosts: [app]\n{tcp}"
    )
    finds(text)


def test_on_a_gateway_they_are_merged_up_to_the_second_route_without_match(finds: Callable) -> None:
    bound = f"hosts: [a.example.com]\ngateways: [edge/gw]\n{ROUTE}"
    narrow = bound.replace("{route", "{match: [{uri: {prefix: /x}}], route")
    text = manifest("VirtualService", "a", bound, 1) + manifest("VirtualService", "b", narrow, 2)
    finds(text)
    late = "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp:\n- route: [{destination: {host: app}}]"
    finds(
        text + manifest("VirtualService", "c", late, 3),
        ("IST0130", "route", "never used: on Gateway edge/gw the route without match of VirtualService shop/a"),
    )


def test_gateways_that_are_not_there(finds: Callable) -> None:
    text = manifest("VirtualService", "a", f"hosts: [a.example.com]\ngateways:\n- gw\n{ROUTE}")
    (found,) = finds(text, ("IST0101", "gw", "there is no Gateway shop/gw: this VirtualService does nothing"))
    assert found.hint == "write edge/gw: a name alone means the VirtualService's own namespace"


def test_hosts_that_no_server_has(finds: Callable) -> None:
    text = manifest("VirtualService", "a", f"hosts: [a.example.org]\ngateways:\n- edge/gw\n{ROUTE}")
    finds(text, ("IST0132", "edge/gw", "no server of Gateway edge/gw has the host a.example.org"))
    text = manifest("VirtualService", "a", f"hosts:\n- a.example.com\n- b.org\ngateways: [edge/gw]\n{ROUTE}")
    finds(text, ("IST0132", "b.org", "served nowhere"))
    text = manifest("VirtualService", "a", f"hosts: [a.example.com, app]\ngateways: [edge/gw, mesh]\n{ROUTE}")
    finds(text)


def test_a_match_for_a_gateway_it_is_not_bound_to(finds: Callable) -> None:
    text = manifest(
        "VirtualService",
        "a",
        "hosts: [app]\nhttp:\n- match:\n  - gateways: [edge/gw]\n  route: [{destination: {host: app}}]",
    )
    finds(text, ("MSH0502", "edge/gw", "not bound to gateway edge/gw: this match never holds there"))


def test_delegates(finds: Callable) -> None:
    root = (
        "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp:\n- match: [{uri: {prefix: /x}}]\n"
        "  delegate: {name: part}\n- match: [{uri: {prefix: /y}}]\n  delegate: {name: parts}"
    )
    part = manifest("VirtualService", "part", ROUTE)
    finds(
        manifest("VirtualService", "root", root) + part,
        ("MSH0503", "delegate", "there is no VirtualService shop/parts to delegate to: istiod leaves this route out"),
    )
    finds(part, ("MSH0501", "spec", "no VirtualService delegates to this one"))
