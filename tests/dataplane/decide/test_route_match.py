"""Route matches: path specifiers and the other conditions."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.chances import Fixed
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_match import Stream, decode_match, is_grpc, without_query
from meshsim.dataplane.decide.values import Connection, PeerCertificate
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def stream(path: str | None, number: int = 0, certificate: PeerCertificate | None = None, **headers: str) -> Stream:
    lines = [(":path", path)] if path is not None else []
    connection = Connection(source="a", destination="b", destination_port=80, certificate=certificate)
    return Stream(HeaderMap([*lines, *headers.items()]), connection, Fixed(number), {"f": {"k": "v"}})


def why_not(body: dict[str, Any], one: Stream) -> str:
    return decode_match(from_json(body, route_components_pb2.RouteMatch), []).why_not(one)


@pytest.mark.parametrize(
    ("body", "path", "matches"),
    [
        ({"prefix": ""}, "/x", True),
        ({"prefix": "api"}, "/api", False),
        ({"prefix": "/foo?"}, "/foo?a=1", False),
        ({"prefix": "/Foo", "case_sensitive": False}, "/fOObar", True),
        ({"path": "/a"}, "/a?b", True),
        ({"path": "/a"}, "/a/", False),
        ({"path": "/a"}, "/a#b", True),
        ({"safe_regex": {"regex": "/a"}}, "/a?b", True),
        ({"safe_regex": {"regex": "/a"}}, "/ab", False),
        ({"safe_regex": {"regex": "/A"}, "case_sensitive": False}, "/a", False),
        ({"path_separated_prefix": "/api"}, "/api", True),
        ({"path_separated_prefix": "/api"}, "/api/x", True),
        ({"path_separated_prefix": "/api"}, "/api;x", False),
        ({"path_separated_prefix": "/api"}, "/apix", False),
        (
            {"path_match_policy": {"name": "t", "typed_config": {"@type": TEMPLATE, "path_template": "/a/*"}}},
            "/a/b",
            True,
        ),
    ],
)
def test_paths(body: dict[str, Any], path: str, matches: bool) -> None:
    assert (why_not(body, stream(path)) == "") is matches


def test_other_conditions_say_what_failed() -> None:
    here = stream("/a?x=1", 60)
    half = {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 50}}}
    assert why_not(half, here) == "runtime fraction missed"
    assert why_not(half, stream("/", 49)) == ""
    assert why_not({"prefix": "/", "grpc": {}}, here) == "not gRPC"
    assert "header h" in why_not({"prefix": "/", "headers": [{"name": "h"}]}, here)
    assert "query y" in why_not({"prefix": "/", "query_parameters": [{"name": "y"}]}, here)
    asked = {"filter": "f", "path": [{"key": "k"}], "value": {"string_match": {"exact": "other"}}}
    assert "metadata f.k" in why_not({"prefix": "/", "dynamic_metadata": [asked]}, here)
    assert why_not({"prefix": "/b"}, here) == "prefix '/b' does not match"


def test_tls_context() -> None:
    asks = {"prefix": "/", "tls_context": {"presented": True, "validated": True}}
    assert why_not(asks, stream("/")) == "TLS context differs"
    assert why_not(asks, stream("/", certificate=PeerCertificate(("spiffe://a",)))) == ""


def test_connect_needs_no_path() -> None:
    assert why_not({"connect_matcher": {}}, stream(None, **{":method": "CONNECT"})) == ""
    assert why_not({"prefix": "/"}, stream(None, **{":method": "CONNECT"})) != ""


def test_refused() -> None:
    for body in ({}, {"path_separated_prefix": "/a/"}, {"path_separated_prefix": "/a?"}):
        with pytest.raises(ResourceRejectedError):
            why_not(body, stream("/"))


def test_details() -> None:
    assert without_query("/a?b#c") == "/a"
    assert is_grpc(HeaderMap([("content-type", "application/grpc+proto")]))
    assert not is_grpc(HeaderMap([("content-type", "application/grpcx")]))
    match = decode_match(from_json({"prefix": "/api"}, route_components_pb2.RouteMatch), [])
    assert match.matched_length("/api/x") == 4
