"""Latency buckets hold what they say, and are those of the engine."""

from __future__ import annotations

import numpy as np

from meshsim.dataplane import core
from meshsim.recording.series import bucket_bounds, bucket_of
from meshsim.units import MILLISECOND, SECOND

LATENCIES = (0, 1, 2, 3, 9, 1500, 999_999, 123_456_789, 3 * SECOND, 3600 * SECOND)


def test_a_latency_lies_within_its_bucket() -> None:
    for latency in LATENCIES:
        low, high = bucket_bounds(np.array([bucket_of(latency)]))
        assert low[0] <= latency < high[0]


def test_neighbours_share_a_bound_and_are_an_eighth_wide_at_most() -> None:
    numbers = np.arange(bucket_of(MILLISECOND), bucket_of(100 * SECOND))
    low, high = bucket_bounds(numbers)
    assert (low[1:] == high[:-1]).all()
    assert ((high - low) / low <= 1 / 8 + 1e-5).all()


def test_they_are_the_engines() -> None:
    for latency in LATENCIES:
        assert bucket_of(latency) == core.bucket(latency)
