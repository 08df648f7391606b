"""What is hashed of a request (Envoy test/common/http/hash_policy_test.cc)."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.hash_policies import RequestHash, cookie_value, request_hash
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.routes import HashPolicy, HashSource
from meshsim.dataplane.hashing import combine_hashes, xx_hash64, xx_hash64_all

CLIENT = "10.1.2.3"
HEADERS = HeaderMap(
    [(":path", "/a?u=7&u=8&v="), ("x-a", "one"), ("x-m", "foo"), ("x-m", "bar"), ("cookie", 'other=1; s="abc"; t=')]
)


def of(*policies: HashPolicy, source: str | None = CLIENT) -> RequestHash:
    return request_hash(policies, HEADERS, source)


def policy(source: HashSource, name: str = "", *, terminal: bool = False, ttl: int | None = None) -> HashPolicy:
    return HashPolicy(source, name, terminal, ttl)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (policy(HashSource.HEADER, "x-a"), "one"),
        (policy(HashSource.COOKIE, "s"), "abc"),
        (policy(HashSource.QUERY_PARAMETER, "u"), "7"),
        (policy(HashSource.QUERY_PARAMETER, "v"), ""),
        (policy(HashSource.SOURCE_IP), CLIENT),
    ],
)
def test_one_policy(found: HashPolicy, text: str) -> None:
    assert of(found) == RequestHash(xx_hash64(text.encode()))


@pytest.mark.parametrize(
    "found",
    [
        policy(HashSource.HEADER, "x-none"),
        policy(HashSource.COOKIE, "t"),
        policy(HashSource.QUERY_PARAMETER, "w"),
        policy(HashSource.FILTER_STATE, "k"),
    ],
)
def test_nothing_to_hash(found: HashPolicy) -> None:
    assert of(found) == RequestHash(None)


def test_values_of_a_header_count_in_their_order_of_text() -> None:
    assert of(policy(HashSource.HEADER, "x-m")) == RequestHash(xx_hash64_all([b"bar", b"foo"]))


def test_several_policies_and_a_terminal_one() -> None:
    a, b = xx_hash64(b"one"), xx_hash64(b"abc")
    first, second = policy(HashSource.HEADER, "x-a"), policy(HashSource.COOKIE, "s")
    assert of(first, second) == RequestHash(combine_hashes([(a, False), (b, False)]))
    assert of(first._replace(terminal=True), second) == RequestHash(a)
    assert of(policy(HashSource.HEADER, "x-none", terminal=True), second) == RequestHash(b)


def test_clients_that_differ_have_hashes_of_their_own() -> None:
    made_up = policy(HashSource.COOKIE, "session", ttl=0)
    assert of(made_up) == RequestHash(None, by_session=True)
    assert of(policy(HashSource.SOURCE_IP), source=None) == RequestHash(None, by_session=True)
    assert of(policy(HashSource.HEADER, "x-a", terminal=True), made_up) == RequestHash(xx_hash64(b"one"))


def test_cookies() -> None:
    assert cookie_value(HEADERS, "other") == "1"
    assert cookie_value(HEADERS, "nothing") == ""
