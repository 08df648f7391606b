"""Which tables ask for their clusters to exist (measured on Envoy 1.40: tests/conformance/test_envoy_nacks.py)."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import http_listener

from meshsim.dataplane.decide.cluster_validation import unknown_cluster
from meshsim.dataplane.decide.listeners import decode_listener
from meshsim.dataplane.decide.route_decoding import decode_route_configuration
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.xds.messages import listener_pb2, route_pb2
from meshsim.xds.packing import from_json


def table(action: dict[str, Any], **more: Any) -> RouteConfiguration:
    routes = [{"match": {"prefix": "/"}, "route": action}]
    hosts = [{"name": "v", "domains": ["*"], "routes": routes}]
    return decode_route_configuration(
        from_json({"name": "t", "virtual_hosts": hosts, **more}, route_pb2.RouteConfiguration)
    )


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"cluster": "nope"}, "route: unknown cluster 'nope'"),
        (
            {"weighted_clusters": {"clusters": [{"name": "nope", "weight": 1}]}},
            "route: unknown weighted cluster 'nope'",
        ),
        (
            {"cluster": "known", "request_mirror_policies": [{"cluster": "nope"}]},
            "route: unknown shadow cluster 'nope'",
        ),
        ({"cluster": "known"}, ""),
        ({"cluster": "warms"}, ""),
        ({"cluster_header": "x"}, ""),
    ],
)
def test_a_table_that_asks_for_it(action: dict[str, Any], reason: str) -> None:
    known = ({"known": 1}, {"warms": 1})
    assert unknown_cluster(table(action, validate_clusters=True), known) == reason
    assert unknown_cluster(table(action), known) == "", "by RDS only if it says so"


def test_an_inline_table_unless_it_says_otherwise() -> None:
    body = http_listener([{"match": {"prefix": "/"}, "route": {"cluster": "nope"}}])
    inline = body["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    assert unknown_cluster(decode_listener(from_json(body, listener_pb2.Listener)), ()) == ""
    del inline["validate_clusters"]
    assert unknown_cluster(decode_listener(from_json(body, listener_pb2.Listener)), ()) != ""
