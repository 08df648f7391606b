"""The router and the failure matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from xds_bodies import http_listener, static_cluster

from meshsim.dataplane.decide import (
    Connection,
    Decision,
    Disposition,
    Fixed,
    Flag,
    Protocol,
    Request,
    decide_direct,
    outcomes,
)

CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=80)
GET = Request(authority="a")
GRPC = Request(authority="a", method="POST", headers=(("content-type", "application/grpc"),))
CLUSTERS = (static_cluster("c", "10.0.0.5"), static_cluster("d", "10.0.0.6"), static_cluster("empty"))


def decide(
    build: Any,
    *routes: dict[str, Any],
    request: Request = GET,
    connection: Connection = CLIENT,
    chance: Any = None,
    **more: Any,
) -> Decision:
    return decide_direct(build((http_listener(routes, **more),), CLUSTERS), connection, request, chance=chance)


def to(cluster: str, **action: Any) -> dict[str, Any]:
    return {"name": cluster, "match": {"prefix": "/"}, "route": {"cluster": cluster, **action}}


ROWS = {
    "no route": ([], 404, "", "NR", "route_not_found"),
    "cluster unknown": ([to("nowhere")], 503, "", "NC", "cluster_not_found"),
    "cluster unknown, other status": (
        [to("nowhere", cluster_not_found_response_code="INTERNAL_SERVER_ERROR")],
        500,
        "",
        "NC",
        "cluster_not_found",
    ),
    "no host": ([to("empty")], 503, "no healthy upstream", "UH", "no_healthy_upstream"),
    "direct response": (
        [{"match": {"prefix": "/"}, "direct_response": {"status": 418, "body": {"inline_string": "tea"}}}],
        418,
        "tea",
        "",
        "direct_response",
    ),
    "redirect": ([{"match": {"prefix": "/"}, "redirect": {"https_redirect": True}}], 301, "", "", "direct_response"),
}


@pytest.mark.parametrize("row", ROWS)
def test_failure_matrix(build: Any, row: str) -> None:
    routes, status, body, flags, details = ROWS[row]
    found = decide(build, *routes)
    assert (found.disposition, found.status, found.body, found.flag_text, found.details) == (
        Disposition.REPLIED,
        status,
        body,
        flags,
        details,
    )


@pytest.mark.parametrize(("row", "grpc_status"), [("no route", "12"), ("cluster unknown", "14"), ("no host", "14")])
def test_replies_to_grpc(build: Any, row: str, grpc_status: str) -> None:
    found = decide(build, *ROWS[row][0], request=GRPC)
    headers = dict(found.response_headers)
    assert (found.status, headers["grpc-status"], headers["content-type"]) == (200, grpc_status, "application/grpc")


def test_bytes_that_are_no_http(build: Any) -> None:
    found = decide(build, to("c"), connection=replace(CLIENT, protocol=Protocol.TCP))
    assert (found.status, found.body, found.details, found.flags) == (
        400,
        "Bad Request",
        "http1.codec_error",
        (Flag.DOWNSTREAM_PROTOCOL_ERROR,),
    )
    http2 = replace(CLIENT, protocol=Protocol.HTTP2)
    assert decide(build, to("c"), connection=http2, codec_type="HTTP1").details == "http1.codec_error"
    assert decide(build, to("c"), codec_type="HTTP2").disposition is Disposition.CLOSED
    assert decide(build, to("c"), connection=http2, codec_type="HTTP2").details == "via_upstream"


def test_upgrades(build: Any) -> None:
    upgrade = Request(authority="a", headers=(("connection", "Upgrade"), ("upgrade", "websocket")))
    assert decide(build, to("c"), request=upgrade).details == "upgrade_failed"
    allowed = decide(build, to("c"), request=upgrade, upgrade_configs=[{"upgrade_type": "websocket"}])
    assert dict(allowed.headers)["upgrade"] == "websocket"
    refused = to("c", upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}])
    assert decide(build, refused, request=upgrade, upgrade_configs=[{"upgrade_type": "websocket"}]).status == 403


SPLIT = {
    "match": {"prefix": "/"},
    "route": {
        "weighted_clusters": {
            "clusters": [
                {"name": "c", "weight": 90, "request_headers_to_add": [{"header": {"key": "x-v", "value": "1"}}]},
                {"name": "d", "weight": 10, "host_rewrite_literal": "d.example"},
            ]
        }
    },
}


def test_weights_stay_until_they_are_drawn(build: Any) -> None:
    whole = decide(build, SPLIT)
    assert [(u.name, u.weight) for u in whole.upstreams] == [("c", 90), ("d", 10)]
    assert whole.cluster == ""
    first, second = decide(build, SPLIT, chance=Fixed(89)), decide(build, SPLIT, chance=Fixed(90))
    assert (first.cluster, dict(first.headers)["x-v"]) == ("c", "1")
    assert (second.cluster, second.authority) == ("d", "d.example")


def test_a_cluster_may_stand_in_a_header(build: Any) -> None:
    by_header = {"match": {"prefix": "/"}, "route": {"cluster_header": "X-To"}}
    assert decide(build, by_header, request=replace(GET, headers=(("x-to", "d"),))).cluster == "d"
    assert decide(build, by_header).details == "cluster_not_found"


def test_a_header_may_replace_the_draw(build: Any) -> None:
    weighted = {**SPLIT["route"]["weighted_clusters"], "header_name": "x-n"}
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}
    found = decide(build, route, request=replace(GET, headers=(("x-n", "195"),)), chance=Fixed(0))
    assert found.cluster == "d"


def test_runtime_fractions_make_outcomes_with_their_own_weights(build: Any) -> None:
    half = {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 50}}}
    routes = ({**SPLIT, "match": half, "name": "half"}, to("d"))
    config = build((http_listener(routes),), CLUSTERS)
    found = {
        d.route: (p, [(u.name, u.weight) for u in d.upstreams]) for p, d in outcomes(decide_direct, config, CLIENT, GET)
    }
    assert [float(p) for p, _ in found.values()] == [0.5, 0.5]
    assert found["half"][1] == [("c", 1)], "numbers below 50 all lie in the first 90"
    drawn = outcomes(decide_direct, config, CLIENT, GET, resolve=True)
    assert sum(p for p, _ in drawn) == 1


def test_mirrors(build: Any) -> None:
    mirror = {"cluster": "d", "runtime_fraction": {"default_value": {"numerator": 20}}}
    route = to("c", request_mirror_policies=[mirror, {"cluster": "gone"}])
    (left,) = decide(build, route, request=replace(GET, authority="a:80")).policies.mirrors
    assert (left.upstream.name, left.fraction.numerator, left.authority) == ("d", 20, "a-shadow:80")
    assert decide(build, route, chance=Fixed(19)).policies.mirrors
    assert not decide(build, route, chance=Fixed(20)).policies.mirrors


def test_a_generated_cookie(build: Any) -> None:
    cookie = {"cookie": {"name": "s", "ttl": "60s", "path": "/p"}}
    found = decide(build, to("c", hash_policy=[cookie]))
    assert dict(found.response_headers)["set-cookie"] == 's="-"; Max-Age=60; Path=/p; HttpOnly'
    with_it = decide(build, to("c", hash_policy=[cookie]), request=replace(GET, headers=(("cookie", "s=1"),)))
    assert with_it.response_headers == ()


def test_https_may_be_asked_for(build: Any) -> None:
    table = {"name": "t", "virtual_hosts": [{"name": "v", "domains": ["*"], "require_tls": "ALL"}]}
    found = decide(build, route_config=table, request=replace(GET, path="/x"))
    assert (found.status, dict(found.response_headers)["location"]) == (301, "https://a/x")


def test_methods_that_have_a_body_say_that_there_is_none(build: Any) -> None:
    assert dict(decide(build, to("c"), request=replace(GET, method="POST")).headers)["content-length"] == "0"
    assert "content-length" not in dict(decide(build, to("c")).headers)


def test_response_headers_of_a_route_are_on_what_its_router_answers(build: Any) -> None:
    """Envoy source/common/router/router.cc (modify_headers_); an upgrade is refused before there is a router."""
    added = [{"header": {"key": "x-route", "value": "r"}}]
    for action in ({"route": {"cluster": "empty"}}, {"direct_response": {"status": 200}}):
        route = {"match": {"prefix": "/"}, "response_headers_to_add": added, **action}
        assert dict(decide(build, route).response_headers)["x-route"] == "r"
        upgrade = replace(GET, headers=(("connection", "upgrade"), ("upgrade", "x")))
        refused = decide(build, route, request=upgrade)
        assert (refused.status, dict(refused.response_headers).get("x-route")) == (403, None)
