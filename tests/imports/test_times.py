"""Measured times as distributions."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from meshsim.imports.times import in_words, quantile, rounded, short, time_of
from meshsim.units import MICROSECOND, MILLISECOND, Family, parse_distribution


def test_quantiles_lie_between_neighbours() -> None:
    assert [quantile([10, 20, 40], share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [10, 15, 20, 30, 40]


def test_one_time_stays_as_it_is() -> None:
    assert (time_of([3_962_000]), time_of([5 * MILLISECOND] * 9)) == ("3.962ms", "5ms")


def test_quantiles_are_told_as_far_as_there_are_values_beyond_them() -> None:
    assert time_of([MILLISECOND, 2 * MILLISECOND, 6 * MILLISECOND]) == "empirical(p0 1ms, p50 2ms, p100 6ms)"
    told = parse_distribution(time_of(list(range(MICROSECOND, 101 * MICROSECOND, MICROSECOND))))
    assert told.family is Family.EMPIRICAL
    assert [point.share for point in told.quantiles] == [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 1]


def test_the_mean_is_kept() -> None:
    """Between quantiles values lie evenly; for what services measure the mean stays within a few percent."""
    draws = random.Random(3)
    times = sorted(round(draws.lognormvariate(15, 0.8)) for _ in range(4000))
    points = parse_distribution(time_of(times)).quantiles
    mean = sum((b.share - a.share) * (a.value + b.value) / 2 for a, b in pairwise(points))
    assert mean == pytest.approx(sum(times) / len(times), rel=0.05)


def test_words() -> None:
    assert in_words([MILLISECOND]) == "of 1 span"
    assert in_words([MILLISECOND] * 12) == "of 12 spans: p50 1ms, p90 1ms"
    assert (short(1_234_567), short(0), short(999)) == ("1.23ms", "0s", "999ns")
    assert (rounded(123_456_789), rounded(0.2)) == (123_500_000, 1)
