"""How often a source sends, as the event core counts it: intervals, pieces of a changing rate, times of connections."""

from __future__ import annotations

from collections.abc import Sequence

from meshsim.dataplane import core
from meshsim.dataplane.specs import LevelPiece, PeriodicSpec


def interval_of(rate_per_s: float) -> int:
    """Mean time between requests in picoseconds, 0 for no requests."""
    return round(1e12 / rate_per_s) if rate_per_s > 0 else 0


def piece_rows(levels: Sequence[LevelPiece], length: int) -> list[tuple[int, ...]]:
    """Rows of the pieces within a length, and an empty one that ends them."""
    if not levels:
        return []
    rows: list[tuple[int, ...]] = []
    before = 0
    ends = [*(level.begin for level in levels[1:]), 0]
    for (begin, level, end_level), end in zip(levels, ends, strict=True):
        if begin >= length:
            break
        span = (end or max(length, begin + 1)) - begin
        first, last = round(level * core.MILLION), round(end_level * core.MILLION)
        rows.append((begin, span, first, last, before))
        before = min(before + (first + last) * span // (2 * core.MILLION), core.MASK)
    return [*rows, (length, 0, 0, 0, before)]


def periods_of(spec: PeriodicSpec, rate_per_s: float) -> tuple[int, int, int]:
    """Interval in picoseconds, number of requests and manner of each of a source's connections.

    fortio periodic/periodic.go: a connection sends as many requests as fit into the run, two at least, and its interval
    is stretched so that the last one is due at the end of the run.
    """
    calls = max(int(rate_per_s * spec.length / core.SECOND + 1e-9), 2)
    interval = round(1e12 / rate_per_s * calls / (calls - 1))
    manner = core.JITTERS * spec.jitter + core.UNIFORM_STARTS * spec.uniform + core.SKIPS * (not spec.catch_up)
    return interval, calls, manner
