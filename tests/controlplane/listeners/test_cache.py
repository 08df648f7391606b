from __future__ import annotations

from typing import Any

from meshsim.controlplane.listeners import build_extension_configs


def test_listeners_outlive_a_push_that_does_not_change_them(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.service("a", "10.96.0.1", "http:80"), look.service("db", "10.96.0.2", "tcp:5432"))
    )
    proxy = mesh.proxy("shop", "client-0")
    before = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    mesh.put(look.service("c", "10.96.0.3", "tcp:6000", created=3))
    after = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    assert set(after) == {*before, "10.96.0.3_6000"}
    assert all(after[name] is resource for name, resource in before.items())


def test_a_changed_rule_changes_its_listener_alone(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.service("a", "10.96.0.1", "tcp:80"), look.service("db", "10.96.0.2", "tcp:5432"))
    )
    proxy = mesh.proxy("shop", "client-0")
    before = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    pool = "{host: db, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 7s}}}}"
    mesh.put(look.istio("DestinationRule", pool))
    after = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    assert [name for name in before if after[name] is not before[name]] == ["10.96.0.2_5432"]


def test_a_fresh_context_builds_the_same_bytes(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(look.service("a", "10.96.0.1", "http:80")))
    proxy = mesh.proxy("shop", "client-0")
    mesh.push().listener_cache.listeners(proxy)
    mesh.put(look.service("b", "10.96.0.2", "any:90", created=2))
    assert mesh.push().listener_cache.listeners(proxy) == mesh.fresh().listener_cache.listeners(proxy)


def test_a_policy_changes_inbound_listeners_alone(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(look.service("a", "10.96.0.1", "http:80")))
    proxy = mesh.proxy("shop", "client-0")
    before = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    mesh.put(look.istio("AuthorizationPolicy", "{}", group="security.istio.io/v1"))
    after = {r.name: r for r in mesh.push().listener_cache.listeners(proxy)}
    assert [name for name in before if after[name] is not before[name]] == ["virtualInbound"]


def test_extension_configurations(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.istio("WasmPlugin", "{url: 'file:///x.wasm'}", group="extensions.istio.io/v1alpha1"))
    )
    name = "extensions.istio.io/trafficextension/shop.x~istio-translated-wasmplugin"
    found = build_extension_configs(mesh.push(), mesh.proxy("shop", "client-0"), [name, "other"])
    assert [resource.name for resource in found] == [name]
