from __future__ import annotations

from typing import Any

from meshsim.controlplane.routes import build_routes

OTHER_NAMESPACE = """
apiVersion: v1
kind: Pod
metadata: {name: guest-0, namespace: other, labels: {app: guest}}
spec: {serviceAccountName: guest, containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.8, podIPs: [{ip: 10.244.0.8}]}
"""

BY_LABEL = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - {match: [{sourceLabels: {app: client}}], route: [{destination: {host: web}}], timeout: 1s}
  - {route: [{destination: {host: web}}]}
"""


def test_proxies_that_see_the_same_share_one_view(shop: Any) -> None:
    shop.put(OTHER_NAMESPACE)
    push = shop.push()
    views = {
        name: push.route_cache.sidecar_routes(shop.proxy(namespace, name))
        for namespace, name in (("shop", "web-0"), ("shop", "web-1"), ("shop", "client-0"), ("other", "guest-0"))
    }
    assert views["web-0"] is views["web-1"] is views["client-0"]
    assert views["guest-0"] is not views["web-0"]


def test_labels_count_only_where_a_condition_compares_them(shop: Any) -> None:
    shop.put(BY_LABEL)
    push = shop.push()
    cache = push.route_cache
    web_0, web_1, client = (shop.proxy("shop", name) for name in ("web-0", "web-1", "client-0"))
    assert cache.sidecar_routes(web_0) is cache.sidecar_routes(web_1)
    assert cache.sidecar_routes(web_0).body("80") is cache.sidecar_routes(web_1).body("80")
    assert cache.sidecar_routes(client).body("80") != cache.sidecar_routes(web_0).body("80")


def test_a_push_context_made_from_another_gives_what_a_fresh_one_gives(shop: Any) -> None:
    proxy = shop.proxy("shop", "client-0")
    names = ["80", "9999"]
    build_routes(shop.push(), proxy, names)
    for text in (BY_LABEL, BY_LABEL.replace("1s", "2s"), OTHER_NAMESPACE):
        shop.put(text)
        assert build_routes(shop.push(), proxy, names) == build_routes(shop.fresh(), proxy, names)
    shop.remove("VirtualService", "shop", "web")
    assert build_routes(shop.push(), proxy, names) == build_routes(shop.fresh(), proxy, names)


def test_nothing_is_made_twice_for_an_unchanged_mesh(shop: Any) -> None:
    shop.put(BY_LABEL)
    proxy = shop.proxy("shop", "client-0")
    first = shop.push()
    build_routes(first, proxy, ["80"])
    count = len(first.cache)
    second = shop.push()
    build_routes(second, proxy, ["80"])
    assert len(second.cache) == count
