"""The series: finished requests by second, edge, destination, outcome and latency bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.core import FLAG_BITS

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
    """Cells of the core (`core.count_tally`), decoded, equal ones added, by second, edge, bucket and outcome."""
    place, outcome, requests, total = (
        np.concatenate([chunk[name] for chunk in chunks]) for name in ("place", "outcome", "requests", "total")
    )
    order = _in_order(place, outcome)
    place, outcome = place[order], outcome[order]
    new = np.ones(len(order), bool)
    new[1:] = (place[1:] != place[:-1]) | (outcome[1:] != outcome[:-1])
    first = np.flatnonzero(new)
    series = np.zeros(len(first), SERIES_DTYPE)
    if len(first) == 0:
        return series
    place, outcome = place[first], outcome[first]
    series["second"] = place >> 36
    series["edge"] = (place >> 10) & ((1 << 26) - 1)
    series["bucket"] = place & 1023
    series["workload"] = (outcome >> 32) - 1
    series["mirror"] = (outcome >> 31) & 1
    series["status"] = (outcome >> FLAG_BITS) & ((1 << (31 - FLAG_BITS)) - 1)
    series["flags"] = outcome & ((1 << FLAG_BITS) - 1)
    series["requests"] = np.add.reduceat(requests[order], first)
    series["total"] = np.add.reduceat(total[order], first)
    return series


def _in_order(place: npt.NDArray[np.int64], outcome: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """The order by place and, where places are equal, by outcome: sorting by one key alone is several times faster."""
    order = _by_digits(place)
    ordered = place[order]
    tied = np.zeros(len(order), bool)
    tied[1:] = ordered[1:] == ordered[:-1]
    tied[:-1] |= tied[1:]
    those = np.flatnonzero(tied)
    rows = order[those]
    order[those] = rows[np.lexsort((outcome[rows], place[rows]))]
    return order


def _by_digits(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """The order of numbers, 16 bits at a time: numpy sorts such small ones in one pass over them."""
    above = numbers - numbers.min(initial=0)
    order = np.arange(len(numbers))
    for shift in range(0, int(above.max(initial=0)).bit_length(), 16):
        digit = (above >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order
