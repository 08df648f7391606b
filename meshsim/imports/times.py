"""Measured times as a distribution of the scenario, and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from meshsim.units import MICROSECOND, Nanos, empirical, format_distribution, format_duration

_SHARES: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
_BEYOND: Final = 2
"""So many values must lie beyond a quantile for it to be told."""
_DIGITS: Final = 4


def quantile(times: Sequence[Nanos], share: float) -> Nanos:
    """A quantile of sorted times, between two of them in proportion (type 7 of Hyndman and Fan)."""
    place = share * (len(times) - 1)
    below = math.floor(place)
    above = min(below + 1, len(times) - 1)
    return round(times[below] + (place - below) * (times[above] - times[below]))


def rounded(span: float) -> Nanos:
    """A span with as many digits as an estimate deserves, at least a nanosecond."""
    if span < 1:
        return 1
    factor = int(10 ** max(math.floor(math.log10(span)) + 1 - _DIGITS, 0))
    return max(round(span / factor) * factor, 1)


def time_of(times: Sequence[Nanos]) -> str:
    """The distribution of sorted times as a scenario has it: one time as it is, several by their quantiles."""
    if times[0] == times[-1]:
        return format_duration(rounded(times[0]))
    told = [share for share in _SHARES if share in (0.0, 0.5, 1.0) or min(share, 1 - share) * len(times) >= _BEYOND]
    return format_distribution(empirical([(share, rounded(quantile(times, share))) for share in told]))


def in_words(times: Sequence[Nanos]) -> str:
    """How many and how long: ``of 120 spans: p50 5.1ms, p90 7.3ms, p99 12ms``."""
    if len(times) == 1:
        return "of 1 span"
    shares = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
    parts = [f"{name} {short(quantile(times, share))}" for share, name in shares if len(times) * (1 - share) >= 1]
    return f"of {len(times):,} spans: " + ", ".join(parts or [f"p50 {short(quantile(times, 0.5))}"])


def short(span: Nanos) -> str:
    """A span in words, three digits."""
    if span <= 0:
        return "0s"
    factor = 10 ** max(math.floor(math.log10(span)) - 2, 0)
    return format_duration(max(round(span / factor) * factor, 1 if span < MICROSECOND else MICROSECOND))
