"""Parts of rows that follow from one spec alone."""

from __future__ import annotations

from dataclasses import replace

from meshsim.dataplane import core
from meshsim.dataplane.row_parts import (
    backs_off,
    classes_of,
    counts_alone,
    health_of,
    kind_of,
    shares_of,
    stream_fields,
)
from meshsim.dataplane.specs import InboundKind, RateLimitSpec
from meshsim.testing.meshes import HOST, ROUTE


def test_clusters_without_weight_are_no_way() -> None:
    route = replace(ROUTE, clusters=((4, 1), (5, 0), (6, 2)), mirrors=((7, 10),), request_classes=(3,))
    assert classes_of(route) == (3, 0, 0, 0)
    assert shares_of(route) == [(4, 1, 3), (6, 2, 0)]


def test_redirects_are_bits_and_bodies_that_come_with_their_headers_are_not_slow() -> None:
    found = stream_fields(replace(ROUTE, follows=(302, 308, 302), redirects=((0, 5),)))
    assert (found["follows"], found["follow_n"], found["slow"]) == (0b10010, 1, 0)
    assert stream_fields(replace(ROUTE, body=1, large=True))["slow"]


def test_what_is_not_understood_is_a_protocol_error_that_ends_its_connection() -> None:
    assert kind_of(InboundKind.RESET) == {"kind": core.IN_RESET, "how": core.TERMINATED}
    found = kind_of(InboundKind.MISUNDERSTAND)
    assert (found["kind"], found["how"], found["marks"]) == (core.IN_RESET, core.PROTOCOL_ERROR, core.MARK_CLOSES)


def test_a_host_that_is_left_out_counts_as_that_before_all_else() -> None:
    assert health_of(HOST) == core.HEALTHY
    assert health_of(replace(HOST, degraded=True)) == core.DEGRADED
    assert health_of(replace(HOST, degraded=True, healthy=False)) == core.UNHEALTHY
    assert health_of(replace(HOST, healthy=False, excluded=True)) == core.EXCLUDED


def test_tokens_and_the_back_off_of_sessions_count_for_a_proxy_alone() -> None:
    session = replace(ROUTE, timeout_status=0)
    assert [backs_off(route) for route in (ROUTE, session, replace(session, backoff_base=0))] == [False, True, False]
    limited = replace(ROUTE, limit=RateLimitSpec(max_tokens=1, tokens_per_fill=1, fill_interval=1))
    drawn = replace(ROUTE, ways=((1, ROUTE), (1, limited)))
    assert [counts_alone(route) for route in (ROUTE, session, limited, drawn)] == [False, True, True, True]
