"""Routes that no request reaches."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest


def _routes(*matches: str) -> str:
    lines = "".join(
        f"- match: {match}\n  route: [{{destination: {{host: app}}}}]\n"
        if match
        else "- route: [{destination: {host: app}}]\n"
        for match in matches
    )
    return manifest("VirtualService", "a", f"hosts: [app]\nhttp:\n{lines}")


def test_what_stands_behind_a_route_without_match(finds: Callable) -> None:
    finds(_routes("[{uri: {prefix: /x}}]", ""))
    finds(_routes("", "[{uri: {prefix: /x}}]"), ("IST0130", "match", "the route of line 11 takes every request"))
    finds(_routes("[{uri: {prefix: /}}]", ""), ("IST0130", "route", "takes every request"))


def test_what_a_wider_match_takes(finds: Callable) -> None:
    finds(_routes("[{uri: {prefix: /x}}]", "[{uri: {exact: /x/y}}]"), ("IST0130", "match", "match of line 11"))
    finds(_routes("[{uri: {exact: /x}}]", "[{uri: {prefix: /x}}]"))
    finds(_routes("[{uri: {prefix: /x}, method: {exact: GET}}]", "[{uri: {prefix: /x/y}}]"))
    finds(_routes("[{uri: {prefix: /x}}]", "[{uri: {prefix: /X}, ignoreUriCase: true}]"))
    finds(
        _routes("[{headers: {a: {exact: b}}}]", "[{uri: {prefix: /x}, headers: {a: {exact: b}, c: {exact: d}}}]"),
        ("IST0130", "match", "taken by the match"),
    )


def test_one_of_several_matches(finds: Callable) -> None:
    text = _routes("[{uri: {prefix: /x}}]", "[{uri: {prefix: /x/y}}, {uri: {prefix: /z}}]")
    (found,) = finds(text, ("IST0131", "{uri: {prefix: /x/y}}", "never used"))
    assert found.severity.value == "info"


def test_callers_that_are_not_there(finds: Callable) -> None:
    (found,) = finds(
        _routes("[{sourceLabels: {app: clint}}]"), ("IST0127", "app: clint", "no workload has the labels app=clint")
    )
    assert found.hint == "did you mean 'client'?"
    finds(_routes("[{sourceNamespace: shops}]"), ("IST0101", "sourceNamespace", "there is no namespace shops"))


def test_claims_that_nobody_verifies(finds: Callable) -> None:
    route = (
        "hosts: [a.example.com]\ngateways: [edge/gw]\nhttp:\n"
        "- match:\n  - headers:\n      '@request.auth.claims.group': {exact: admin}\n"
        "  route: [{destination: {host: app}}]"
    )
    text = manifest("VirtualService", "a", route)
    finds(text, ("IST0149", "'@request", "no RequestAuthentication is for entry.edge of Gateway edge/gw"))
    rules = "selector: {matchLabels: {istio: entry}}\njwtRules: [{issuer: a, jwks: '{\"keys\": []}'}]"
    finds(text + manifest("RequestAuthentication", "a", rules, 1, "edge", "security.istio.io/v1"))


def test_http_routes_for_a_tcp_service(finds: Callable) -> None:
    text = _routes("").replace("hosts: [app]", "hosts:\n  - db")
    finds(text, ("MSH0504", "db", "no HTTP port, only 5432 (TCP): sidecars do not apply the http routes"))
