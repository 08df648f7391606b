"""Bytes put together from parts are those of the whole message."""

from __future__ import annotations

import pytest

from meshsim.controlplane.routes.hosts import (
    NO_ROUTES,
    BuiltRoute,
    HostEntry,
    HostHead,
    HostRoutes,
    encode_configuration,
    encode_empty_configuration,
    encode_host,
)
from meshsim.xds.messages import route_components_pb2, route_pb2, wrappers_pb2


def route(prefix: str) -> route_components_pb2.Route:
    match = route_components_pb2.RouteMatch(prefix=prefix)
    return route_components_pb2.Route(
        match=match, direct_response=route_components_pb2.DirectResponseAction(status=200)
    )


@pytest.mark.parametrize("attempt_count", [False, True])
@pytest.mark.parametrize("https_only", [False, True])
def test_parts_make_the_whole(attempt_count: bool, https_only: bool) -> None:
    routes = [route("/a"), route("/" + "x" * 300), route("/")]
    parts = HostRoutes.of(map(BuiltRoute.of, routes), attempt_count, https_only=https_only)
    made = encode_configuration("80", [encode_host(HostEntry(HostHead.of("h:80", ["a", "b"]), parts))] * 2)
    host = route_components_pb2.VirtualHost(
        name="h:80",
        domains=["a", "b"],
        routes=routes,
        require_tls=route_components_pb2.VirtualHost.ALL if https_only else route_components_pb2.VirtualHost.NONE,
        include_request_attempt_count=attempt_count,
    )
    whole = route_pb2.RouteConfiguration(
        name="80",
        virtual_hosts=[host, host],
        validate_clusters=wrappers_pb2.BoolValue(value=False),
        max_direct_response_body_size_bytes=wrappers_pb2.UInt32Value(value=1024 * 1024),
        ignore_port_in_host_matching=True,
    )
    assert made == whole.SerializeToString(deterministic=True)


def test_catch_alls_are_known() -> None:
    assert BuiltRoute.of(route("/")).catch_all
    assert not BuiltRoute.of(route("/a")).catch_all


def test_nothing_is_empty() -> None:
    assert NO_ROUTES.body == b""
    empty = route_pb2.RouteConfiguration.FromString(encode_empty_configuration("x"))
    assert empty.name == "x"
    assert not empty.virtual_hosts
    assert empty.HasField("validate_clusters")
