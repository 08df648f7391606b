"""The series: finished requests by second, edge, destination, outcome and latency bucket."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.core import FLAG_BITS

CELL_DTYPE: Final = np.dtype([(name, np.int64) for name in ("place", "outcome", "requests", "total")])
SERIES_DTYPE: Final = np.dtype(
    [
        ("second", np.int32),
        ("edge", np.int32),
        ("workload", np.int32),
        ("mirror", np.int8),
        ("status", np.int16),
        ("flags", np.int32),
        ("bucket", np.int32),
        ("requests", np.int64),
        ("total", np.int64),
    ],
    align=True,
)
"""``workload`` is the group of the instance that was asked last, -1 for none; ``total`` the sum of latencies (ns)."""


def merge_cells(cells: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Cells of the core (`core.count_tally`), decoded, equal ones added, by second, edge, bucket and outcome.

    In the compiled mode `core.arrange` does the same.
    """
    place, outcome, requests, total = (cells[name] for name in ("place", "outcome", "requests", "total"))
    order = np.lexsort((outcome, place))
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
