"""Decoding the core's cells, whose buckets are those of a recording."""

from __future__ import annotations

import numpy as np

from meshsim.dataplane import core
from meshsim.dataplane.core import FLAG_BITS
from meshsim.dataplane.series import merge_cells
from meshsim.dataplane.storage import CELL_DTYPE
from meshsim.recording.series import bucket_bounds, bucket_of


def test_every_latency_lies_within_its_bucket() -> None:
    for span in (1, 2, 3, 7, 8, 9, 1000, 123_456_789, (1 << 50) + 12345):
        number = core.bucket(span)
        (low,), (high,) = bucket_bounds(np.array([number]))
        assert low <= span < high
        assert high - low <= max(span / 8, 2)
        assert number == bucket_of(span)
    # 0 and 1 share the first bucket
    assert core.bucket(0) == 0


def test_equal_cells_of_two_chunks_are_added() -> None:
    place = (3 << 36) | (5 << 10) | 77
    outcome = (8 << 32) | (1 << 31) | (503 << FLAG_BITS) | 16
    chunk = np.array([(place, outcome, 2, 10)], CELL_DTYPE)
    (row,) = merge_cells([chunk, chunk])
    assert row.item() == (3, 5, 7, 1, 503, 16, 77, 4, 20)
    assert len(merge_cells([chunk[:0]])) == 0
