"""Durations in nanoseconds."""

from __future__ import annotations

from google.protobuf import duration_pb2

from meshsim.dataplane.decide.durations import nanos, optional_nanos


def test_nanoseconds() -> None:
    message = duration_pb2.Duration(seconds=2, nanos=5)
    assert nanos(message) == 2_000_000_005
    assert optional_nanos(message, present=True) == 2_000_000_005
    assert optional_nanos(message, present=False) is None
