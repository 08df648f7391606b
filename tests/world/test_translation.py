"""Decoded policies in the event core's terms."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.chances import ALWAYS, Fractional
from meshsim.dataplane.decide.clusters import decode_cluster
from meshsim.dataplane.decide.decision import Decision, Disposition, Flag, Policies, RateLimit
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.routes import HashPolicy, HashSource, RetryPolicy
from meshsim.dataplane.hashing import xx_hash64
from meshsim.dataplane.specs import GRPC, InboundKind, LbPolicy, RetryOn, RouteKind, RouteSpec
from meshsim.dataplane.specs import Flag as CoreFlag
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.translation import (
    cluster_spec,
    forward_route,
    hang_up,
    inbound_kind,
    local_route,
    reply_status,
    with_fault,
    with_limit,
)
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json


def test_limits_and_outlier_detection_of_a_cluster() -> None:
    message = from_json(
        {
            "name": "c",
            "type": "STATIC",
            "lb_policy": "LEAST_REQUEST",
            "connect_timeout": "3s",
            "circuit_breakers": {"thresholds": [{"max_requests": 7, "max_retries": 2}]},
            "common_lb_config": {"healthy_panic_threshold": {}},
            "outlier_detection": {"consecutive_5xx": 3, "interval": "5s", "max_ejection_percent": 50},
        },
        cluster_pb2.Cluster,
    )
    spec = cluster_spec(4, decode_cluster(message), http2=True)
    assert (spec.proxy, spec.policy, spec.connect_timeout) == (4, LbPolicy.LEAST_REQUEST, 3 * SECOND)
    assert (spec.max_requests, spec.max_retries, spec.max_pending_requests) == (7, 2, 1024)
    assert spec.panic_threshold == 0
    assert spec.outlier is not None
    assert (spec.outlier.consecutive_5xx, spec.outlier.interval) == (3, 5 * SECOND)
    assert spec.outlier.max_ejection_percent == 50
    found = (spec.outlier.consecutive_gateway, spec.outlier.enforcing_gateway)
    assert found == (5, 0), "Envoy does not enforce it unless told to, but counts what it detects"


def test_istios_default_retries() -> None:
    retry = RetryPolicy(
        ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"),
        2,
        0,
        0,
        (),
        True,
        0,
        5,
        25 * MILLISECOND,
        250 * MILLISECOND,
        (),
        (),
    )
    decision = Decision(Disposition.FORWARDED, policies=Policies(retry=retry, timeout=SECOND))
    spec = forward_route(decision, ((0, 1),), ())
    assert spec.retries == 2
    assert spec.timeout == SECOND
    assert spec.host_reselect_attempts == 5
    assert not spec.retry_on & RetryOn.FIVE_XX
    assert spec.retry_on & RetryOn.CONNECT_FAILURE


def test_sessions_have_the_back_off_of_their_filter_and_the_hash_of_their_source() -> None:
    policies = Policies(connect_attempts=3, connect_backoff=(10 * MILLISECOND, SECOND), idle_timeout=SECOND)
    decision = Decision(Disposition.FORWARDED, policies=policies)
    spec = forward_route(decision, ((0, 1),), ())
    assert (spec.timeout_status, spec.retries, spec.idle_timeout) == (0, 2, SECOND)
    assert (spec.backoff_base, spec.backoff_max, spec.hash, spec.session) == (10 * MILLISECOND, SECOND, None, False)
    hashed = decision._replace(policies=policies._replace(hash_policies=(HashPolicy(HashSource.SOURCE_IP),)))
    known = forward_route(hashed, ((0, 1),), (), client="10.0.0.9")
    assert known.hash == xx_hash64(b"10.0.0.9")
    # Clients outside have addresses of their own.
    assert forward_route(hashed, ((0, 1),), ()).session


def test_how_a_servers_proxy_hangs_up() -> None:
    unmatched = Decision(Disposition.CLOSED, flags=(Flag.NO_ROUTE,), details="filter_chain_not_found")
    denied = Decision(Disposition.CLOSED, details="rbac_access_denied_matched_policy[none]")
    assert (hang_up(unmatched), hang_up(denied)) == (CoreFlag.UR, CoreFlag.NONE)


def test_what_is_too_large_to_be_kept_is_not_retried_and_late_bodies_keep_what_waits_for_them() -> None:
    retry = RetryPolicy(("5xx",), 2, 0, 0, (), False, 0, 0, 25 * MILLISECOND, 250 * MILLISECOND, (), ())
    policies = Policies(retry=retry, large=True, request_timeout=SECOND, idle_timeout=300 * SECOND)
    decision = Decision(Disposition.FORWARDED, policies=policies, method="POST")
    whole = forward_route(decision, ((0, 1),), ())
    assert (whole.retries, whole.retry_on, whole.request_timeout, whole.idle_timeout) == (0, 0, 0, 300 * SECOND)
    late = forward_route(decision, ((0, 1),), (), body=MILLISECOND)
    assert (late.retries, late.large, late.request_timeout, late.body) == (2, True, SECOND, MILLISECOND)
    held = decision._replace(policies=policies._replace(holds=True))
    assert forward_route(held, ((0, 1),), (), body=MILLISECOND).retries == 0
    refused = Decision(Disposition.REPLIED, policies=policies._replace(holds=True), status=413)
    assert local_route(refused, MILLISECOND).holds
    assert local_route(refused).body == 0


def test_a_reply_keeps_status_and_flags() -> None:
    spec = local_route(Decision(Disposition.REPLIED, status=404, flags=(Flag.NO_ROUTE,)))
    assert (spec.kind, spec.status, spec.flag) == (RouteKind.LOCAL_REPLY, 404, CoreFlag.NR)
    closed = local_route(Decision(Disposition.CLOSED, status=0))
    assert closed.status == 0


@pytest.mark.parametrize(
    ("disposition", "kind"),
    [
        (Disposition.FORWARDED, InboundKind.SERVE),
        (Disposition.REPLIED, InboundKind.REPLY),
        (Disposition.CLOSED, InboundKind.RESET),
        (Disposition.REFUSED, InboundKind.REFUSE),
    ],
)
def test_what_an_attempt_meets(disposition: Disposition, kind: InboundKind) -> None:
    assert inbound_kind(Decision(disposition)) is kind


def test_a_reply_to_grpc_is_a_status_in_a_200() -> None:
    replied = Decision(Disposition.REPLIED, status=200, response_headers=(("grpc-status", "7"),))
    assert local_route(replied).status == reply_status(replied) == GRPC + 7
    assert reply_status(Decision(Disposition.REPLIED, status=403)) == 403


def test_a_limit_keeps_its_place_among_filters_and_its_bucket() -> None:
    limit = RateLimit(10, 5, SECOND, 429, after_fault=True, bucket="here")
    spec = with_limit(RouteSpec(kind=RouteKind.FORWARD), Policies(rate_limit=limit)).limit
    assert spec is not None
    assert (spec.max_tokens, spec.after_fault, spec.bucket) == (10, True, "here")


def test_an_abort_in_grpc_terms_fails_for_its_caller() -> None:
    share = Fractional(30, 100)
    fault = FaultConfig(0, ALWAYS, False, 0, 14, share, False, "", (), ())
    spec = with_fault(RouteSpec(kind=RouteKind.FORWARD), Policies(fault=fault))
    assert (spec.abort_status, spec.abort_ppm, spec.delay_ppm) == (GRPC + 14, 300_000, 0)
