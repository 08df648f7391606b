"""The requests that a run recorded one by one: all of them, or a sample."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np

from meshsim.checks.frame import Chosen, Floats, Frame, Grid, Mask, Times
from meshsim.checks.intervals import Interval, mean_interval, quantile_rank, quantile_ranks
from meshsim.recording import Run

_FAR: Final = np.uint64(0x9E3779B97F4A7C15)
_NUMBERS: Final = 1 << 63
"""So many numbers from 0 on an int64 can be."""


class Latencies:
    """Latencies known one by one, in order; statistics by nearest rank."""

    def __init__(self, ordered: Times) -> None:
        self.ordered = ordered

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.ordered)

    def quantile(self, share: float) -> float:
        """The smallest one that at least this share does not exceed."""
        return float(self.ordered[quantile_rank(share, self.size)]) if self.size else 0.0

    def quantile_interval(self, share: float) -> Interval:
        """Its 95 % interval."""
        low, high = quantile_ranks(share, self.size)
        return Interval(float(self.ordered[low]), float(self.ordered[high]))

    def mean(self) -> float:
        """Their mean."""
        return float(self.ordered.mean()) if self.size else 0.0

    def mean_interval(self) -> Interval:
        """Its 95 % interval."""
        return mean_interval(self.mean(), float(self.ordered.std()), self.size)

    def resolution(self, value: float) -> Interval:
        """Every nanosecond is told apart."""
        return Interval(value, value)


class _Columns:
    """Columns of last attempts that are no mirrored copies, each read when it is asked for."""

    def __init__(self, run: Run) -> None:
        import pyarrow as pa

        self._run = run
        table = run.requests(("last", "mirror"))
        seen = table["last"].to_numpy() & ~table["mirror"].to_numpy()
        self.num_rows = int(np.count_nonzero(seen))
        self._seen = None if self.num_rows == len(seen) else pa.array(seen)

    def __getitem__(self, name: str) -> Any:
        column = self._run.requests((name,)).unify_dictionaries()[name]
        return column if self._seen is None else column.filter(self._seen)


class Rows(Frame):
    """Last attempts, without mirrored copies."""

    def __init__(self, run: Run) -> None:
        super().__init__(run, _Columns(run))
        self.fraction = run.manifest.sampling

    @cached_property
    def start(self) -> Times:
        """When each request was sent."""
        times: Times = self._table["start"].to_numpy()
        return times

    @cached_property
    def counts(self) -> Times:
        """One request a row."""
        return np.ones(len(self), np.int64)

    def count(self, mask: Chosen) -> int:
        """How many requests these are."""
        return int(mask.sum()) if mask.dtype == np.bool_ else len(mask)

    @cached_property
    def latency(self) -> Times:
        """From sending to the whole answer, retries included."""
        times: Times = self._table["request_end"].to_numpy() - self.start
        return times

    @cached_property
    def inner(self) -> Times:
        """The same without the way of clients outside to their gateway."""
        return self.latency - self.way

    def sample(self, mask: Chosen, inside: bool = False) -> Latencies:
        """The latencies of these requests."""
        return Latencies(np.sort((self.inner if inside else self.latency)[mask]))

    def quantiles(self, mask: Mask, grid: Grid, share: float, inside: bool = False) -> Floats:
        """A latency quantile of each bin by nearest rank."""
        index = self.bins(mask, grid)
        latency = (self.inner if inside else self.latency)[mask]
        low = int(latency.min(initial=0))
        span = int(latency.max(initial=0)) - low + 1
        if grid.bins * span < _NUMBERS:
            # A bin's number and a latency as one number are sorted much faster than as two.
            latency = np.sort(index * span + (latency - low)) % span + low
        else:
            latency = latency[np.lexsort((latency, index))]
        sizes = np.bincount(index, minlength=grid.bins)
        ends = np.cumsum(sizes)
        place = ends - sizes + np.maximum(np.ceil(sizes * share).astype(np.int64) - 1, 0)
        values = np.full(grid.bins, np.nan)
        filled = sizes > 0
        values[filled] = latency[place[filled]]
        return values

    @cached_property
    def root(self) -> Times:
        """The client's request each one belongs to; unique over all replications."""
        return self._identity("root")

    @cached_property
    def request(self) -> Times:
        """Id of each request; unique over all replications."""
        return self._identity("request")

    @cached_property
    def own_time(self) -> Times:
        """Latency of each request less that of the calls its handler made.

        Calls may overlap: what counts is the span from the first one's begin to the last one's end.
        """
        parents = self._identity("parent")
        order = np.argsort(self.request, kind="stable")
        known = self.request[order]
        place = np.minimum(np.searchsorted(known, parents), max(len(known) - 1, 0))
        called = (known[place] == parents) & ~self.from_client if len(known) else np.zeros(0, bool)
        row = order[place[called]]
        first = np.full(len(self), np.iinfo(np.int64).max)
        last = np.zeros(len(self), np.int64)
        np.minimum.at(first, row, self.start[called])
        np.maximum.at(last, row, self.start[called] + self.latency[called])
        calls = np.where(last > 0, last - np.minimum(first, last), 0)
        own: Times = np.maximum(self.inner - calls, 0)
        return own

    def _identity(self, column: str) -> Times:
        """Ids of a replication moved by an offset of its own, far from that of any other."""
        ids: np.ndarray[Any, np.dtype[np.uint64]] = self._table[column].to_numpy().view(np.uint64)
        _, number = np.unique(self.seed, return_inverse=True)
        unique: Times = (ids + number.astype(np.uint64) * _FAR).view(np.int64)
        return unique

    @cached_property
    def retried(self) -> Mask:
        """More than one attempt."""
        return np.asarray(self._table["attempt"].to_numpy() > 1)

    @cached_property
    def from_client(self) -> Mask:
        """Sent by a client, not by a handler."""
        return np.asarray(self._table["parent"].to_numpy() < 0)
