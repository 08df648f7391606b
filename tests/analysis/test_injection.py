"""Namespaces without proxies."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

ROUTE = "hosts: [plain]\nhttp: [{route: [{destination: {host: plain}}]}]"


def test_what_nobody_in_its_namespace_follows(finds: Callable) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n"
    (found,) = finds(
        text + manifest("VirtualService", "a", ROUTE, 1, "bare"),
        ("IST0102", "name: bare", "namespace bare is not enabled for injection: its workloads have no proxy"),
    )
    assert found.severity.value == "info"
    assert "VirtualService bare/a" in found.message
    assert found.hint == "kubectl label namespace bare istio-injection=enabled"


def test_who_says_so_wants_no_proxy(finds: Callable) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: bare, labels: {istio-injection: disabled}}\n"
    finds(text + manifest("VirtualService", "a", ROUTE, 1, "bare"))


def test_a_namespace_without_objects_for_sidecars(finds: Callable) -> None:
    route = f"{ROUTE}\ngateways: [edge/gw]".replace("[plain]", "[a.example.com]")
    finds(manifest("VirtualService", "a", route, 1, "bare"))


def test_a_scenario_may_enable_it(finds: Callable) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n"
    finds(text + manifest("VirtualService", "a", ROUTE, 1, "bare"), mesh="mesh: {inject: [bare]}\n")
