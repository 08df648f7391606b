"""The requests of a run as numpy columns, selected by masks: what rows and the counted series have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from meshsim.checks.intervals import Interval
from meshsim.recording import Run
from meshsim.scenario import End, Span
from meshsim.units import SECOND, Nanos

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Times = np.ndarray[Any, np.dtype[np.int64]]
Chosen = Mask | np.ndarray[Any, np.dtype[np.intp]]
"""Some rows of a frame: for each whether it is one, or their numbers in order."""
Floats = np.ndarray[Any, np.dtype[np.float64]]

_SMALL: Final = 1 << 22
"""Up to so many combinations it is faster to count them than to sort the requests."""


class Grid(NamedTuple):
    """A run cut into bins of equal width."""

    width: Nanos
    bins: int

    @classmethod
    def of(cls, duration: Nanos, width: Nanos) -> Grid:
        """As many bins as the duration needs."""
        return cls(width, max(int(-(-duration // width)), 1))


class Sample(Protocol):
    """Latencies of some requests, in nanoseconds."""

    @property
    def size(self) -> int:
        """How many requests."""
        ...

    def quantile(self, share: float) -> float:
        """The latency that this share of them does not exceed; 0 without any."""
        ...

    def quantile_interval(self, share: float) -> Interval:
        """Its 95 % interval; needs at least one request."""
        ...

    def mean(self) -> float:
        """Their mean; 0 without any."""
        ...

    def mean_interval(self) -> Interval:
        """Its 95 % interval; needs at least one request."""
        ...

    def resolution(self, value: float) -> Interval:
        """Latencies that cannot be told from this one."""
        ...


class Names:
    """A column of names: small numbers and what they stand for."""

    def __init__(self, column: Any) -> None:
        import pyarrow as pa

        array = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
        self.codes: np.ndarray[Any, np.dtype[np.int32]] = array.indices.to_numpy(zero_copy_only=False)
        self.names: list[str] = array.dictionary.to_pylist()

    def where(self, wanted: Iterable[str]) -> Mask:
        """Rows whose name is one of these."""
        chosen = set(wanted)
        hits: Mask = np.array([name in chosen for name in self.names] or [False], bool)
        rows: Mask = hits[self.codes]
        return rows

    def values(self, rows: Mask) -> list[str]:
        """The name of each of these rows."""
        return [self.names[code] for code in self.codes[rows].tolist()]


class _Combined(NamedTuple):
    """Names of several columns taken together."""

    values: Times
    """Combinations that there are: the numbers of their names as digits of one."""
    codes: np.ndarray[Any, np.dtype[np.unsignedinteger[Any]]]
    """Which of them each row has."""
    sizes: Sequence[int]
    """How many names each column has."""


class Frame(ABC):
    """Requests as their callers see them, without mirrored copies; each row stands for one or more."""

    fraction: float
    """Share of the run's requests that it holds."""

    def __init__(self, run: Run, table: Any) -> None:
        self.run = run
        self._table = table
        self._names: dict[str, Names] = {}
        self._combinations: dict[tuple[str, ...], _Combined] = {}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    @abstractmethod
    def start(self) -> Times:
        """When the requests of each row were sent, as exactly as it is known."""

    @property
    @abstractmethod
    def from_client(self) -> Mask:
        """Sent by a client, not by a handler."""

    @property
    @abstractmethod
    def counts(self) -> Times:
        """How many requests each row stands for."""

    @abstractmethod
    def sample(self, mask: Chosen, inside: bool = False) -> Sample:
        """The latencies of these requests as those who sent them see them, retries included.

        `inside`: as the mesh sees them, for which the gateway is the caller and the way to it does not count.
        """

    @abstractmethod
    def quantiles(self, mask: Mask, grid: Grid, share: float, inside: bool = False) -> Floats:
        """A latency quantile (ns) of those begun in each bin; not a number where there were none."""

    def count(self, mask: Chosen) -> int:
        """How many requests these rows stand for."""
        return int(self.counts[mask].sum())

    def bins(self, mask: Mask, grid: Grid) -> Times:
        """The bin in which each of these rows began; the last one takes what is later."""
        return np.asarray(np.minimum(self.start[mask] // grid.width, grid.bins - 1))

    def per_bin(self, mask: Mask, grid: Grid) -> Times:
        """How many of these requests began in each bin."""
        return np.bincount(self.bins(mask, grid), weights=self.counts[mask], minlength=grid.bins).astype(np.int64)

    @cached_property
    def status(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """HTTP status, 0 where there was none."""
        status: np.ndarray[Any, np.dtype[np.int16]] = self._table["status"].to_numpy()
        return status

    @cached_property
    def good(self) -> Mask:
        """Answered, and with less than 500."""
        return (self.status > 0) & (self.status < 500)

    @cached_property
    def seed(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Replication of each request."""
        seeds: np.ndarray[Any, np.dtype[np.int32]] = self._table["seed"].to_numpy()
        return seeds

    @cached_property
    def ways(self) -> dict[str, Nanos]:
        """Traffic that enters through a gateway, with the one-way latency between its clients and that gateway."""
        return {row["traffic"]: row["way"] for row in self.run.traffic().to_pylist() if row["gateway"]}

    @cached_property
    def entered(self) -> Mask:
        """Sent by a client outside and taken in by a gateway, which is the caller from there on."""
        if not self.ways:
            return np.zeros(len(self), bool)
        clients = self.from_client & self.names("traffic").where(self.ways)
        # Where no gateway was up the client itself is the caller, and belongs to no namespace.
        return clients & ~self.names("source_namespace").where([""])

    @cached_property
    def way(self) -> Times:
        """Time that each request spent between a client outside and its gateway, both ways."""
        traffic = self.names("traffic")
        of_names = np.array([2 * self.ways.get(name, 0) for name in traffic.names] or [0], np.int64)
        return np.where(self.entered, of_names[traffic.codes], 0)

    def names(self, column: str) -> Names:
        """A column of names."""
        if column not in self._names:
            self._names[column] = Names(self._table[column])
        return self._names[column]

    def all(self) -> Mask:
        """Every request."""
        return np.ones(len(self), bool)

    def of_traffic(self, name: str) -> Mask:
        """The requests that clients of a traffic sent themselves."""
        return self.names("traffic").where([name]) & self.from_client

    def from_end(self, end: End) -> Mask:
        """Requests sent by this end."""
        return self._end(end, "source", "source_pod")

    def to_end(self, end: End) -> Mask:
        """Requests sent to this end; to a gateway those that clients outside sent through it."""
        return self._end(end, "destination", "pod") | self._entering(end)

    def is_gateway(self, end: End) -> bool:
        """Whether clients outside come in there."""
        return bool(self._entering(end).any()) and not self._end(end, "destination", "pod").any()

    def _entering(self, end: End) -> Mask:
        """Requests that came in through this end."""
        if end.service is not None or not self.entered.any():
            return np.zeros(len(self), bool)
        return self.entered & self._end(end, "source", "source_pod")

    def _end(self, end: End, side: str, pod: str) -> Mask:
        mask = self.all()
        wanted = (
            (side, end.app),
            (f"{side}_version", end.version),
            (f"{side}_namespace", end.namespace),
            (pod, end.pod),
        )
        for column, value in wanted:
            if value is not None:
                mask &= self.names(column).where([value])
        if end.service is not None:
            services = self.names("service")
            short = end.service
            mask &= services.where(name for name in services.names if name == short or name.startswith(f"{short}."))
        return mask

    def within(self, spans: Iterable[Span]) -> Mask:
        """Requests that began in one of these windows."""
        mask = np.zeros(len(self), bool)
        for span in spans:
            mask |= (self.start >= span.begin) & (self.start < span.end)
        return mask

    def with_status(self, classes: Iterable[str]) -> Mask:
        """Requests answered with one of `503`, `5xx`."""
        mask = np.zeros(len(self), bool)
        for text in classes:
            mask |= self.status // 100 == int(text[0]) if text.endswith("xx") else self.status == int(text)
        return mask

    def with_flags(self, flags: Iterable[str]) -> Mask:
        """Requests with one of these response flags."""
        wanted = set(flags)
        column = self.names("flags")
        return column.where(name for name in column.names if wanted & set(name.split(",")))

    def combinations(self, *columns: str, rows: Mask | None = None) -> list[tuple[str, ...]]:
        """The distinct combinations of names in these columns that some request has, in order of the names."""
        found = self._combined(columns)
        chosen = found.codes if rows is None else found.codes[rows]
        present = found.values[np.flatnonzero(np.bincount(chosen, minlength=len(found.values)))]
        return sorted({self._split(value, columns, found.sizes) for value in present.tolist()})

    def groups(self, *columns: str, rows: Mask) -> dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.intp]]]:
        """The numbers of these rows by their combination of names in these columns, in order of the names."""
        combined = self._combined(columns)
        if not len(combined.values):
            return {}
        numbers = np.flatnonzero(rows)
        codes = combined.codes[numbers]
        ends = np.cumsum(np.bincount(codes, minlength=len(combined.values)))
        parts = np.split(numbers[np.argsort(codes, kind="stable")], ends[:-1])
        found: dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.intp]]] = {}
        for value, part in zip(combined.values.tolist(), parts, strict=True):
            names = self._split(value, columns, combined.sizes)
            if len(part):
                found[names] = np.sort(np.concatenate([found[names], part])) if names in found else part
        return dict(sorted(found.items()))

    def combined_counts(self, *columns: str) -> dict[tuple[str, ...], int]:
        """How many requests have each combination of names in these columns, in order of the names."""
        combined = self._combined(columns)
        counts = np.bincount(combined.codes, weights=self.counts, minlength=len(combined.values))
        found: dict[tuple[str, ...], int] = {}
        for value, count in zip(combined.values.tolist(), counts.tolist(), strict=True):
            names = self._split(value, columns, combined.sizes)
            found[names] = found.get(names, 0) + round(count)
        return dict(sorted(found.items()))

    def _combined(self, columns: Sequence[str]) -> _Combined:
        """The combination of names in these columns that each row has."""
        key = tuple(columns)
        if key not in self._combinations:
            self._combinations[key] = self._new_combined(columns)
        return self._combinations[key]

    def _new_combined(self, columns: Sequence[str]) -> _Combined:
        values = np.zeros(len(self), np.int64)
        sizes = []
        for column in columns:
            names = self.names(column)
            sizes.append(max(len(names.names), 1))
            values = values * sizes[-1] + names.codes
        if math.prod(sizes) <= _SMALL:
            known = np.bincount(values, minlength=1) > 0
            present, codes = np.flatnonzero(known), (np.cumsum(known) - 1)[values]
        else:
            present, codes = np.unique(values, return_inverse=True)
        # Sorting, which groups do, takes a pass a byte of small integers.
        return _Combined(present, codes.astype(np.min_scalar_type(len(present))), sizes)

    def _split(self, value: int, columns: Sequence[str], sizes: Sequence[int]) -> tuple[str, ...]:
        parts: list[str] = []
        for column, size in zip(reversed(columns), reversed(sizes), strict=True):
            value, code = divmod(value, size)
            parts.append(self.names(column).names[code])
        return tuple(reversed(parts))

    def by_second(self, mask: Mask) -> Times:
        """How many of these requests began in each second of the run."""
        return self.per_bin(mask, Grid.of(self.run.duration, SECOND))
