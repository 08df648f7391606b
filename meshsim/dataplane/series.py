"""The series: finished requests by second, edge, destination, outcome and latency bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from meshsim.units import Nanos

SERIES_DTYPE: Final = np.dtype(
    [
        ("second", np.int64),
        ("edge", np.int64),
        ("workload", np.int64),
        ("mirror", np.int64),
        ("status", np.int64),
        ("flags", np.int64),
        ("bucket", np.int64),
        ("requests", np.int64),
        ("total", np.int64),
    ]
)
"""``workload`` is the group of the instance that was asked last, -1 for none; ``total`` the sum of latencies (ns)."""


def merge_cells(chunks: Sequence[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    """Cells of the core (`core.count_request`), decoded, equal ones added, in order of their fields."""
    cells = np.concatenate(chunks)
    series = np.zeros(len(cells), SERIES_DTYPE)
    place, outcome = cells["place"], cells["outcome"]
    series["second"] = place >> 36
    series["edge"] = (place >> 10) & ((1 << 26) - 1)
    series["bucket"] = place & 1023
    series["workload"] = (outcome >> 32) - 1
    series["mirror"] = (outcome >> 31) & 1
    series["status"] = (outcome >> 20) & 2047
    series["flags"] = outcome & ((1 << 20) - 1)
    series["requests"] = cells["requests"]
    series["total"] = cells["total"]
    keys = list(SERIES_DTYPE.names or ())[:7]
    series = series[np.lexsort([series[key] for key in reversed(keys)])]
    if len(series) == 0:
        return series
    new = np.ones(len(series), bool)
    new[1:] = series[1:][keys] != series[:-1][keys]
    first = np.flatnonzero(new)
    merged = series[first].copy()
    merged["requests"] = np.add.reduceat(series["requests"], first)
    merged["total"] = np.add.reduceat(series["total"], first)
    return merged


def bucket_bounds(number: int) -> tuple[Nanos, Nanos]:
    """Lower bound and upper bound (excluded) of a latency bucket: eight equal ones in each octave."""
    octave, part = divmod(number, 8)
    scale = 1 << octave
    return (scale * (8 + part) + 7) // 8, (scale * (9 + part) + 7) // 8


def quantile(buckets: npt.NDArray[np.int64], requests: npt.NDArray[np.int64], share: float) -> Nanos:
    """The latency below which `share` of the requests stayed, interpolated inside its bucket; 0 without requests."""
    if len(buckets) == 0:
        return 0
    order = np.argsort(buckets, kind="stable")
    buckets, requests = buckets[order], requests[order]
    reached = np.cumsum(requests)
    rank = share * int(reached[-1])
    at = int(np.searchsorted(reached, rank))
    at = min(at, len(buckets) - 1)
    low, high = bucket_bounds(int(buckets[at]))
    before = int(reached[at] - requests[at])
    return round(low + (high - low) * (rank - before) / int(requests[at]))
