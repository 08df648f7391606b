"""Gateways that no proxy runs, and servers that are left out."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest


def _gateway(name: str, server: str, selector: str = "{istio: entry}", created: int = 1) -> str:
    return manifest("Gateway", name, f"selector: {selector}\nservers:\n- {server}", created)


def test_a_selector_that_fits_nothing(finds: Callable) -> None:
    text = _gateway("a", "{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.org]}", "{istio: entri}")
    (found,) = finds(text, ("IST0101", "istio: entri", "no proxy runs this Gateway"))
    assert found.hint == "did you mean 'entry'?"


def test_a_port_that_the_service_does_not_have(finds: Callable) -> None:
    text = _gateway("a", "{port: {number: 81, name: http, protocol: HTTP}, hosts: [a.org]}")
    finds(text, ("IST0162", "number: 81", "Service edge/entry in front of the gateway has no port 81, only 80 and 443"))


def test_a_server_may_name_the_container_port(finds: Callable) -> None:
    service = manifest(
        "Service", "it", "selector: {istio: entry}\nports: [{name: http, port: 82, targetPort: 8082}]", 1, "edge", "v1"
    )
    finds(_gateway("a", "{port: {number: 8082, name: http, protocol: HTTP}, hosts: [a.org]}") + service)


def test_what_contradicts_an_earlier_server_is_left_out(finds: Callable) -> None:
    text = _gateway("a", "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}", created=2)
    finds(text, ("MSH0521", "{port: {number: 80", "does not go with HTTP on the port (istiod counts it as pilot_total"))
    tls = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.org], tls: {mode: SIMPLE, credentialName: c}}"
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: edge}\n"
    finds(
        _gateway("a", tls, created=1) + _gateway("b", tls.replace("https,", "https-b,"), created=2) + secret,
        ("MSH0521", "{port", "a host of it is taken by an earlier TLS server of the port"),
    )


def test_two_plain_ones_for_one_host_are_no_conflict(finds: Callable) -> None:
    finds(_gateway("a", "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}"))


def test_credentials(finds: Callable) -> None:
    server = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.org],\n   tls: {mode: SIMPLE, %s}}"
    text = _gateway("a", server % "credentialName: shop-cert")
    (found,) = finds(text, ("IST0101", "credentialName", "there is no Secret shop-cert in namespace edge"))
    assert found.severity.value == "info"
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop-certs, namespace: edge}\n"
    (found,) = finds(text + secret, ("IST0101", "credentialName", "TLS handshakes fail"))
    assert (found.severity.value, found.hint) == ("warning", "did you mean 'shop-certs'?")
