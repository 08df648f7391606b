from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.model import MutualTls
from meshsim.controlplane.push_context import build_push_context

HOST = "web.shop.svc.cluster.local"


def _service(namespace: str, export: str, host: str = "x.example.com") -> str:
    return (
        f"{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: x, namespace: {namespace}}},"
        f" spec: {{hosts: [{host}], exportTo: {export}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}}}"
    )


def test_private_then_named_then_public_services(shop: Any) -> None:
    shop.put(_service("shop", "['.']", "private.example.com"))
    shop.put(_service("a", "[shop]", "named.example.com"))
    shop.put(_service("b", "['~']", "hidden.example.com"))
    push = shop.push()
    assert [s.hostname for s in push.services_exported_to("shop")] == ["private.example.com", "named.example.com", HOST]
    assert [s.hostname for s in push.services_exported_to("c")] == [HOST]


def test_the_service_a_host_means(shop: Any) -> None:
    for namespace, export in (("a", "['.']"), ("c", "['*']"), ("b", "['*']")):
        shop.put(_service(namespace, export))
    push = shop.push()
    assert push.visible_service("x.example.com", "a").namespace == "a"
    assert push.visible_service("x.example.com", "shop").namespace == "b"
    assert push.visible_service("y.example.com", "shop") is None
    assert push.service("x.example.com", "shop") is None


@pytest.mark.parametrize(("export", "namespaces"), [("['*']", "shop other"), ("['.']", "shop"), ("[other]", "other")])
def test_virtual_services_by_gateway_and_export(shop: Any, export: str, namespaces: str) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: shop},"
        f" spec: {{hosts: [web], gateways: [mesh, gw], exportTo: {export}, http: []}}}}"
    )
    push = shop.push()
    for gateway in ("mesh", "shop/gw"):
        seen = [n for n in ("shop", "other") if push.virtual_services_exported_to(n, gateway)]
        assert seen == namespaces.split()
    assert push.virtual_services_exported_to("shop", "other/gw") == ()


def test_policies_oldest_first(shop: Any) -> None:
    for name, second in (("b", 1), ("a", 2), ("c", 2)):
        shop.put(
            "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, spec: {mtls: {mode: STRICT}},"
            f" metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-01T00:00:0{second}Z'}}}}"
        )
    push = shop.push()
    assert [o.name for o in push.configs("PeerAuthentication")] == ["b", "a", "c"]
    assert [o.name for o in push.configs("PeerAuthentication", "shop")] == ["b", "a", "c"]
    assert push.configs("PeerAuthentication", "other") == ()
    assert push.mutual_tls_mode("shop") is MutualTls.STRICT
    assert push.mutual_tls_mode("other") is MutualTls.UNKNOWN


def test_identities_under_every_trust_domain(small_mesh: Any, shop: Any) -> None:
    mesh = small_mesh("", "{trustDomain: new.org, trustDomainAliases: [old.org]}")
    for kind in ("Service", "Pod", "EndpointSlice", "Node"):
        for item in shop.store.select(kind):
            mesh.store.put(item)
    push = mesh.push()
    assert push.service_accounts(push.service(HOST, "shop")) == ("spiffe://new.org/ns/shop/sa/web",)
    assert push.peer_identities(push.service(HOST, "shop")) == (
        "spiffe://new.org/ns/shop/sa/web",
        "spiffe://old.org/ns/shop/sa/web",
    )


def test_a_change_of_the_mesh_shares_nothing(shop: Any, small_mesh: Any) -> None:
    before = shop.push()
    other = build_push_context(shop.store, small_mesh("").mesh, before)
    assert other.cache is not before.cache
    assert other.service(HOST, "shop") is not before.service(HOST, "shop")
    same = build_push_context(shop.store, shop.mesh, before)
    assert same.cache is before.cache
    assert same.service(HOST, "shop") is before.service(HOST, "shop")


def test_a_context_does_not_see_later_changes(shop: Any) -> None:
    push = shop.push()
    shop.remove("Service", "shop", "web")
    assert push.service(HOST, "shop") is not None
    assert push.scope(shop.proxy("shop", "client-0")).service_for_host(HOST) is not None
    assert shop.push().service(HOST, "shop") is None


def test_what_one_proxy_serves_by_now_in_an_older_reading(shop: Any) -> None:
    push, proxy, other = shop.push(), shop.proxy("shop", "web-0"), shop.proxy("shop", "client-0")
    targets = push.service_targets(proxy)
    assert [t.service.hostname for t in targets] == [HOST]
    view = push.with_targets(proxy, ())
    assert view.service_targets(proxy) == ()
    assert view.service_targets(other) == push.service_targets(other)
    assert view.services == push.services
    assert push.service_targets(proxy) == targets
