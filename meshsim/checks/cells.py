"""The series of a run: every request counted by the engine, however few of them were recorded one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from meshsim.checks.frame import Chosen, Floats, Frame, Grid, Mask, Times
from meshsim.checks.intervals import Interval, mean_interval, quantile_ranks
from meshsim.checks.rows import Rows
from meshsim.recording import Run
from meshsim.recording.series import bucket_bounds, bucket_of
from meshsim.scenario import End, Span
from meshsim.units import SECOND


class Buckets:
    """Latencies known by their buckets; quantiles are interpolated inside one."""

    def __init__(self, low: Times, high: Times, counts: Times, total: int = 0) -> None:
        """Counts by the bounds of their buckets, and the sum of the latencies themselves."""
        order = np.lexsort((high, low + high))
        low, high, counts = low[order], high[order], counts[order]
        # Cells of one bucket count as one.
        first = np.flatnonzero(np.diff(low, prepend=-1) | np.diff(high, prepend=-1))
        self._low, self._high = low[first], high[first]
        self._counts = np.add.reduceat(counts, first) if len(first) else counts
        self._reached = np.cumsum(self._counts)
        self._total = total

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self._reached[-1]) if len(self._reached) else 0

    def quantile(self, share: float) -> float:
        """The latency that this share does not exceed, as if those of a bucket lay evenly in it."""
        return self._at(share * self.size) if self.size else 0.0

    def _at(self, rank: float) -> float:
        at = min(int(np.searchsorted(self._reached, rank)), len(self._reached) - 1)
        before = int(self._reached[at] - self._counts[at])
        low, high = int(self._low[at]), int(self._high[at])
        return low + (high - low) * min(max((rank - before) / int(self._counts[at]), 0.0), 1.0)

    def quantile_interval(self, share: float) -> Interval:
        """Its 95 % interval."""
        low, high = quantile_ranks(share, self.size)
        return Interval(self._at(low + 1), self._at(high + 1))

    def mean(self) -> float:
        """Their mean, which is exact: the series keeps their sum."""
        return self._total / self.size if self.size else 0.0

    def mean_interval(self) -> Interval:
        """Its 95 % interval; the deviation is that of the middles of the buckets."""
        squares = ((self._low + self._high) / 2 - self.mean()) ** 2
        deviation = math.sqrt(float((squares * self._counts).sum()) / self.size)
        return mean_interval(self.mean(), deviation, self.size)

    def resolution(self, value: float) -> Interval:
        """The bucket it lies in."""
        low, high = bucket_bounds(np.array([bucket_of(round(value))]))
        return Interval(float(low[0]), float(high[0]))


class Cells(Frame):
    """One row a second, edge, outcome and latency bucket.

    A cell knows the second in which its requests ended. When they began follows from their latency, to about a second:
    `start` is the middle of what is possible, `surely_within` and `maybe_within` are its limits.
    """

    fraction = 1.0

    def __init__(self, run: Run) -> None:
        super().__init__(run, run.series().unify_dictionaries())

    @cached_property
    def counts(self) -> Times:
        """Requests of each cell."""
        counts: Times = self._table["count"].to_numpy()
        return counts

    @cached_property
    def _bounds(self) -> tuple[Times, Times]:
        return bucket_bounds(self._table["bucket"].to_numpy())

    @cached_property
    def _earliest(self) -> Times:
        """No request of the cell began before."""
        return np.asarray(np.maximum(self._seconds - self._bounds[1] + 1, 0))

    @cached_property
    def _latest(self) -> Times:
        """All requests of the cell began before."""
        return np.asarray(np.maximum(self._seconds + SECOND - self._bounds[0], 1))

    @cached_property
    def _seconds(self) -> Times:
        seconds: Times = self._table["second"].to_numpy().astype(np.int64) * SECOND
        return seconds

    @cached_property
    def start(self) -> Times:
        """About when the requests of each cell began."""
        return (self._earliest + self._latest) // 2

    @cached_property
    def from_client(self) -> Mask:
        """Sent by a client, not by a handler."""
        return ~self.names("traffic").where([""])

    def sample(self, mask: Chosen, inside: bool = False) -> Buckets:
        """The latencies of these requests."""
        way = self.way[mask] if inside else 0
        low, high, counts = self._bounds[0][mask] - way, self._bounds[1][mask] - way, self.counts[mask]
        total = int((self._table["total"].to_numpy()[mask] - way * counts).sum())
        return Buckets(low, high, counts, total)

    def quantiles(self, mask: Mask, grid: Grid, share: float, inside: bool = False) -> Floats:
        """A latency quantile of each bin, interpolated."""
        index = self.bins(mask, grid)
        way = self.way[mask] if inside else 0
        low, high, counts = self._bounds[0][mask] - way, self._bounds[1][mask] - way, self.counts[mask]
        order = np.argsort(index, kind="stable")
        edges = np.searchsorted(index[order], np.arange(grid.bins + 1))
        values = np.full(grid.bins, np.nan)
        for number in range(grid.bins):
            rows = order[edges[number] : edges[number + 1]]
            if len(rows):
                values[number] = Buckets(low[rows], high[rows], counts[rows]).quantile(share)
        return values

    def surely_within(self, spans: Iterable[Span]) -> Mask:
        """Cells whose requests all began in one of these windows."""
        mask = np.zeros(len(self), bool)
        for span in spans:
            mask |= (self._earliest >= span.begin) & (self._latest <= span.end)
        return mask

    def maybe_within(self, spans: Iterable[Span]) -> Mask:
        """Cells of which some requests may have begun in one of these windows."""
        mask = np.zeros(len(self), bool)
        for span in spans:
            mask |= (self._latest > span.begin) & (self._earliest < span.end)
        return mask


def counted(run: Run) -> Frame:
    """All requests of a run: one by one where every one was recorded, else as the engine counted them."""
    return run.once("counted", Rows if run.manifest.sampling >= 1 else Cells)


def is_counted(*ends: End | None) -> bool:
    """Whether the series tells the requests between these ends apart: it knows applications and versions, no pods."""
    return all(end is None or end.pod is None for end in ends)
