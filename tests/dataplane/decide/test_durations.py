"""Durations in nanoseconds."""

from __future__ import annotations

from google.protobuf import duration_pb2

from meshsim.dataplane.decide.durations import fetch_timeout, nanos, optional_nanos
from meshsim.units import SECOND
from meshsim.xds.messages import config_source_pb2


def test_nanoseconds() -> None:
    message = duration_pb2.Duration(seconds=2, nanos=5)
    assert nanos(message) == 2_000_000_005
    assert optional_nanos(message, present=True) == 2_000_000_005
    assert optional_nanos(message, present=False) is None


def test_fetch_timeouts() -> None:
    source = config_source_pb2.ConfigSource()
    assert fetch_timeout(source) == 15 * SECOND, "Envoy's own, where none is given"
    source.initial_fetch_timeout.FromSeconds(0)
    assert fetch_timeout(source) == 0
    source.initial_fetch_timeout.FromSeconds(3)
    assert fetch_timeout(source) == 3 * SECOND
