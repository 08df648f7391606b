from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.routes.actions import apply_direct_response, apply_forwarding, apply_redirect
from meshsim.xds.messages import route_components_pb2


@pytest.fixture
def forward(
    plain: Callable[[Any], Any], fields: Callable[[str], Any], context: Callable[..., Any]
) -> Callable[..., Any]:
    """The forwarding action of an http entry."""

    def make(http: str, *, authority: str = "", gateway: bool = False, prefix: str = "", **changes: Any) -> Any:
        match = route_components_pb2.RouteMatch(path_separated_prefix=prefix) if prefix else None
        out = route_components_pb2.Route(match=match)
        apply_forwarding(out, fields(http), authority, gateway, context(**changes))
        return plain(out)

    return make


ONE = "route: [{destination: {host: a, port: {number: 80}}}]"
TWO = (
    "route: [{destination: {host: a, port: {number: 80}, subset: v1}, weight: 90},"
    " {destination: {host: a, port: {number: 80}, subset: v2}, weight: 10, headers: {request: {set: {x: y, host: b}}}}]"
)


def test_one_destination(forward: Callable[..., Any]) -> None:
    action = forward(f"{{{ONE}}}")["route"]
    assert action["cluster"] == "outbound|80||a"
    # No timeout is written as zero: Envoy's own default would be 15 s.
    assert action["timeout"] == "0s"
    assert action["max_grpc_timeout"] == "0s"
    assert action["retry_policy"]["num_retries"] == 2


def test_weights(forward: Callable[..., Any]) -> None:
    clusters = forward(f"{{{TWO}, timeout: 3s}}")["route"]["weighted_clusters"]["clusters"]
    assert [(item["name"], item["weight"]) for item in clusters] == [
        ("outbound|80|v1|a", 90),
        ("outbound|80|v2|a", 10),
    ]
    assert clusters[1]["host_rewrite_literal"] == "b"
    assert [item["header"]["key"] for item in clusters[1]["request_headers_to_add"]] == ["x"]


def test_the_headers_of_one_destination_are_the_routes(forward: Callable[..., Any]) -> None:
    made = forward("{route: [{destination: {host: a, port: {number: 80}}, headers: {request: {remove: [x]}}}]}")
    assert made["request_headers_to_remove"] == ["x"]


def test_timeouts_and_retries(forward: Callable[..., Any]) -> None:
    action = forward(f"{{{ONE}, timeout: 3s, retries: {{attempts: 0}}}}")["route"]
    assert action["timeout"] == action["max_grpc_timeout"] == "3s"
    assert "retry_policy" not in action


def test_rewrites(forward: Callable[..., Any]) -> None:
    action = forward(f"{{{ONE}, rewrite: {{uri: /x, authority: b}}}}", authority="c")["route"]
    assert (action["prefix_rewrite"], action["host_rewrite_literal"]) == ("/x", "b")
    assert forward(f"{{{ONE}}}", authority="c")["route"]["host_rewrite_literal"] == "c"
    regex = forward(f"{{{ONE}, rewrite: {{uriRegexRewrite: {{match: '/a(.*)', rewrite: '/b\\1'}}}}}}")["route"]
    assert regex["regex_rewrite"] == {"pattern": {"regex": "/a(.*)"}, "substitution": "/b\\1"}


def test_the_gateway_api_leaves_one_slash_of_a_removed_prefix(forward: Callable[..., Any]) -> None:
    action = forward(f"{{{ONE}, rewrite: {{uri: /}}}}", gateway=True, prefix="/a.b")["route"]
    assert action["regex_rewrite"] == {"pattern": {"regex": r"^/a\.b(/?)(.*)"}, "substitution": r"/\2"}
    assert action["cluster_not_found_response_code"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize(
    ("mirror", "shares"),
    [
        ("mirror: {host: m}", [{"numerator": 100}]),
        ("mirror: {host: m}, mirrorPercent: 5", [{"numerator": 5}]),
        ("mirror: {host: m}, mirrorPercentage: {value: 0.5}", [{"numerator": 5000, "denominator": "MILLION"}]),
        ("mirror: {host: m}, mirrorPercentage: {value: 0}", []),
        (
            "mirrors: [{destination: {host: m}}, {destination: {host: m}, percentage: {value: 1}}]",
            [{"numerator": 100}, {"numerator": 10000, "denominator": "MILLION"}],
        ),
    ],
)
def test_mirrors(forward: Callable[..., Any], mirror: str, shares: Any) -> None:
    policies = forward(f"{{{ONE}, {mirror}}}")["route"].get("request_mirror_policies", [])
    assert [item["runtime_fraction"]["default_value"] for item in policies] == shares
    for item in policies:
        assert item["cluster"] == "outbound|80||m"
        assert item["disable_shadow_host_suffix_append"]


def test_consistent_hashing(forward: Callable[..., Any], fields: Callable[[str], Any]) -> None:
    hashed = fields("{httpHeaderName: x}")
    action = forward(f"{{{ONE}}}", lookup_hash=lambda destination: hashed)["route"]
    assert action["hash_policy"] == [{"header": {"header_name": "x"}}]
    assert "retry_host_predicate" not in action["retry_policy"]


@pytest.mark.parametrize(
    ("redirect", "tls", "want"),
    [
        ("{uri: /x, authority: b}", False, {"path_redirect": "/x", "host_redirect": "b"}),
        ("{redirectCode: 302}", False, {"response_code": "FOUND"}),
        (
            "{redirectCode: 308, prefixRewrite: /y}",
            False,
            {"response_code": "PERMANENT_REDIRECT", "prefix_rewrite": "/y"},
        ),
        ("{scheme: https, port: 443}", False, {"scheme_redirect": "https"}),
        ("{scheme: https, port: 8443}", False, {"scheme_redirect": "https", "port_redirect": 8443}),
        ("{port: 80}", False, {}),
        ("{port: 80}", True, {"port_redirect": 80}),
        ("{derivePort: FROM_REQUEST_PORT}", False, {"port_redirect": 8080}),
        ("{derivePort: FROM_PROTOCOL_DEFAULT}", False, {}),
    ],
)
def test_redirects(
    plain: Callable[[Any], Any],
    fields: Callable[[str], Any],
    context: Callable[..., Any],
    redirect: str,
    tls: bool,
    want: Any,
) -> None:
    out = route_components_pb2.Route()
    apply_redirect(out, fields(redirect), context(listener_port=8080, tls=tls))
    made = plain(out)["redirect"]
    assert made.pop("path_redirect", "") == want.get("path_redirect", "")
    assert made == {key: value for key, value in want.items() if key != "path_redirect"}


def test_an_unknown_redirect_code_is_no_action(fields: Callable[[str], Any], context: Callable[..., Any]) -> None:
    out = route_components_pb2.Route()
    apply_redirect(out, fields("{redirectCode: 399}"), context())
    assert out.WhichOneof("action") is None


def test_direct_responses(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    out = route_components_pb2.Route()
    apply_direct_response(out, fields("{status: 503, body: {string: gone}}"))
    assert plain(out)["direct_response"] == {"status": 503, "body": {"inline_string": "gone"}}
    apply_direct_response(out, fields("{status: 200, body: {bytes: aGk=}}"))
    assert out.direct_response.body.inline_bytes == b"hi"
