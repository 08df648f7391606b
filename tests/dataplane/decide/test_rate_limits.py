"""Descriptors of requests, and the buckets that they are asked a token of."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.rate_limits import Descriptor, TokenBucket, asked_buckets, decode_rules, descriptors
from meshsim.dataplane.decide.strings import Notes
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

USER = {"request_headers": {"header_name": "X-User", "descriptor_key": "user"}}
DEFAULT = TokenBucket(20, 1, 100)
SLOW = TokenBucket(5, 1, 1000, (("user", "a"),))
QUICK = TokenBucket(5, 9, 100, (("method", "GET"),))
ANY = TokenBucket(2, 1, 100, (("user", ""),))


def found(*actions: dict[str, Any], stage: int = 0, notes: Notes | None = None, **headers: str) -> list[Descriptor]:
    message = from_json({"stage": stage, "actions": list(actions)}, route_components_pb2.RateLimit)
    rules = decode_rules([message], [] if notes is None else notes)
    return descriptors(rules, 0, HeaderMap(list(headers.items())), "10.0.0.1", "c")


@pytest.mark.parametrize(
    ("action", "entry"),
    [
        (USER | {}, ("user", "")),
        ({"remote_address": {}}, ("remote_address", "10.0.0.1")),
        ({"destination_cluster": {}}, ("destination_cluster", "c")),
        ({"generic_key": {"descriptor_value": "v"}}, ("generic_key", "v")),
        ({"generic_key": {"descriptor_value": "v", "descriptor_key": "k"}}, ("k", "v")),
    ],
)
def test_what_a_part_is(action: dict[str, Any], entry: tuple[str, str]) -> None:
    assert found(action, **{"x-user": ""}) == [(entry,)]


@pytest.mark.parametrize(("expect", "present", "applies"), [(True, True, 1), (True, False, 0), (False, False, 1)])
def test_headers_that_match_or_do_not(expect: bool, present: bool, applies: int) -> None:
    match = {"descriptor_value": "m", "headers": [{"name": "x-m", "present_match": True}], "expect_match": expect}
    headers = {"x-m": "1"} if present else {}
    assert found({"header_value_match": match}, **headers) == [(("header_match", "m"),)] * applies


def test_a_request_without_a_part_has_not_the_descriptor() -> None:
    """Unless the part may lack (skip_if_absent)."""
    key = {"generic_key": {"descriptor_value": "v"}}
    assert found(USER, key) == []
    lacking = {"request_headers": {**USER["request_headers"], "skip_if_absent": True}}
    assert found(lacking, key) == [(("generic_key", "v"),)]
    assert found(lacking) == []


def test_a_filter_looks_at_rules_of_its_stage() -> None:
    assert found({"remote_address": {}}, stage=1) == []


def test_other_parts_are_noted() -> None:
    notes: Notes = []
    assert found({"source_cluster": {}}, notes=notes) == []
    assert notes == ["rate limit action source_cluster"]


def test_buckets_are_asked_from_the_slowest_on_the_default_one_last() -> None:
    """Measured on 1.40 (rl-desc-two, rl-desc-default, rl-desc-nodefault of the recordings beside the conformance
    tests)."""
    requested = [QUICK.entries, SLOW.entries, (("user", "b"),)]
    assert asked_buckets([QUICK, SLOW], requested, DEFAULT, True) == [SLOW, QUICK, DEFAULT]
    assert asked_buckets([QUICK, SLOW], requested, DEFAULT, False) == [SLOW, QUICK]
    assert asked_buckets([QUICK, SLOW], [], DEFAULT, False) == [DEFAULT]
    assert asked_buckets([QUICK], [], None, True) == []


def test_a_bucket_for_any_value_is_one_for_each() -> None:
    """Measured on 1.40 (rl-desc-wild)."""
    own = [asked_buckets([ANY, SLOW], [(("user", user),)], None, True) for user in ("a", "b")]
    assert own == [[SLOW], [ANY._replace(entries=(("user", "b"),))]]
    assert asked_buckets([ANY], [(("user", "b"), ("more", "x"))], None, True) == []
