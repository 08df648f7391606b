from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.routes.retry import build_retry_policy

DEFAULT_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


def test_without_a_policy_two_retries_elsewhere(plain: Callable[[Any], Any]) -> None:
    """The defaults of https://istio.io/latest/docs/concepts/traffic-management/#retries."""
    made = plain(build_retry_policy(None, False))
    assert made["num_retries"] == 2
    assert made["retry_on"] == DEFAULT_ON
    assert made["host_selection_retry_max_attempts"] == "5"
    assert [item["name"] for item in made["retry_host_predicate"]] == ["envoy.retry_host_predicates.previous_hosts"]


def test_consistent_hashing_may_choose_the_same_host_again() -> None:
    made = build_retry_policy(None, True)
    assert made is not None
    assert not made.retry_host_predicate


def test_no_attempts_is_no_policy(fields: Callable[[str], Any]) -> None:
    assert build_retry_policy(fields("{attempts: 0}"), False) is None


def test_all_settings(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    policy = fields(
        "{attempts: 3, perTryTimeout: 2s, retryOn: '5xx, 503,reset,foo', backoff: 100ms, retryRemoteLocalities: true}"
    )
    made = plain(build_retry_policy(policy, False))
    assert made["num_retries"] == 3
    assert made["per_try_timeout"] == "2s"
    assert made["retry_on"] == "5xx,reset,foo,retriable-status-codes"
    assert made["retriable_status_codes"] == [503]
    assert made["retry_back_off"] == {"base_interval": "0.100s"}
    assert made["retry_priority"]["name"] == "envoy.retry_priorities.previous_priorities"


def test_a_number_that_is_no_status_stays_a_condition(fields: Callable[[str], Any]) -> None:
    made = build_retry_policy(fields("{attempts: 1, retryOn: '5xx,999'}"), False)
    assert made is not None
    assert made.retry_on == "5xx,999"
    assert not made.retriable_status_codes


def test_previous_hosts_may_be_taken_again(fields: Callable[[str], Any]) -> None:
    for hashed in (False, True):
        off = build_retry_policy(fields("{attempts: 1, retryIgnorePreviousHosts: false}"), hashed)
        on = build_retry_policy(fields("{attempts: 1, retryIgnorePreviousHosts: true}"), hashed)
        assert off is not None
        assert on is not None
        assert not off.retry_host_predicate
        assert len(on.retry_host_predicate) == 1
