"""Intervals hold the truth as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.checks.intervals import (
    Interval,
    mean_interval,
    needed_samples,
    quantile_rank,
    quantile_ranks,
    share_interval,
)


@pytest.mark.parametrize(("share", "samples"), [(0.1, 200), (0.5, 50), (0.01, 3000), (0.97, 400)])
def test_the_share_interval_covers_in_95_of_100_samples(share: float, samples: int) -> None:
    random = np.random.default_rng(4)
    trials = 4000
    hits = random.binomial(samples, share, trials)
    covered = sum(share_interval(int(h), samples).meets(share, share) for h in hits) / trials
    assert 0.93 < covered < 0.98  # the binomial is discrete, so coverage is not exactly 0.95


def test_a_biased_sample_is_caught() -> None:
    random = np.random.default_rng(4)
    hits = int(random.binomial(20_000, 0.11))
    assert not share_interval(hits, 20_000).meets(0.1, 0.1)


def test_wilson_matches_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263, score method without continuity correction.
    interval = share_interval(81, 263)
    assert interval.low == pytest.approx(0.2553, abs=5e-5)
    assert interval.high == pytest.approx(0.3662, abs=5e-5)


def test_the_edges_of_a_share_are_reached() -> None:
    assert share_interval(0, 100).low == 0.0
    assert share_interval(100, 100).high == 1.0
    assert share_interval(0, 0) == Interval(0.0, 1.0)


def test_quantiles_are_nearest_rank() -> None:
    assert quantile_rank(0.5, 4) == 1
    assert quantile_rank(0.99, 100) == 98
    assert quantile_rank(1.0, 7) == 6
    assert quantile_rank(0.001, 1) == 0


def test_the_quantile_interval_covers() -> None:
    random = np.random.default_rng(1)
    low, high = quantile_ranks(0.9, 500)
    truth = -np.log(0.1)
    covered = 0
    for _ in range(2000):
        ordered = np.sort(random.exponential(1.0, 500))
        covered += bool(ordered[low] <= truth <= ordered[high])
    assert covered / 2000 > 0.94


def test_needed_samples_are_enough() -> None:
    samples = needed_samples(0.1, 0.01)
    assert share_interval(samples // 10, samples).half_width == pytest.approx(0.01, rel=0.02)


def test_the_mean_interval_shrinks_with_the_root_of_the_sample() -> None:
    assert mean_interval(5.0, 2.0, 400).half_width == pytest.approx(1.96 * 2 / 20, rel=1e-3)
