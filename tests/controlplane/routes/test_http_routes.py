from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.routes.http_routes import (
    build_default_route,
    build_http_route,
    build_http_routes,
    trace_operation,
)
from meshsim.controlplane.virtual_services import ROUTE_SEMANTICS_ANNOTATION

TO_A = "route: [{destination: {host: a.com, port: {number: 80}}}]"


def test_each_condition_is_a_route_up_to_one_that_takes_everything(
    virtual_service: Callable[..., Any], context: Callable[..., Any]
) -> None:
    made = build_http_routes(
        virtual_service(
            f"{{hosts: [a], http: [{{match: [{{uri: {{exact: /1}}}}, {{uri: {{prefix: /2}}}}], {TO_A}}},"
            f" {{match: [{{uri: {{prefix: /}}}}, {{uri: {{exact: /3}}}}], {TO_A}}}, {{{TO_A}}}]}}"
        ),
        context(),
    )
    assert [route.match.path or route.match.prefix for route in made] == ["/1", "/2", "/"]


def test_an_entry_without_match_ends_the_list(virtual_service: Callable[..., Any], context: Callable[..., Any]) -> None:
    made = build_http_routes(virtual_service(f"{{hosts: [a], http: [{{{TO_A}}}, {{{TO_A}}}]}}"), context())
    assert len(made) == 1


@pytest.mark.parametrize(("port", "count"), [(80, 1), (81, 0)])
def test_a_port_in_a_condition_is_that_of_the_listener(
    virtual_service: Callable[..., Any], context: Callable[..., Any], port: int, count: int
) -> None:
    item = virtual_service(f"{{hosts: [a], http: [{{match: [{{port: {port}}}], {TO_A}}}]}}")
    assert len(build_http_routes(item, context())) == count


@pytest.mark.parametrize(
    ("match", "operation"),
    [
        ("{uri: {prefix: /x}}", "a.com:80/x*"),
        ("{uri: {exact: /x}}", "a.com:80/x"),
        ("{uri: {regex: /x.}}", "a.com:80/x."),
        ("{}", "a.com:80/*"),
    ],
)
def test_names_and_what_they_are_for(
    plain: Callable[[Any], Any],
    virtual_service: Callable[..., Any],
    context: Callable[..., Any],
    match: str,
    operation: str,
) -> None:
    item = virtual_service(f"{{hosts: [a], http: [{{name: n, match: [{match}], {TO_A}}}]}}")
    made = build_http_routes(item, context())[0]
    assert made.name == "n"
    assert made.decorator.operation == operation
    assert plain(made.metadata) == {
        "filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/front"}}
    }


def test_the_name_of_a_condition_follows(virtual_service: Callable[..., Any], context: Callable[..., Any]) -> None:
    item = virtual_service(f"{{hosts: [a], http: [{{name: n, match: [{{name: m, statPrefix: s}}], {TO_A}}}]}}")
    (http,) = item.spec.items("http")
    named = build_http_route(item, http, http.items("match")[0], context())
    assert named is not None
    assert (named.name, named.stat_prefix) == ("n.m", "s")


def test_without_a_single_cluster_the_operation_names_the_virtual_service(
    virtual_service: Callable[..., Any], context: Callable[..., Any]
) -> None:
    item = virtual_service("{hosts: [a], http: [{directResponse: {status: 200}}]}")
    (made,) = build_http_routes(item, context())
    assert made.decorator.operation == "front:80/*"


def test_filters_have_their_settings_on_the_route(
    virtual_service: Callable[..., Any], context: Callable[..., Any]
) -> None:
    item = virtual_service(
        f"{{hosts: [a], http: [{{fault: {{abort: {{httpStatus: 500}}}}, corsPolicy: {{}}, {TO_A}}}]}}"
    )
    (made,) = build_http_routes(item, context())
    assert sorted(made.typed_per_filter_config) == ["envoy.filters.http.cors", "envoy.filters.http.fault"]


def test_prefixes_of_an_ingress_are_whole_segments(
    virtual_service: Callable[..., Any], context: Callable[..., Any]
) -> None:
    text = f"{{hosts: [a], http: [{{match: [{{uri: {{prefix: /x}}}}], {TO_A}}}]}}"
    (made,) = build_http_routes(virtual_service(text, {ROUTE_SEMANTICS_ANNOTATION: "ingress"}), context())
    assert made.match.path_separated_prefix == "/x"
    assert made.route.cluster_not_found_response_code == 0


def test_the_default_route(plain: Callable[[Any], Any]) -> None:
    made = plain(build_default_route("a.shop", 80, None, None))
    assert made["name"] == "default"
    assert made["match"] == {"prefix": "/"}
    assert made["route"]["cluster"] == "outbound|80||a.shop"
    assert made["decorator"] == {"operation": trace_operation("a.shop", 80)} == {"operation": "a.shop:80/*"}
    assert made["route"]["retry_policy"]["retry_host_predicate"]


def test_the_default_route_with_consistent_hashing(fields: Callable[[str], Any], plain: Callable[[Any], Any]) -> None:
    made = plain(build_default_route("a.shop", 80, None, fields("{useSourceIp: true}")))
    assert made["route"]["hash_policy"] == [{"connection_properties": {"source_ip": True}}]
    assert made["route"]["retry_policy"]["retry_host_predicate"]
