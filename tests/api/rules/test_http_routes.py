"""Rules of one HTTP route."""

from __future__ import annotations

from collections.abc import Callable

import pytest

ROUTE = "route: [{destination: {host: reviews}}]"

CASES = [
    (f"{{{ROUTE}, redirect: {{uri: /x}}}}", "both 'route' and 'redirect'"),
    ("{redirect: {uri: /x}, fault: {delay: {fixedDelay: 1s}}}", "both 'redirect' and 'fault'"),
    (f"{{{ROUTE}, mirror: {{host: a}}, mirrors: [{{destination: {{host: b}}}}]}}", "both 'mirror' and 'mirrors'"),
    ("{match: [{uri: {prefix: /}}]}", "needs one of route, redirect and directResponse"),
    (f"{{{ROUTE}, match: [{{uri: {{regex: '('}}}}]}}", "is not a pattern"),
    (f"{{{ROUTE}, match: [{{headers: {{x: {{regex: '*'}}}}}}]}}", ""),
    (f"{{{ROUTE}, match: [{{uri: {{prefix: ''}}}}]}}", ""),
    (f"{{{ROUTE}, match: [{{method: {{prefix: ''}}}}]}}", "must not be empty"),
    (f"{{{ROUTE}, retries: {{attempts: -1}}}}", "must not be negative"),
    (f"{{{ROUTE}, retries: {{attempts: 0, perTryTimeout: 1s}}}}", "has no effect when attempts is 0"),
    (f"{{{ROUTE}, retries: {{attempts: 1, retryOn: '5xx, reset'}}}}", "separate by ',' without spaces"),
    (f"{{{ROUTE}, retries: {{attempts: 1, retryOn: '503,reset'}}}}", ""),
    ("{redirect: {}}", "changes at least one of"),
    ("{redirect: {uri: /x, redirectCode: 200}}", "from 300 to 399"),
    ("{redirect: {scheme: ftp}}", "http or https"),
    ("{match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}}", "matches that are prefixes"),
    ("{directResponse: {status: 199}}", "from 200 to 600"),
    (f"{{{ROUTE}, rewrite: {{}}}}", "changes at least one of"),
    (f"{{{ROUTE}, rewrite: {{uriRegexRewrite: {{match: a}}}}}}", "both match and rewrite"),
    (f"{{{ROUTE}, fault: {{}}}}", "needs a delay or an abort"),
    (f"{{{ROUTE}, fault: {{abort: {{httpStatus: 503, percentage: {{value: 101}}}}}}}}", "from 0.0001 to 100"),
    (f"{{{ROUTE}, fault: {{abort: {{grpcStatus: NOPE}}}}}}", "not a gRPC status"),
    (f"{{{ROUTE}, fault: {{abort: {{http2Error: X}}}}}}", "not supported by Istio yet"),
    (f"{{{ROUTE}, corsPolicy: {{allowMethods: [PUSH]}}}}", "not an HTTP method"),
    (f"{{{ROUTE}, corsPolicy: {{maxAge: 1500ms}}}}", "whole seconds"),
    (f"{{{ROUTE}, mirror: {{host: a}}, mirrorPercentage: {{value: 150}}}}", "from 0 to 100"),
]


@pytest.mark.parametrize(("route", "expected"), CASES)
def test_rule(spec_errors: Callable[[str, str], list[str]], route: str, expected: str) -> None:
    found = spec_errors("VirtualService", f"{{hosts: [reviews], http: [{route}]}}")
    assert [expected in line for line in found] == ([True] if expected else [])


def test_delegates_have_no_action_of_their_own(spec_errors: Callable[[str, str], list[str]]) -> None:
    good = "{hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], delegate: {name: other}}]}"
    assert spec_errors("VirtualService", good) == []
    bad = f"{{hosts: [reviews], http: [{{delegate: {{name: other}}, {ROUTE}}}]}}"
    assert "a route that delegates has no 'route'" in spec_errors("VirtualService", bad)[0]
