"""Latency buckets of the series: what is left of a request's time when requests are counted and not kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from meshsim.units import Nanos

BUCKETS_PER_OCTAVE: Final = 8
"""Equal parts of each power of two: a bucket is at most an eighth as wide as the latencies in it."""

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def bucket_of(latency: Nanos) -> int:
    """The bucket of a latency in nanoseconds; 0 and 1 share the first."""
    if latency < 1:
        return 0
    octave = latency.bit_length() - 1
    return octave * BUCKETS_PER_OCTAVE + latency * BUCKETS_PER_OCTAVE // (1 << octave) - BUCKETS_PER_OCTAVE


def bucket_bounds(buckets: Numbers) -> tuple[Numbers, Numbers]:
    """The least latency of each bucket, and the least that is beyond it, in nanoseconds."""
    octave, part = np.divmod(buckets.astype(np.int64), BUCKETS_PER_OCTAVE)
    scale = np.left_shift(np.int64(1), octave)
    low = _ceiling(scale * (BUCKETS_PER_OCTAVE + part))
    high = _ceiling(scale * (BUCKETS_PER_OCTAVE + 1 + part))
    return np.where(buckets == 0, 0, low), high


def _ceiling(eighths: Numbers) -> Numbers:
    rounded: Numbers = -(-eighths // BUCKETS_PER_OCTAVE)
    return rounded
