"""`proxy-config route` against a real istioctl, and rule by rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.exports.proxy_config_routes import describe_domains, describe_management, describe_match, route_table
from meshsim.xds.messages import base_pb2, route_components_pb2, route_pb2
from meshsim.xds.packing import from_json


@pytest.mark.needs_shared
@pytest.mark.parametrize(("table", "verbose"), [("route", True), ("route-not-verbose", False)])
def test_as_istioctl_prints_it(printed: Callable, table: str, verbose: bool) -> None:
    count = 0
    for proxy in printed("rds", table):
        got = route_table(proxy.resources, verbose)
        if len(proxy.resources) > 12:
            assert sorted(got.splitlines()) == sorted(proxy.text.splitlines()), proxy.name
        else:
            assert got == proxy.text, proxy.name
        count += 1
    assert count > 100


def test_longer_forms_of_a_name_are_left_out() -> None:
    domains = ["a.b.svc.cluster.local", "a.b.svc.cluster.local:80", "a", "a:80", "a.b.svc", "a.b", "10.0.0.1"]
    assert describe_domains(domains) == "a, a.b + 1 more..."
    assert describe_domains(["only:80"]) == "only:80"
    assert describe_domains(["[fd00::1]:80", "x"]) == "[fd00::1]:80, x"


def test_a_virtual_host_without_routes_is_a_404() -> None:
    host = route_components_pb2.VirtualHost(name="blackhole:80", domains=["*"])
    table = route_table([route_pb2.RouteConfiguration(name="http.8080", virtual_hosts=[host])])
    assert table.splitlines()[1].split() == ["http.8080", "blackhole:80", "*", "/*", "404"]


def test_passthrough_is_not_shown() -> None:
    body: dict[str, object] = {
        "name": "80",
        "virtual_hosts": [
            {"name": "x", "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster"}}]}
        ],
    }
    assert len(route_table([from_json(body, route_pb2.RouteConfiguration)]).splitlines()) == 1


def test_the_object_that_made_a_route() -> None:
    config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews"
    body: dict[str, object] = {"filter_metadata": {"istio": {"config": config}}}
    assert describe_management(from_json(body, base_pb2.Metadata)) == "reviews.shop"
    assert describe_management(base_pb2.Metadata()) == ""


def test_matches() -> None:
    match = route_components_pb2.RouteMatch
    assert describe_match(match(prefix="/api")) == "/api*"
    assert describe_match(match(path="/one")) == "/one"
    assert describe_match(from_json({"safe_regex": {"regex": "/a+"}}, match)) == "regex /a+"
