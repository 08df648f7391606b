"""Rows of upstreams: the model is told of an end that fits their behaviour."""

from __future__ import annotations

from meshsim.dataplane.decide.upstream_ends import End
from meshsim.testing.failure_upstream import GRPC, RETRIES, TIMES, UPSTREAM


def test_time_runs_out_while_an_upstream_is_silent() -> None:
    assert {row.upstream for row in TIMES} == {"silent"}
    assert {attempt.end for row in TIMES for attempt in row.attempts} == {End.SILENT}


def test_streams_are_those_of_http2() -> None:
    for row in UPSTREAM:
        assert row.upstream.startswith("h2") is ("typed_extension_protocol_options" in row.cluster)


def test_grpc_gets_a_status_in_a_200() -> None:
    assert {row.status for row in GRPC} == {200}
    assert all(row.grpc_status for row in GRPC)
    assert not any(row.grpc_status for row in RETRIES)
