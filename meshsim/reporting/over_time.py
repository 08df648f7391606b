"""Requests over time: percentiles, rates, failures and shares in bins of a readable width."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from meshsim.checks.frame import Frame, Mask
from meshsim.units import MINUTE, SECOND, Nanos

Floats = np.ndarray[Any, np.dtype[np.float64]]

_WIDTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
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


def _bins(frame: Frame, mask: Mask) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int, Nanos]:
    width = bin_width(frame.run.duration)
    count = max(int(-(-frame.run.duration // width)), 1)
    return np.minimum(frame.start[mask] // width, count - 1), count, width


def middles(frame: Frame) -> Floats:
    """Middle of each bin in seconds."""
    width = bin_width(frame.run.duration)
    count = max(int(-(-frame.run.duration // width)), 1)
    return np.asarray((np.arange(count) + 0.5) * (width / SECOND), np.float64)


def quantiles_over_time(frame: Frame, mask: Mask, quantile: float) -> Binned:
    """A latency quantile in milliseconds."""
    index, count, _ = _bins(frame, mask)
    latency = frame.latency[mask] / 1e6
    order = np.lexsort((latency, index))
    index, latency = index[order], latency[order]
    sizes = np.bincount(index, minlength=count)
    ends = np.cumsum(sizes)
    place = ends - sizes + np.maximum(np.ceil(sizes * quantile).astype(np.int64) - 1, 0)
    values = np.full(count, np.nan)
    filled = sizes > 0
    values[filled] = latency[place[filled]]
    return Binned(middles(frame), values)


def rate_over_time(frame: Frame, mask: Mask) -> Binned:
    """Requests a second, averaged over the replications."""
    index, count, width = _bins(frame, mask)
    manifest = frame.run.manifest
    recorded = max(len(manifest.seeds), 1) * manifest.sampling
    return Binned(middles(frame), np.bincount(index, minlength=count) / (width / SECOND) / recorded)


def share_over_time(frame: Frame, part: Mask, whole: Mask) -> Binned:
    """Percent of `whole` that is also in `part`."""
    index, count, _ = _bins(frame, whole)
    total = np.bincount(index, minlength=count)
    inner, _, _ = _bins(frame, part & whole)
    hits = np.bincount(inner, minlength=count)
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


def ticks(duration: Nanos) -> list[Nanos]:
    """Instants worth a label on a time axis: at most nine."""
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200):
        step = seconds * SECOND
        if duration <= 8 * step:
            return list(range(0, duration + 1, step))
    return [duration * part // 8 // MINUTE * MINUTE for part in range(9)]
