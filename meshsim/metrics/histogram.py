"""Envoy's histograms: bins of two decimal digits, and what Prometheus is shown of them.

Envoy source/common/stats/histogram_impl.cc (buckets), libcircllhist (bins), 1.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]

BOUNDS: Final = (
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000),
    *(300_000, 600_000, 1_800_000, 3_600_000),
)
"""Upper bounds of the buckets that are shown, in milliseconds where times are counted."""


def bins_of(values: Ints) -> Ints:
    """Lower ends of the bins that whole numbers fall into, in tenths."""
    digits = np.floor(np.log10(np.maximum(values, 1))).astype(np.int64)
    tenths = np.power(10, digits)
    return values * 10 // tenths * tenths


def width_of(low: int) -> int:
    """Width of the bin with this lower end, both in tenths; nothing for 0, which has a bin of its own."""
    return 0 if low == 0 else 10 ** (len(str(low)) - 2)


def below(bins: Mapping[int, float], bound: float) -> float:
    """Samples in bins that lie wholly below a bound."""
    return sum(count for low, count in bins.items() if (low + width_of(low)) / 10 <= bound)


def total(bins: Mapping[int, float]) -> float:
    """The sum of the samples as Envoy shows it: each counts as the middle of its bin."""
    return sum((low + width_of(low) / 2) / 10 * count for low, count in bins.items())
