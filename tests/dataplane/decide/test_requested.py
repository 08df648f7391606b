"""What requests ask for by header, as measured on Envoy 1.40."""

from __future__ import annotations

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.requested import (
    TIMEOUT,
    TRY_TIMEOUT,
    consume_requests,
    requested_hedge,
    requested_retry,
    requested_timeout,
    timeout_status,
)
from meshsim.dataplane.decide.route_policies import decode_retry
from meshsim.units import MILLISECOND
from meshsim.xds.messages import route_components_pb2

POLICY = decode_retry(route_components_pb2.RetryPolicy(retry_on="5xx"), [])


def headers(**values: str) -> HeaderMap:
    return HeaderMap([(f"x-envoy-{name.replace('_', '-')}", value) for name, value in values.items()])


def test_timeouts() -> None:
    found = headers(upstream_rq_timeout_ms="100", upstream_rq_per_try_timeout_ms="abc")
    assert requested_timeout(found, TIMEOUT) == 100 * MILLISECOND
    assert requested_timeout(found, TRY_TIMEOUT) is None
    assert requested_timeout(headers(upstream_rq_timeout_ms="0"), TIMEOUT) == 0


def test_hedging_and_the_answer_to_a_timeout() -> None:
    assert requested_hedge(True, HeaderMap())
    assert not requested_hedge(True, headers(hedge_on_per_try_timeout="false"))
    assert requested_hedge(False, headers(hedge_on_per_try_timeout="true"))
    assert not requested_hedge(False, headers(hedge_on_per_try_timeout="1"))
    assert timeout_status(HeaderMap()) == 504
    assert timeout_status(headers(upstream_rq_timeout_alt_response="0")) == 204


def test_a_policy_of_the_request_alone() -> None:
    assert requested_retry(None, headers(max_retries="2")) is None
    found = requested_retry(None, headers(retry_on="5xx, reset", retry_grpc_on="unavailable"))
    assert found is not None
    assert (found.retry_on, found.retries) == (("5xx", "reset", "unavailable"), 1)


def test_a_request_adds_to_the_route() -> None:
    assert requested_retry(POLICY, HeaderMap()) is POLICY
    asked = headers(
        retry_on="retriable-4xx", max_retries="5", retriable_status_codes="418,x,503", retriable_header_names="x-a"
    )
    found = requested_retry(POLICY, asked)
    assert found is not None
    assert (found.retry_on, found.retries, found.status_codes) == (("5xx", "retriable-4xx"), 5, (418, 503))
    assert [m.matches(HeaderMap([("x-a", "1")])) for m in found.retriable_headers] == [True]


def test_what_was_read_goes_no_further() -> None:
    asked = headers(retry_on="5xx", upstream_rq_timeout_ms="1", attempt_count="1")
    consume_requests(asked)
    assert [name for name, _ in asked.plain] == ["x-envoy-attempt-count"]
