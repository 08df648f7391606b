"""How much a sample says: intervals of shares and percentiles at 95 %."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
"""Quantile of the normal distribution for a two-sided 95 % interval."""


class Interval(NamedTuple):
    """The values a sample does not contradict."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def meets(self, low: float, high: float) -> bool:
        """Whether it has a point in common with a band."""
        return self.low <= high and self.high >= low


def share_interval(hits: int, samples: int) -> Interval:
    """Wilson's score interval of a share; the whole of [0, 1] without samples."""
    if samples == 0:
        return Interval(0.0, 1.0)
    share = hits / samples
    square = Z * Z
    centre = share + square / (2 * samples)
    spread = Z * math.sqrt(share * (1 - share) / samples + square / (4 * samples * samples))
    scale = 1 + square / samples
    low = 0.0 if hits == 0 else (centre - spread) / scale
    high = 1.0 if hits == samples else (centre + spread) / scale
    return Interval(max(low, 0.0), min(high, 1.0))


def needed_samples(share: float, half_width: float) -> int:
    """Samples from which on the interval of a share is about as narrow as this."""
    return math.ceil(Z * Z * share * (1 - share) / (half_width * half_width))


def quantile_rank(quantile: float, samples: int) -> int:
    """Index of a quantile in a sorted sample: the smallest value that at least this share does not exceed."""
    return min(max(math.ceil(quantile * samples) - 1, 0), samples - 1)


def quantile_ranks(quantile: float, samples: int) -> tuple[int, int]:
    """Indices in a sorted sample between which the true quantile lies (normal approximation of the binomial)."""
    spread = Z * math.sqrt(samples * quantile * (1 - quantile))
    low = math.floor(samples * quantile - spread) - 1
    high = math.ceil(samples * quantile + spread)
    return max(low, 0), min(high, samples - 1)


def mean_interval(mean: float, deviation: float, samples: int) -> Interval:
    """Normal interval of a mean."""
    spread = Z * deviation / math.sqrt(samples) if samples else math.inf
    return Interval(mean - spread, mean + spread)
