from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.conversion.backends import UnusableRouteError
from meshsim.controlplane.conversion.http_rules import convert_grpc_rules, convert_http_rules, sort_http_routes

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: %s
metadata: {name: r, namespace: shop}
spec: {rules: [%s]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
"""

BACKEND = "backendRefs: [{name: web, port: 80}]"


@pytest.fixture
def http(inputs: Callable[[str], Any]) -> Callable[[str], list[dict[str, Any]]]:
    """The http entries of one HTTPRoute rule."""

    def make(rule: str) -> list[dict[str, Any]]:
        made = inputs(TEXT % ("HTTPRoute", f"{{{rule}}}"))
        return convert_http_rules(made, made.objects.select("HTTPRoute")[0], False)

    return make


@pytest.fixture
def grpc(inputs: Callable[[str], Any]) -> Callable[[str], list[dict[str, Any]]]:
    """The http entries of one GRPCRoute rule."""

    def make(rule: str) -> list[dict[str, Any]]:
        made = inputs(TEXT % ("GRPCRoute", f"{{{rule}}}"))
        return convert_grpc_rules(made, made.objects.select("GRPCRoute")[0], False)

    return make


@pytest.mark.parametrize(
    ("match", "want"),
    [
        ("path: {type: PathPrefix, value: /a/}", {"uri": {"prefix": "/a"}}),
        ("path: {type: PathPrefix, value: /}", {"uri": {"prefix": "/"}}),
        ("path: {type: Exact, value: /a/}", {"uri": {"exact": "/a/"}}),
        ("path: {type: RegularExpression, value: /a.*}", {"uri": {"regex": "/a.*"}}),
        ("method: POST", {"method": {"exact": "POST"}}),
        (
            "headers: [{name: a, value: b}, {type: RegularExpression, name: c, value: d}]",
            {"headers": {"a": {"exact": "b"}, "c": {"regex": "d"}}},
        ),
        ("queryParams: [{name: a, value: b}]", {"queryParams": {"a": {"exact": "b"}}}),
    ],
)
def test_matches(http: Callable[[str], Any], match: str, want: Any) -> None:
    (made,) = http(f"matches: [{{{match}}}], {BACKEND}")
    assert made["match"] == [want]


def test_each_match_is_an_entry_and_has_the_rules_name(http: Callable[[str], Any]) -> None:
    made = http(f"matches: [{{method: GET}}, {{method: PUT}}], {BACKEND}")
    assert [item["name"] for item in made] == ["shop.r.0", "shop.r.0"]
    assert http(f"name: mine, {BACKEND}")[0]["name"] == "mine"


@pytest.mark.parametrize("backends", ["backendRefs: []", "backendRefs: [{name: web, port: 80, weight: 0}]"])
def test_without_a_weighted_backend_the_answer_is_500(http: Callable[[str], Any], backends: str) -> None:
    (made,) = http(backends)
    assert made["directResponse"] == {"status": 500}
    assert "route" not in made


@pytest.mark.parametrize(
    ("redirect", "want"),
    [
        ("{}", {"derivePort": "FROM_REQUEST_PORT"}),
        ("{scheme: https}", {"scheme": "https", "derivePort": "FROM_PROTOCOL_DEFAULT"}),
        ("{port: 8443, hostname: b.com, statusCode: 302}", {"port": 8443, "authority": "b.com", "redirectCode": 302}),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: /x}}",
            {"uri": "/x", "derivePort": "FROM_REQUEST_PORT"},
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}",
            {"prefixRewrite": "/x", "derivePort": "FROM_REQUEST_PORT"},
        ),
    ],
)
def test_redirects(http: Callable[[str], Any], redirect: str, want: Any) -> None:
    (made,) = http(f"filters: [{{type: RequestRedirect, requestRedirect: {redirect}}}]")
    assert made["redirect"] == want
    assert "directResponse" not in made


@pytest.mark.parametrize(
    ("rewrite", "want"),
    [
        ("{hostname: b.com}", {"authority": "b.com"}),
        ("{path: {type: ReplacePrefixMatch, replacePrefixMatch: /x/}}", {"uri": "/x"}),
        ("{path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}}", {"uri": "/"}),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: /x}}",
            {"uriRegexRewrite": {"match": "/.*", "rewrite": "/x"}},
        ),
    ],
)
def test_rewrites(http: Callable[[str], Any], rewrite: str, want: Any) -> None:
    (made,) = http(f"filters: [{{type: URLRewrite, urlRewrite: {rewrite}}}], {BACKEND}")
    assert made["rewrite"] == want


def test_mirrors(http: Callable[[str], Any]) -> None:
    mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: %s, port: 80}%s}}"
    shares = ("", ", percent: 5", ", fraction: {numerator: 1, denominator: 8}")
    filters = ", ".join(mirror % ("web", share) for share in shares)
    (made,) = http(f"filters: [{filters}, {mirror % ('gone', '')}], {BACKEND}")
    assert [item.get("percentage") for item in made["mirrors"]] == [None, {"value": 5}, {"value": 12.5}]


def test_cors(http: Callable[[str], Any]) -> None:
    cors = "{allowOrigins: ['*', 'https://*.a.com', 'https://b.com'], allowCredentials: true, maxAge: 5}"
    (made,) = http(f"filters: [{{type: CORS, cors: {cors}}}], {BACKEND}")
    assert made["corsPolicy"] == {
        "unmatchedPreflights": "IGNORE",
        "allowOrigins": [
            {"regex": r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$"},
            {"regex": r"^https://.*\.a\.com$"},
            {"exact": "https://b.com"},
        ],
        "allowCredentials": True,
        "maxAge": "5s",
    }


def test_an_unknown_filter_spoils_the_route(http: Callable[[str], Any]) -> None:
    with pytest.raises(UnusableRouteError):
        http(f"filters: [{{type: ExtensionRef, extensionRef: {{}}}}], {BACKEND}")


def test_retries_and_timeouts(http: Callable[[str], Any]) -> None:
    retry = "retry: {attempts: 3, codes: [500, 503], backoff: 100ms}"
    (made,) = http(f"{retry}, timeouts: {{request: 5s, backendRequest: 1s}}, {BACKEND}")
    assert made["retries"] == {
        "attempts": 3,
        "retryOn": "connect-failure,refused-stream,unavailable,cancelled,500,503",
        "backoff": "0.100s",
        "perTryTimeout": "1s",
    }
    assert made["timeout"] == "5s"
    # Without retries there is one try, so its timeout is the request's.
    assert http(f"timeouts: {{backendRequest: 2s}}, {BACKEND}")[0]["timeout"] == "2s"


@pytest.mark.parametrize(
    ("match", "uri"),
    [
        ("{service: s, method: m}", {"exact": "/s/m"}),
        ("{service: s}", {"prefix": "/s/"}),
        ("{method: m}", {"regex": "/[^/]+/m"}),
        ("{type: RegularExpression, service: 's.*'}", {"regex": "/s.*/.+"}),
        ("{type: RegularExpression, method: 'm.*'}", {"regex": "/[^/]+/m.*"}),
    ],
)
def test_grpc_methods_are_paths(grpc: Callable[[str], Any], match: str, uri: Any) -> None:
    (made,) = grpc(f"matches: [{{method: {match}}}], {BACKEND}")
    assert made["match"] == [{"uri": uri}]


def test_a_grpc_method_must_say_something(grpc: Callable[[str], Any]) -> None:
    with pytest.raises(UnusableRouteError):
        grpc(f"matches: [{{method: {{}}}}], {BACKEND}")


def test_precedence() -> None:
    """https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule."""
    order = [
        {"uri": {"exact": "/long"}},
        {"uri": {"exact": "/x"}},
        {"uri": {"prefix": "/longer"}, "method": {"exact": "GET"}},
        {"uri": {"prefix": "/longer"}, "headers": {"a": {"exact": "1"}, "b": {"exact": "1"}}},
        {"uri": {"prefix": "/longer"}, "headers": {"a": {"exact": "1"}}},
        {"uri": {"prefix": "/longer"}, "queryParams": {"a": {"exact": "1"}}},
        {"uri": {"prefix": "/longer"}},
        {"uri": {"prefix": "/x"}},
        {"uri": {"regex": "/very/long.*"}},
    ]
    routes: list[dict[str, Any]] = [{"match": [match]} for match in order] + [{"name": "all"}]
    assert sort_http_routes(reversed(routes)) == routes
