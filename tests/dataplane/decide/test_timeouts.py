"""Timeouts of a request: the rules of routes with and without stream duration, and of gRPC."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.route_decoding import decode_route_configuration
from meshsim.dataplane.decide.routes import Forward
from meshsim.dataplane.decide.timeouts import (
    announce_timeouts,
    format_grpc_timeout,
    parse_grpc_timeout,
    request_timeouts,
)
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.verify.dynamics_proxy import LATENCY
from meshsim.xds.messages import route_pb2
from meshsim.xds.packing import from_json

GRPC = ("content-type", "application/grpc")


def forward(**action: Any) -> Forward:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c", **action}}
    body = {"name": "t", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}
    found = decode_route_configuration(from_json(body, route_pb2.RouteConfiguration)).virtual_hosts[0].routes[0].action
    assert isinstance(found, Forward)
    return found


def timeout(action: Forward, *lines: tuple[str, str]) -> int:
    return request_timeouts(action, HeaderMap(lines), None).route


def test_route_timeout() -> None:
    assert timeout(forward()) == 15 * SECOND
    assert timeout(forward(timeout="0s")) == 0
    assert timeout(forward(timeout="9s", max_stream_duration={"max_stream_duration": "0s"})) == 0, "not used then"


def test_grpc_takes_its_own_timeout_up_to_the_limit() -> None:
    istio = forward(timeout="3s", max_grpc_timeout="0s")
    assert timeout(istio, GRPC) == 0
    assert timeout(istio, GRPC, ("grpc-timeout", "1S")) == SECOND
    assert timeout(istio) == 3 * SECOND, "another request keeps the route's"
    limited = forward(max_grpc_timeout="2s")
    assert timeout(limited, GRPC, ("grpc-timeout", "5S")) == 2 * SECOND
    assert timeout(limited, GRPC) == 2 * SECOND


def test_a_per_try_timeout_above_the_route_timeout_is_ignored() -> None:
    action = forward(timeout="1s", retry_policy={"retry_on": "5xx", "per_try_timeout": "2s"})
    assert request_timeouts(action, HeaderMap(), None).per_try == 0
    action = forward(timeout="0s", retry_policy={"retry_on": "5xx", "per_try_timeout": "2s"})
    assert request_timeouts(action, HeaderMap(), None).per_try == 2 * SECOND


def test_stream_duration() -> None:
    assert request_timeouts(forward(), HeaderMap(), 5 * SECOND).stream == 5 * SECOND
    off = forward(max_stream_duration={"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"})
    assert request_timeouts(off, HeaderMap(), 5 * SECOND).stream is None
    assert request_timeouts(off, HeaderMap([GRPC, ("grpc-timeout", "2S")]), None).stream == 2 * SECOND


def test_a_client_that_allows_nothing_ends_at_once() -> None:
    """Measured on 1.40 (timeout-grpc-0, -2): 0 ms, and 50 ms less an offset of 60 ms; not a malformed header. It took
    less than a millisecond, in which a connection was made and the host got the request: three ways to it."""
    limited = forward(max_stream_duration={"grpc_timeout_header_max": "1s", "grpc_timeout_header_offset": "0.06s"})
    for text, ends in (("0m", True), ("50m", True), ("70m", False), ("bad", False)):
        found = request_timeouts(limited, HeaderMap([GRPC, ("grpc-timeout", text)]), None).stream
        assert (found is not None and 3 * LATENCY <= found < MILLISECOND) is ends


@pytest.mark.parametrize(("respects", "milliseconds"), [(True, 100), (False, 400)])
def test_what_another_envoy_has_announced(respects: bool, milliseconds: int) -> None:
    """Measured on 1.40 (timeout-respect-*)."""
    announced, asked = ("x-envoy-expected-rq-timeout-ms", "100"), ("x-envoy-upstream-rq-timeout-ms", "400")
    both = request_timeouts(forward(), HeaderMap([announced, asked]), None, respects)
    assert both.route == milliseconds * MILLISECOND
    assert request_timeouts(forward(), HeaderMap([asked]), None, respects).route == 400 * MILLISECOND


def test_what_the_upstream_is_told() -> None:
    headers = HeaderMap()
    action = forward(timeout="0.5s")
    announce_timeouts(action, headers, request_timeouts(action, headers, None), announce=True)
    assert headers.get("x-envoy-expected-rq-timeout-ms") == "500"
    headers = HeaderMap([GRPC])
    action = forward(max_grpc_timeout="1s")
    announce_timeouts(action, headers, request_timeouts(action, headers, None), announce=True)
    assert headers.get("grpc-timeout") == "1000m"


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1H", 3600 * SECOND),
        ("5m", 5 * MILLISECOND),
        ("1u", MILLISECOND),
        ("0m", 0),
        ("x", None),
        ("", None),
        ("²S", None),
        ("٣S", None),
    ],
)
def test_parsing(text: str, nanos: int | None) -> None:
    assert parse_grpc_timeout(text) == nanos


def test_formatting() -> None:
    assert format_grpc_timeout(1000) == "1000m"
    assert format_grpc_timeout(100_000_000) == "100000S"
