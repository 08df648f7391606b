"""How attempts end and what follows; the rows measured on Envoy are in tests/testing/test_failure_lab.py."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.decision import Flag, Policies
from meshsim.dataplane.decide.headers import decode_header_matcher
from meshsim.dataplane.decide.route_policies import decode_retry
from meshsim.dataplane.decide.upstream_ends import Attempt, End, finish
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

MS = 1_000_000


def retrying(tokens: str, retries: int = 1, **more: Any) -> Policies:
    body = {"retry_on": tokens, "num_retries": retries, **more}
    policy = decode_retry(from_json(body, route_components_pb2.RetryPolicy), [])
    return Policies(retry=policy, per_try_timeout=policy.per_try_timeout)


ANSWERS = {
    "503": Attempt(End.ANSWERED, 503),
    "500": Attempt(End.ANSWERED, 500),
    "409": Attempt(End.ANSWERED, 409),
    "429": Attempt(End.ANSWERED, 429),
    "limited": Attempt(End.ANSWERED, 503, headers=(("x-envoy-ratelimited", "true"),)),
    "unavailable": Attempt(End.ANSWERED, 200, headers=(("grpc-status", "14"),)),
}
TOKENS = {
    # reference table: Envoy 1.40, upstream behaviour and the tokens that retry
    End.CONNECTION_CLOSED: {"5xx", "gateway-error", "reset"},
    End.CONNECTION_REFUSED: {"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure"},
    End.REFUSED_STREAM: {"5xx", "gateway-error", "reset", "refused-stream"},
    End.OVERFLOW: set(),
    "503": {"5xx", "gateway-error"},
    "500": {"5xx"},
    "409": {"retriable-4xx"},
    "429": set(),
    "limited": {"envoy-ratelimited"},
    "unavailable": {"unavailable"},
}
ALL = sorted(set().union(*TOKENS.values()))


@pytest.mark.parametrize("what", list(TOKENS), ids=str)
def test_the_tokens_that_retry(what: End | str) -> None:
    attempt = ANSWERS[what] if isinstance(what, str) else Attempt(what)
    retried = {token for token in ALL if finish(retrying(token), (attempt, Attempt(End.ANSWERED))).attempts == 2}
    assert retried == TOKENS[what]


def test_a_good_answer_after_a_retry_shows_nothing_of_it() -> None:
    found = finish(retrying("5xx", 3), (Attempt(End.CONNECTION_CLOSED), Attempt(End.ANSWERED, 200, "ok")))
    assert (found.reply.status, found.reply.body, found.reply.flags, found.attempts) == (200, "ok", (), 2)


def test_statuses_and_headers_that_a_policy_names() -> None:
    codes = retrying("retriable-status-codes", retriable_status_codes=[429])
    assert finish(codes, (ANSWERS["429"],)).attempts == 2
    assert finish(codes, (ANSWERS["503"],)).attempts == 1
    again = {"name": "x-again", "present_match": True}
    named = retrying("retriable-headers", retriable_headers=[again])
    assert finish(named, (Attempt(End.ANSWERED, 200, headers=(("x-again", "1"),)),)).attempts == 2
    assert finish(named, (ANSWERS["503"],)).attempts == 1
    assert decode_header_matcher(from_json(again, route_components_pb2.HeaderMatcher), []) is not None


def test_the_first_limit_ends_a_silent_attempt() -> None:
    silent = (Attempt(End.SILENT),)
    for limits, details in (
        ({"timeout": 3 * MS, "idle_timeout": 2 * MS}, "stream_idle_timeout"),
        ({"timeout": 1 * MS, "idle_timeout": 2 * MS}, "response_timeout"),
        ({"max_stream_duration": 1 * MS, "timeout": 2 * MS}, "max_duration_timeout"),
    ):
        assert finish(Policies(**limits), silent).reply.details == details
    assert finish(Policies(timeout=2 * MS), silent, cluster_limit=MS).reply.flags == (Flag.UPSTREAM_MAX_DURATION,)


def test_tries_spend_the_route_timeout() -> None:
    policies = retrying("reset", 9, per_try_timeout="0.1s")._replace(timeout=350 * MS)
    found = finish(policies, (Attempt(End.SILENT),))
    assert (found.reply.details, found.attempts) == ("response_timeout", 4)


def test_after_headers_nothing_is_retried() -> None:
    found = finish(retrying("reset"), (Attempt(End.REMOTE_RESET, 200, "half", headers_sent=True),))
    assert (found.attempts, found.reply.details) == (1, "upstream_reset_after_response_started{remote_reset}")


def test_an_overloaded_breaker_says_so() -> None:
    assert finish(Policies(), (Attempt(End.OVERFLOW),)).reply.headers == (("x-envoy-overloaded", "true"),)
    refused = finish(retrying("5xx"), (ANSWERS["503"],), retries_allowed=False)
    assert (refused.reply.flags, refused.attempts) == ((Flag.UPSTREAM_OVERFLOW,), 1)
