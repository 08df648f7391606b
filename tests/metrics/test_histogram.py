"""Bins as measured on Envoy 1.40, and what is shown of them."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.metrics.histogram import BOUNDS, below, bins_of, total, width_of


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (7, 7.0, 7.1),
        (12, 12, 13),
        (99, 99, 100),
        (100, 100, 110),
        (101, 100, 110),
        (109, 100, 110),
        (125, 120, 130),
        (999, 990, 1000),
        (12345, 12000, 13000),
        (99999, 99000, 100000),
    ],
)
def test_bins_have_two_digits(value: int, low: float, high: float) -> None:
    """Measured: lower edge inclusive, width a tenth of the power of ten below."""
    found = int(bins_of(np.array([value]))[0])
    assert (found / 10, (found + width_of(found)) / 10) == (low, high)


def test_nothing_is_a_bin_of_its_own() -> None:
    assert bins_of(np.array([0])).tolist() == [0]
    assert width_of(0) == 0
    assert below({0: 3}, 0.5) == 3


def test_buckets_hold_the_bins_wholly_below() -> None:
    bins = {int(bins_of(np.array([value]))[0]): 1.0 for value in (4, 5, 24, 25, 130)}
    assert [below(bins, bound) for bound in (1, 5, 10, 25, 50, 100, 250)] == [0, 1, 2, 3, 4, 4, 5]
    assert total(bins) == pytest.approx(4.05 + 5.05 + 24.5 + 25.5 + 135)
    assert list(BOUNDS) == sorted(BOUNDS)
    assert len(BOUNDS) == 19
