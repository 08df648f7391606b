"""Header and query matchers as measured on Envoy 1.40 (checked again by the differential test)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.headers import (
    HeaderMap,
    decode_header_matcher,
    decode_query_matcher,
    query_parameters,
)
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json


def matches(body: dict[str, Any], *lines: tuple[str, str]) -> bool:
    matcher = decode_header_matcher(from_json(body, route_components_pb2.HeaderMatcher), [])
    return matcher.matches(HeaderMap(lines))


@pytest.mark.parametrize(
    ("body", "lines", "expected"),
    [
        ({"name": "x"}, [], False),
        ({"name": "x"}, [("x", "")], True),
        ({"name": "x", "present_match": False}, [], True),
        ({"name": "x", "present_match": True, "invert_match": True}, [], True),
        ({"name": "x", "string_match": {"exact": "a"}, "invert_match": True}, [], False),
        ({"name": "x", "string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, [], True),
        ({"name": "x", "string_match": {"exact": ""}}, [("x", "a")], False),
        ({"name": "x", "exact_match": ""}, [("x", "a")], True),
        ({"name": "X", "string_match": {"exact": "a"}}, [("x", "a")], True),
        ({"name": "x", "range_match": {"start": 10, "end": 11}}, [("x", "010")], True),
        ({"name": "x", "range_match": {"start": 10, "end": 11}}, [("x", "11")], False),
        ({"name": "x", "range_match": {"start": 10, "end": 11}}, [("x", "10.5")], False),
        ({"name": "x", "range_match": {"start": 10, "end": 11}, "invert_match": True}, [("x", "10.5")], True),
        ({"name": "x", "range_match": {"start": 0, "end": 9}}, [("x", "9223372036854775808")], False),
        ({"name": "host", "string_match": {"exact": "a"}}, [(":authority", "a")], True),
    ],
)
def test_one_value(body: dict[str, Any], lines: list[tuple[str, str]], expected: bool) -> None:
    assert matches(body, *lines) is expected


def test_repeated_headers_are_tested_value_by_value() -> None:
    twice = (("x", "a"), ("x", "b"))
    assert matches({"name": "x", "string_match": {"exact": "b"}}, *twice)
    assert not matches({"name": "x", "string_match": {"exact": "a,b"}}, *twice)
    assert not matches({"name": "x", "string_match": {"exact": "b"}, "invert_match": True}, *twice)
    assert matches({"name": "cookie", "string_match": {"exact": "b"}}, ("cookie", "a"), ("cookie", "b"))


def test_headers_of_one_entry_are_joined_when_they_arrive() -> None:
    twice = (("user-agent", "a"), ("user-agent", "b"))
    assert matches({"name": "user-agent", "string_match": {"exact": "a,b"}}, *twice)
    assert not matches({"name": "user-agent", "string_match": {"exact": "b"}}, *twice)
    empty_first = (("user-agent", ""), ("user-agent", "b"))
    assert matches({"name": "user-agent", "string_match": {"exact": "b"}}, *empty_first)


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ({"name": "a", "string_match": {"exact": "1"}}, "/?a=1&a=2", True),
        ({"name": "a", "string_match": {"exact": "2"}}, "/?a=1&a=2", False),
        ({"name": "a", "string_match": {"exact": "1"}}, "/?a=%31", False),
        ({"name": "a", "string_match": {"exact": ""}}, "/?a", True),
        ({"name": "a", "present_match": True}, "/?a=", True),
        ({"name": "a", "present_match": False}, "/?b", True),
        ({"name": "a"}, "/?A=1", False),
        ({"name": "a"}, "/", False),
    ],
)
def test_query(body: dict[str, Any], path: str, expected: bool) -> None:
    matcher = decode_query_matcher(from_json(body, route_components_pb2.QueryParameterMatcher), [])
    assert matcher.matches(query_parameters(path)) is expected


def test_the_map_keeps_order_and_replaces() -> None:
    headers = HeaderMap([("a", "1"), ("b", "2")])
    headers.set("a", "3")
    copy = headers.copy()
    assert copy.remove("b")
    assert not copy.remove("b")
    assert list(headers) == [("a", "3"), ("b", "2")]
    assert list(copy) == [("a", "3")]
