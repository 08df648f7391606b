"""Delegates' routes; the cases follow istio pilot/pkg/model/virtualservice_test.go (TestMergeHTTPRoute and others)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from meshsim.api import Fields
from meshsim.controlplane.delegates import merge_routes


def merge(root: str, *delegate: str) -> list[Any]:
    return list(merge_routes(Fields(yaml.safe_load(root)), [Fields(yaml.safe_load(text)) for text in delegate]))


def test_a_root_without_match_leaves_the_delegate_as_it_is() -> None:
    assert merge("{}", "{match: [{uri: {prefix: /a}}], timeout: 1s}") == [
        {"match": [{"uri": {"prefix": "/a"}}], "timeout": "1s"}
    ]


def test_a_delegate_without_match_takes_the_roots() -> None:
    assert merge("{match: [{uri: {prefix: /a}}]}", "{timeout: 1s}") == [
        {"match": [{"uri": {"prefix": "/a"}}], "timeout": "1s"}
    ]


def test_conditions_are_joined() -> None:
    root = "{match: [{uri: {prefix: /a}, headers: {x: {exact: '1'}}, sourceLabels: {app: w}, port: 80}]}"
    leaf = "{match: [{uri: {prefix: /a/b}, headers: {y: {exact: '2'}}, gateways: [mesh]}]}"
    assert merge(root, leaf) == [
        {
            "match": [
                {
                    "uri": {"prefix": "/a/b"},
                    "headers": {"x": {"exact": "1"}, "y": {"exact": "2"}},
                    "sourceLabels": {"app": "w"},
                    "gateways": ["mesh"],
                    "port": 80,
                }
            ]
        }
    ]


def test_every_pair_that_agrees_becomes_a_condition() -> None:
    root = "{match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}, {headers: {x: {exact: '1'}}}]}"
    leaf = "{match: [{uri: {prefix: /a/c}}]}"
    assert [route["match"] for route in merge(root, leaf)] == [
        [{"uri": {"prefix": "/a/c"}}, {"uri": {"prefix": "/a/c"}, "headers": {"x": {"exact": "1"}}}]
    ]


@pytest.mark.parametrize(
    ("root", "leaf"),
    [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /b}}"),
        ("{uri: {exact: /a}}", "{uri: {exact: /b}}"),
        ("{uri: {exact: /a}}", "{uri: {prefix: /a}}"),
        ("{uri: {regex: a}}", "{uri: {regex: a}}"),
        ("{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}"),
        ("{sourceLabels: {a: b}}", "{sourceLabels: {a: c}}"),
        ("{sourceNamespace: a}", "{sourceNamespace: b}"),
        ("{port: 80}", "{port: 81}"),
        ("{gateways: [a]}", "{gateways: [a, b]}"),
        ("{gateways: [a, b]}", "{gateways: [c]}"),
        ("{ignoreUriCase: true, uri: {prefix: /a}}", "{uri: {prefix: /a}}"),
    ],
)
def test_a_contradiction_leaves_the_route_out(root: str, leaf: str) -> None:
    assert merge(f"{{match: [{root}]}}", f"{{match: [{leaf}]}}", "{name: other}") == [
        {"name": "other", "match": [yaml.safe_load(root)]}
    ]


def test_what_a_delegate_does_not_set_it_inherits() -> None:
    root = "{name: root, timeout: 5s, retries: {attempts: 1}, headers: {request: {set: {a: b}}}}"
    leaf = "{name: leaf, timeout: 1s, route: [{destination: {host: a}}]}"
    assert merge(root, leaf) == [
        {
            "name": "root-leaf",
            "timeout": "1s",
            "retries": {"attempts": 1},
            "headers": {"request": {"set": {"a": "b"}}},
            "route": [{"destination": {"host": "a"}}],
        }
    ]
