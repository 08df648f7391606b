"""Rewrites and redirects (the forms are checked on the real binary by the differential test)."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.decision import Surroundings
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.re2 import compile_re2
from meshsim.dataplane.decide.rewriting import (
    FormatContext,
    redirect_location,
    rewrite_host,
    rewrite_path,
    rewritten_path,
)
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch
from meshsim.dataplane.decide.routes import HostRewrite, PathRewrite, Redirect, RegexRewrite
from meshsim.dataplane.decide.values import Connection, PeerCertificate


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "result"),
    [
        (RouteMatch(PathKind.PREFIX, "/pr/"), PathRewrite(prefix="/"), "/pr/foo?a", "/foo?a"),
        (RouteMatch(PathKind.PREFIX, "/a"), PathRewrite(prefix="/"), "/ax/y", "/x/y"),
        (RouteMatch(PathKind.SEPARATED_PREFIX, "/a"), PathRewrite(prefix="/"), "/a/x", "//x"),
        (RouteMatch(PathKind.PATH, "/a"), PathRewrite(prefix="/b"), "/a?q", "/b?q"),
        (RouteMatch(PathKind.REGEX, "/.*"), PathRewrite(prefix="/b"), "/a/c?q", "/b?q"),
        (
            RouteMatch(PathKind.PREFIX, "/"),
            PathRewrite(regex=RegexRewrite(compile_re2("^/(\\w+)"), "/v2/\\1")),
            "/a/b?/a",
            "/v2/a/b?/a",
        ),
    ],
)
def test_paths(match: RouteMatch, rewrite: PathRewrite, path: str, result: str) -> None:
    assert rewritten_path(path, rewrite, match) == result


def test_the_old_path_and_host_are_announced() -> None:
    headers = HeaderMap([(":path", "/a"), (":authority", "old")])
    rewrite_path(headers, PathRewrite(prefix="/b"), RouteMatch(PathKind.PREFIX, "/a"), announce=True)
    rewrite_host(headers, HostRewrite(literal="new", append_forwarded_host=True), announce=True)
    assert headers.get("x-envoy-original-path") == "/a"
    assert (headers.get("x-envoy-original-host"), headers.get("x-forwarded-host")) == ("old", "old")
    assert headers.get(":authority") == "new"


def redirect(**given: object) -> Redirect:
    fields = {
        "status": 301,
        "scheme": "",
        "https": False,
        "host": "",
        "port": 0,
        "path": "",
        "rewrite": PathRewrite(),
        "strip_query": False,
    }
    return Redirect(**{**fields, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "host", "location"),
    [
        ({"https": True}, "a:80", "https://a/x?q"),
        ({"https": True}, "a:8080", "https://a:8080/x?q"),
        ({"port": 81}, "a:80", "http://a:81/x?q"),
        ({"host": "b", "scheme": "ftp"}, "a", "ftp://b/x?q"),
        ({"path": "/n"}, "a", "http://a/n?q"),
        ({"path": "/n?m"}, "a", "http://a/n?m"),
        ({"path": "n", "strip_query": True}, "a", "http://a/n"),
        ({"https": True}, "[::1]:80", "https://[::1]/x?q"),
        ({"https": True}, "[::1]", "https://[::1]/x?q"),
    ],
)
def test_locations(given: dict[str, object], host: str, location: str) -> None:
    headers = HeaderMap([(":path", "/x?q"), (":authority", host), (":scheme", "http"), ("x-forwarded-proto", "http")])
    assert redirect_location(redirect(**given), headers) == location


def test_values_of_the_connection() -> None:
    connection = Connection(
        source="10.0.0.1",
        source_port=7,
        destination="10.0.0.2",
        destination_port=80,
        certificate=PeerCertificate(("spiffe://a",)),
    )
    context = FormatContext(
        HeaderMap([("a", "1")]),
        connection,
        Surroundings("spiffe://b"),
        "203.0.113.1",
        "sni",
        "r",
        "v",
        "c",
        "HTTP/1.1",
        200,
        {"f": {"k": {"s": "x", "n": 1.0}}},
    )
    assert context.format("%DYNAMIC_METADATA(f:k:s)% [%DYNAMIC_METADATA(f:none)%] %DYNAMIC_METADATA(f:k)%") == (
        'x [] {"n":1,"s":"x"}'
    )
    text = (
        "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_PEER_URI_SAN% "
        "%REQUESTED_SERVER_NAME% %UPSTREAM_CLUSTER% %RESPONSE_CODE% %REQ(b?a)%"
    )
    assert context.format(text) == "203.0.113.1:7 80 spiffe://a sni c 200 1"
