"""Requests counted by second, edge, outcome and latency bucket: what remains when not every request is kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from meshsim.recording.arrow import arrow_schema
from meshsim.recording.schema import SERIES
from meshsim.units import MICROSECOND, SECOND, Nanos

BUCKETS_PER_OCTAVE: Final = 8
"""Buckets are 2^(1/8) apart: a percentile read from them is at most 9 % off."""

_LARGEST: Final = 2**62
_KEYS: Final = [
    "second",
    "traffic",
    "source",
    "source_namespace",
    "source_version",
    "destination",
    "destination_namespace",
    "destination_version",
    "status",
    "flags",
    "bucket",
    "seed",
]


def bucket_of(latency: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Buckets of latencies: bucket k holds those up to `bucket_limit(k)` and above that of k - 1."""
    micros = np.maximum(latency, MICROSECOND) / MICROSECOND
    buckets: np.ndarray[Any, np.dtype[np.int16]] = np.ceil(np.log2(micros) * BUCKETS_PER_OCTAVE - 1e-9).astype(np.int16)
    return buckets


def bucket_limit(bucket: int) -> Nanos:
    """Upper limit of a bucket in nanoseconds."""
    factor: float = 2.0 ** (bucket / BUCKETS_PER_OCTAVE)
    return round(factor * MICROSECOND)


def series_of(requests: Any) -> Any:
    """The series of a table of requests: last attempts of what is no mirrored copy."""
    wanted = np.logical_and(requests["last"].to_numpy(), ~requests["mirror"].to_numpy())
    table = requests.filter(pa.array(wanted)).combine_chunks().unify_dictionaries()
    start = table["start"].to_numpy()
    added = {
        "second": pa.array((start // SECOND).astype(np.int32)),
        "bucket": pa.array(bucket_of(table["request_end"].to_numpy() - start)),
    }
    keys = [added[name] if name in added else table[name] for name in _KEYS]
    first, counts = _groups([_codes(key) for key in keys])
    rows = pa.array(first)
    columns = {name: key.take(rows) for name, key in zip(_KEYS, keys, strict=True)}
    columns["count"] = pa.array(counts)
    return pa.table([columns[name] for name in SERIES.names], names=SERIES.names).cast(arrow_schema(SERIES))


def _codes(column: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Small whole numbers that are equal where the values are."""
    if pa.types.is_dictionary(column.type):
        combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        codes: np.ndarray[Any, np.dtype[np.int64]] = combined.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return codes
    values = column.to_numpy().astype(np.int64)
    shifted: np.ndarray[Any, np.dtype[np.int64]] = values - (values.min() if len(values) else 0)
    return shifted


def _groups(
    keys: list[np.ndarray[Any, np.dtype[np.int64]]],
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """First row and size of each group of rows that agree in all keys, in the order of the keys."""
    combined = np.zeros(len(keys[0]), np.int64)
    span = 1
    for key in keys:
        values = int(key.max()) + 1 if len(key) else 1
        if span * values >= _LARGEST:
            distinct, combined = np.unique(combined, return_inverse=True)
            span = len(distinct)
        combined = combined * values + key
        span *= values
    _, first, counts = np.unique(combined, return_index=True, return_counts=True)
    return first, counts
