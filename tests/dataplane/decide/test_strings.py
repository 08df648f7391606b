"""String matchers and address ranges."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import (
    StringKind,
    ascii_lower,
    decode_cidr,
    decode_string_matcher,
    in_any,
    in_network,
    longest_prefix,
    parse_ip,
)
from meshsim.xds.messages import address_pb2, string_pb2
from meshsim.xds.packing import from_json


@pytest.mark.parametrize(
    ("body", "text", "matches"),
    [
        ({"exact": "a"}, "a", True),
        ({"exact": ""}, "", True),
        ({"exact": "a"}, "A", False),
        ({"exact": "Ab", "ignore_case": True}, "aB", True),
        ({"prefix": "ab"}, "abc", True),
        ({"suffix": "bc"}, "abc", True),
        ({"contains": "B", "ignore_case": True}, "abc", True),
        ({"safe_regex": {"regex": "a|b"}}, "ab", False),
        ({"safe_regex": {"regex": "A"}, "ignore_case": True}, "a", False),
    ],
)
def test_matchers(body: dict[str, Any], text: str, matches: bool) -> None:
    assert decode_string_matcher(from_json(body, string_pb2.StringMatcher), []).matches(text) is matches


def test_an_empty_or_absent_pattern_is_refused() -> None:
    for body in ({}, {"prefix": ""}, {"safe_regex": {}}):
        with pytest.raises(ResourceRejectedError):
            decode_string_matcher(from_json(body, string_pb2.StringMatcher), [])


def test_what_cannot_be_evaluated_is_noted_and_never_matches() -> None:
    notes: list[str] = []
    matcher = decode_string_matcher(from_json({"safe_regex": {"regex": "\\pL"}}, string_pb2.StringMatcher), notes)
    assert matcher.kind is StringKind.REGEX
    assert not matcher.matches("a")
    assert len(notes) == 1


def test_lower_case_is_that_of_ascii() -> None:
    assert ascii_lower("ÀB") == "Àb"


def test_ranges() -> None:
    def cidr(prefix: str, length: int) -> Any:
        return decode_cidr(from_json({"address_prefix": prefix, "prefix_len": length}, address_pb2.CidrRange))

    wide, narrow, six = cidr("10.1.2.3", 8), cidr("10.1.0.0", 16), cidr("::", 0)
    address = parse_ip("10.1.9.9")
    assert str(wide) == "10.0.0.0/8"
    assert longest_prefix(address, [wide, narrow, six]) == 16
    assert not in_network(address, six), "families never mix"
    assert in_any(parse_ip("::1"), [wide, six])
    assert parse_ip("/var/run/pipe") is None
    assert not in_network(None, wide)
    with pytest.raises(ResourceRejectedError, match="malformed IP address: nope"):
        cidr("nope", 8)
