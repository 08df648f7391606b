"""Policies of routes: what is noted or refused (values: test_route_decoding.py)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.chances import ALWAYS
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_policies import (
    decode_hash_policy,
    decode_mirror,
    decode_regex_rewrite,
    decode_retry,
)
from meshsim.xds.messages import regex_pb2, route_components_pb2
from meshsim.xds.packing import from_json

PRIORITIES = "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"


def retry(notes: list[str], **body: Any) -> Any:
    return decode_retry(from_json(body, route_components_pb2.RetryPolicy), notes)


def test_retry_plugins() -> None:
    notes: list[str] = []
    priority = {"name": "p", "typed_config": {"@type": PRIORITIES, "update_frequency": 2}}
    assert retry(notes, retry_priority=priority).previous_priorities == 2
    assert retry(notes, retry_host_predicate=[{"name": "envoy.retry_host_predicates.omit_canary_hosts"}]).omit_canary
    typed = "type.googleapis.com/envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate"
    assert retry(notes, retry_host_predicate=[{"name": "any", "typed_config": {"@type": typed}}]).omit_canary
    retry(notes, retry_host_predicate=[{"name": "envoy.retry_host_predicates.omit_host_metadata"}])
    assert notes == ["retry host predicate envoy.retry_host_predicates.omit_host_metadata"]
    limited = {"reset_headers": [{"name": "Retry-After"}, {"name": "x-at", "format": "UNIX_TIMESTAMP"}]}
    found = retry([], rate_limited_retry_back_off=limited)
    assert found.reset_headers == (("retry-after", False), ("x-at", True))
    assert found.reset_longest == 300_000_000_000
    assert retry([], retry_back_off={"base_interval": "0.0001s"}).backoff_base == 1_000_000, (
        "below a millisecond counts as one"
    )
    with pytest.raises(ResourceRejectedError, match="max_interval"):
        retry([], retry_back_off={"base_interval": "2s", "max_interval": "1s"})


def test_hash_policies() -> None:
    notes: list[str] = []
    policy = route_components_pb2.RouteAction.HashPolicy
    decode_hash_policy(from_json({"filter_state": {"key": "k"}}, policy), notes)
    assert notes == ["hash policy on filter state"]
    with pytest.raises(ResourceRejectedError):
        decode_hash_policy(policy(), [])


def test_mirrors_and_rewrites() -> None:
    mirror = decode_mirror(from_json({"cluster": "m"}, route_components_pb2.RouteAction.RequestMirrorPolicy))
    assert (mirror.fraction, mirror.suffix) == (ALWAYS, True)
    with pytest.raises(ResourceRejectedError, match="missing \\)"):
        decode_regex_rewrite(from_json({"pattern": {"regex": "(a"}}, regex_pb2.RegexMatchAndSubstitute))


def test_hosts_that_retries_omit_by_their_labels() -> None:
    kind = "type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"
    notes: list[str] = []
    labels = {"metadata_match": {"filter_metadata": {"envoy.lb": {"stage": "b", "zone": "z"}}}}
    found = retry(notes, retry_host_predicate=[{"name": "m", "typed_config": {"@type": kind, **labels}}])
    assert (found.omitted, found.avoids) == (((("stage", "b"), ("zone", "z")),), True)
    found = retry(notes, retry_host_predicate=[{"name": "m", "typed_config": {"@type": kind}}])
    assert (found.omitted, found.avoids) == ((), False)
    assert notes == []
