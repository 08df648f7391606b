"""Parts of route tables in words."""

from __future__ import annotations

import pytest

from meshsim.reporting.route_matches import describe_domains, describe_inline, describe_management, describe_match
from meshsim.xds.messages import base_pb2, route_components_pb2, route_pb2
from meshsim.xds.packing import from_json


@pytest.mark.parametrize(
    ("domains", "text"),
    [
        ([], ""),
        (["a.example.com:80"], "a.example.com:80"),
        (["10.0.0.1", "a", "a.x", "a.x.svc", "a.x.svc.cluster.local"], "10.0.0.1, a + 1 more..."),
        (["a", "a:80", "a.x", "a.x:80"], "a, a.x"),
        (["[fd00:10:96::1]", "[fd00:10:96::1]:80", "b"], "[fd00:10:96::1], b"),
    ],
)
def test_domains(domains: list[str], text: str) -> None:
    assert describe_domains(domains) == text


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ({"prefix": "/"}, "/*"),
        ({"path": "/x"}, "/x"),
        ({"path_separated_prefix": "/x"}, "PathPrefix:/x"),
        ({"safe_regex": {"regex": "/a.*"}}, "regex /a.*"),
        ({"prefix": "/x", "headers": [{"name": "h"}]}, "/x*"),
    ],
)
def test_matches(match: dict[str, object], text: str) -> None:
    assert describe_match(from_json(match, route_components_pb2.RouteMatch)) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/apis/networking.istio.io/v1/namespaces/books/virtual-service/reviews", "reviews.books"),
        ("/apis/networking.istio.io/v1alpha3/namespaces/books/destination-rule/r", "r.books"),
        ("/apis/other.io/v1/namespaces/books/thing/r", "<unknown>"),
    ],
)
def test_who_manages_it(path: str, text: str) -> None:
    metadata = from_json({"filter_metadata": {"istio": {"config": path}}}, base_pb2.Metadata)
    assert describe_management(metadata) == text
    assert describe_management(base_pb2.Metadata()) == ""


def test_tables_inside_a_listener() -> None:
    everything = {
        "domains": ["*"],
        "name": "a",
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "in|80||"}}],
    }
    assert (
        describe_inline(from_json({"virtual_hosts": [everything]}, route_pb2.RouteConfiguration)) == "Cluster: in|80||"
    )
    some = {"domains": ["a", "b"], "name": "a", "routes": [{"match": {"path": "/x"}}, {"match": {"prefix": "/y"}}]}
    table = from_json({"virtual_hosts": [some]}, route_pb2.RouteConfiguration)
    assert describe_inline(table) == "Inline Route: a/b /x, /y*"
