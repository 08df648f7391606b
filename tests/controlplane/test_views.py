from __future__ import annotations

from typing import Any

from meshsim.controlplane.model import Locality
from meshsim.controlplane.views import NOWHERE, PlaceView, is_ipv6


def test_addresses_of_version_six() -> None:
    assert is_ipv6("::1")
    assert not is_ipv6("10.0.0.1")
    assert not is_ipv6("example.com")


def test_proxies_at_one_place_have_one_view(shop: Any) -> None:
    push = shop.push()
    one, other = (push.view(shop.proxy("shop", name)) for name in ("web-0", "client-0"))
    assert one == other
    assert hash(one) == hash(other)
    assert one.place.locality == Locality("eu", "eu-1")
    assert not one.is_router
    assert one.certificates is None


def test_labels_count_only_where_a_failover_priority_compares_them(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        " spec: {host: web, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting:"
        " {failoverPriority: [version, 'stage=test']}}}}}"
    )
    push = shop.push()
    assert push.view(shop.proxy("shop", "web-0")).place.failover_labels == (("version", "v1"),)
    assert push.view(shop.proxy("shop", "client-0")).place.failover_labels == (("version", ""),)


def test_clusters_of_a_service_read_the_place_for_inline_endpoints_only(shop: Any) -> None:
    shop.put(
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ext, namespace: shop},"
        " spec: {hosts: [ext.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}"
    )
    push = shop.push()
    view = push.view(shop.proxy("shop", "web-0"))
    assert view.for_service(push.service("web.shop.svc.cluster.local", "shop")).place == NOWHERE
    seen = view.for_service(push.service("ext.example.com", "shop")).place
    assert seen == PlaceView(locality=Locality("eu", "eu-1"))
    assert view.without_place().place is NOWHERE
