"""Hosts that several objects define."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

DNS = "hosts:\n- %s\nports: [{number: %d, name: http, protocol: HTTP}]\nresolution: %s"


def test_a_kubernetes_service_wins(finds: Callable) -> None:
    text = manifest("ServiceEntry", "a", DNS % ("app.shop.svc.cluster.local", 80, "DNS"))
    finds(text.replace("2025", "2023"), ("MSH0563", "app.shop", "Service shop/app defines app.shop.svc.cluster.local"))


def test_everybody_uses_that_of_its_own_namespace_first(finds: Callable) -> None:
    spec = DNS % ("a.example.org", 80, "DNS")
    one, other = manifest("ServiceEntry", "a", spec, 1, "bare"), manifest("ServiceEntry", "a", spec, 2, "shop")
    finds(one + other)
    last = manifest("ServiceEntry", "a", spec, 3, "istio-system")
    finds(one + other + last, ("MSH0563", "a.example.org", "proxies use that one, nobody uses this one"))
    finds(one + other + last + "  exportTo: [.]\n")


def test_two_of_one_namespace_are_joined_unless_they_differ(finds: Callable) -> None:
    one = manifest("ServiceEntry", "z", DNS % ("a.example.org", 80, "DNS"), 1)
    finds(one + manifest("ServiceEntry", "a", DNS % ("a.example.org", 81, "DNS"), 2))
    finds(
        one + manifest("ServiceEntry", "a", DNS % ("a.example.org", 80, "DNS_ROUND_ROBIN"), 2),
        ("MSH0563", "a.example.org", "ServiceEntry shop/z defines a.example.org too and is older: its ports and its"),
    )
