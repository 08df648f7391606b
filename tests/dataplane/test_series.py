"""Decoding the core's cells, bucket bounds, quantiles."""

from __future__ import annotations

import numpy as np

from meshsim.dataplane import core
from meshsim.dataplane.series import bucket_bounds, merge_cells, quantile
from meshsim.dataplane.storage import CELL_DTYPE


def test_every_latency_lies_within_its_bucket() -> None:
    for span in (1, 2, 3, 7, 8, 9, 1000, 123_456_789, (1 << 50) + 12345):
        low, high = bucket_bounds(core.bucket(span))
        assert low <= span < high
        assert high - low <= max(span / 8, 1)
    assert core.bucket(0) == 0


def test_equal_cells_of_two_chunks_are_added() -> None:
    place = (3 << 36) | (5 << 10) | 77
    outcome = (8 << 32) | (1 << 31) | (503 << 20) | 16
    chunk = np.array([(place, outcome, 2, 10)], CELL_DTYPE)
    (row,) = merge_cells([chunk, chunk])
    assert row.item() == (3, 5, 7, 1, 503, 16, 77, 4, 20)
    assert len(merge_cells([chunk[:0]])) == 0


def test_quantiles_interpolate_within_a_bucket() -> None:
    one = np.array([core.bucket(1024)])
    assert quantile(one, np.array([4]), 0.5) == 1088
    assert quantile(one[:0], one[:0], 0.5) == 0
    two = np.array([core.bucket(1 << 20), core.bucket(1 << 10)])
    assert quantile(two, np.array([1, 99]), 0.9) < 1152
    assert quantile(two, np.array([1, 99]), 1.0) == bucket_bounds(core.bucket(1 << 20))[1]
