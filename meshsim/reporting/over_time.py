"""Requests over time: percentiles, rates, failures and shares in bins of a readable width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from meshsim.checks.frame import Floats, Frame, Grid, Mask
from meshsim.units import MILLISECOND, MINUTE, SECOND, Nanos

_WIDTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_ROWS: Final = 2
"""Names of actions stand in so many rows."""
_BINS: Final = 150
"""At most so many bins in a chart."""


class Binned(NamedTuple):
    """One value a bin; not a number where nothing happened."""

    times: Floats
    """Middle of each bin in seconds."""
    values: Floats


class Mark(NamedTuple):
    """A timeline action on a time axis, in seconds."""

    id: str
    begin: float
    end: float | None
    """When it was undone."""


def bin_width(duration: Nanos) -> Nanos:
    """The smallest readable width that makes few enough bins of a run."""
    for seconds in _WIDTHS:
        if duration <= seconds * SECOND * _BINS:
            return seconds * SECOND
    return _WIDTHS[-1] * SECOND


def grid_of(frame: Frame) -> Grid:
    """The bins of a run's charts."""
    return Grid.of(frame.run.duration, bin_width(frame.run.duration))


def middles(frame: Frame) -> Floats:
    """Middle of each bin in seconds."""
    grid = grid_of(frame)
    return np.asarray((np.arange(grid.bins) + 0.5) * (grid.width / SECOND), np.float64)


def quantiles_over_time(frame: Frame, mask: Mask, quantile: float, inside: bool = False) -> Binned:
    """A latency quantile in milliseconds; `inside` as in `Frame.sample`."""
    return Binned(middles(frame), frame.quantiles(mask, grid_of(frame), quantile, inside) / MILLISECOND)


def rate_over_time(frame: Frame, mask: Mask) -> Binned:
    """Requests a second, averaged over the replications."""
    grid = grid_of(frame)
    seconds = grid.width / SECOND * max(len(frame.run.manifest.seeds), 1) * frame.fraction
    return Binned(middles(frame), frame.per_bin(mask, grid) / seconds)


def share_over_time(frame: Frame, part: Mask, whole: Mask) -> Binned:
    """Percent of `whole` that is also in `part`."""
    grid = grid_of(frame)
    total, hits = frame.per_bin(whole, grid), frame.per_bin(part & whole, grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Binned(middles(frame), np.where(total > 0, 100.0 * hits / total, np.nan))


def marks(frame: Frame) -> list[Mark]:
    """The timeline's actions, of the first replication."""
    rows = frame.run.timeline().to_pylist()
    first = min((row["seed"] for row in rows), default=0)
    found: list[Mark] = []
    for row in rows:
        if row["seed"] != first or not row["begins"]:
            continue
        ends = [r["time"] for r in rows if r["seed"] == first and r["id"] == row["id"] and not r["begins"]]
        found.append(Mark(row["id"], row["time"] / SECOND, min(ends) / SECOND if ends else None))
    return found


def levels(found: Sequence[Mark], letter: float) -> list[int]:
    """Rows for the names of actions, one above the other where they would overlap; `letter` is a letter's seconds."""
    ends: list[float] = []
    chosen: list[int] = []
    for mark in found:
        level = next((row for row, end in enumerate(ends) if end <= mark.begin), len(ends))
        if level >= _ROWS:
            level = min(range(_ROWS), key=lambda row: ends[row])
        if level == len(ends):
            ends.append(0.0)
        ends[level] = mark.begin + letter * (len(mark.id) + 1)
        chosen.append(level)
    return chosen


def ticks(duration: Nanos) -> list[Nanos]:
    """Instants worth a label on a time axis: at most nine."""
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200):
        step = seconds * SECOND
        if duration <= 8 * step:
            return list(range(0, duration + 1, step))
    return [duration * part // 8 // MINUTE * MINUTE for part in range(9)]
