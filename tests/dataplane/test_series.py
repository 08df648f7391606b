"""Decoding the core's cells, whose buckets are those of a recording."""

from __future__ import annotations

import random

import numpy as np

from meshsim.dataplane import core
from meshsim.dataplane.core import FLAG_BITS
from meshsim.dataplane.series import CELL_DTYPE, SERIES_DTYPE, merge_cells
from meshsim.dataplane.storage import DTYPES, PlainTables
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
    (row,) = merge_cells(np.concatenate([chunk, chunk]))
    assert row.item() == (3, 5, 7, 1, 503, 16, 77, 4, 20)
    assert len(merge_cells(chunk[:0])) == 0


def test_the_core_arranges_cells_as_numpy_does() -> None:
    chance = random.Random(3)
    tables = PlainTables()
    for case in range(60):
        n = chance.choice((0, 1, 2, 50, 400))
        edges, outcomes = 1 << chance.choice((0, 3, 14, 25)), chance.choice((1, 2, 40))
        cells = [
            (
                (chance.randrange(9_000, 9_000 + (1 << case % 5)) << 36)
                | chance.randrange(edges) << 10
                | chance.randrange(200, 203 + 50 * (case % 3)),
                chance.randrange(outcomes) << 32 | chance.randrange(2) << 31 | chance.choice((200, 503)) << FLAG_BITS,
                chance.randint(1, 5),
                chance.randint(0, 1 << 40),
            )
            for _ in range(n)
        ]
        tables.write_rows("kept", 0, cells)
        tables.reserve("series", n)
        tables.reserve("sorting", 4 * n)
        tables.reserve("digit", core.DIGITS)
        rows = core.arrange(tables.state, n)
        assert tables.read_rows("series", 0, rows) == merge_cells(np.array(cells, CELL_DTYPE)).tolist()


def test_rows_are_alike_in_every_mode() -> None:
    assert DTYPES["series"] == SERIES_DTYPE
