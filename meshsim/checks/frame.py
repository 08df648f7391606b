"""The requests of a run as numpy columns: one row a request as its caller sees it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

import numpy as np

from meshsim.recording import Run
from meshsim.scenario import End, Span
from meshsim.units import SECOND

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Times = np.ndarray[Any, np.dtype[np.int64]]

_FAR: Final = np.uint64(0x9E3779B97F4A7C15)
_SMALL: Final = 1 << 22
"""Up to so many combinations it is faster to count them than to sort the requests."""
COLUMNS: Final = (
    "root",
    "request",
    "parent",
    "attempt",
    "last",
    "mirror",
    "start",
    "request_end",
    "traffic",
    "source",
    "source_namespace",
    "source_version",
    "source_pod",
    "destination",
    "destination_namespace",
    "destination_version",
    "service",
    "pod",
    "status",
    "flags",
    "seed",
)


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

    def values(self) -> list[str]:
        """The name of each row."""
        return [self.names[code] for code in self.codes.tolist()]


class Frame:
    """Last attempts, without mirrored copies."""

    def __init__(self, run: Run) -> None:
        import pyarrow as pa

        table = run.requests(COLUMNS).unify_dictionaries()
        seen = table["last"].to_numpy() & ~table["mirror"].to_numpy()
        self._table = table.filter(pa.array(seen))
        self._names: dict[str, Names] = {}
        self.run = run

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def start(self) -> Times:
        """When each request was sent."""
        times: Times = self._table["start"].to_numpy()
        return times

    @cached_property
    def latency(self) -> Times:
        """From sending to the whole answer, retries included."""
        times: Times = self._table["request_end"].to_numpy() - self.start
        return times

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
        inner = np.where(last > 0, last - np.minimum(first, last), 0)
        own: Times = np.maximum(self.latency - inner, 0)
        return own

    def _identity(self, column: str) -> Times:
        """Ids of a replication moved by an offset of its own, far from that of any other."""
        ids = self._table[column].to_numpy().view(np.uint64)
        _, number = np.unique(self.seed, return_inverse=True)
        unique: Times = (ids + number.astype(np.uint64) * _FAR).view(np.int64)
        return unique

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
    def retried(self) -> Mask:
        """More than one attempt."""
        return np.asarray(self._table["attempt"].to_numpy() > 1)

    @cached_property
    def from_client(self) -> Mask:
        """Sent by a client, not by a handler."""
        return np.asarray(self._table["parent"].to_numpy() < 0)

    @cached_property
    def seed(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Replication of each request."""
        seeds: np.ndarray[Any, np.dtype[np.int32]] = self._table["seed"].to_numpy()
        return seeds

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
        """Requests sent to this end."""
        return self._end(end, "destination", "pod")

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
        combined = np.zeros(len(self), np.int64)
        sizes = []
        for column in columns:
            names = self.names(column)
            sizes.append(max(len(names.names), 1))
            combined = combined * sizes[-1] + names.codes
        chosen = combined if rows is None else combined[rows]
        total = int(np.prod(sizes, dtype=np.int64)) if sizes else 1
        small = total <= _SMALL
        present = np.flatnonzero(np.bincount(chosen, minlength=1)) if small else np.unique(chosen)
        found = []
        for value in present.tolist():
            parts: list[str] = []
            rest = value
            for column, size in zip(reversed(columns), reversed(sizes), strict=True):
                rest, code = divmod(rest, size)
                parts.append(self.names(column).names[code])
            found.append(tuple(reversed(parts)))
        return sorted(set(found))

    def by_second(self, mask: Mask) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many of these requests began in each second of the run."""
        seconds = int(-(-self.run.duration // SECOND)) or 1
        index = np.minimum(self.start[mask] // SECOND, seconds - 1)
        return np.bincount(index, minlength=seconds)
