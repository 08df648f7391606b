"""Tables of a recording as Arrow schemas and arrays. The only module of the room that needs pyarrow at import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from meshsim.errors import InternalError
from meshsim.recording.schema import SCHEMA_VERSION, Column, Kind, Table

_NAMES: Final = pa.dictionary(pa.int32(), pa.string())
_TYPES: Final[dict[Kind, Any]] = {
    Kind.TIME: pa.int64(),
    Kind.INT64: pa.int64(),
    Kind.INT32: pa.int32(),
    Kind.INT16: pa.int16(),
    Kind.BOOL: pa.bool_(),
    Kind.NAME: _NAMES,
    Kind.TEXT: pa.string(),
    Kind.NUMBERS: pa.list_(pa.int64()),
    Kind.BYTES: pa.binary(),
}


class Coded(NamedTuple):
    """A column of names: `names[codes[i]]` is the value of row i; a negative code is the empty name."""

    codes: np.ndarray[Any, np.dtype[np.integer[Any]]]
    names: Sequence[str]


ColumnData = np.ndarray[Any, np.dtype[Any]] | Coded | Sequence[Any] | str | int
"""Values of a column: an array, coded names, a plain list, or one value for every row."""


def arrow_schema(table: Table) -> Any:
    """The Arrow schema of a table, with meanings and version as metadata."""
    fields = [pa.field(c.name, _TYPES[c.kind], metadata={"meaning": c.meaning}) for c in table.columns]
    return pa.schema(fields, metadata={"meshsim.schema": str(SCHEMA_VERSION), "meaning": table.meaning})


def arrow_table(table: Table, columns: Mapping[str, ColumnData], rows: int) -> Any:
    """An Arrow table of these columns; every column of the table must be given, all with `rows` values."""
    missing = [name for name in table.names if name not in columns]
    unknown = [name for name in columns if name not in table.names]
    if missing or unknown:
        raise InternalError(f"columns of {table.name} are missing: {missing}, or unknown: {unknown}")
    arrays = [_array(column, columns[column.name], rows) for column in table.columns]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def rows_table(table: Table, rows: Iterable[Sequence[Any]]) -> Any:
    """An Arrow table of rows given as tuples in the order of the columns."""
    listed = list(rows)
    columns = list(zip(*listed, strict=True)) if listed else [()] * len(table.columns)
    arrays = [pa.array(values, type=_TYPES[c.kind]) for c, values in zip(table.columns, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def _array(column: Column, data: ColumnData, rows: int) -> Any:
    kind = _TYPES[column.kind]
    if isinstance(data, Coded):
        return _dictionary(data, column, rows)
    if isinstance(data, str | int):
        if column.kind is Kind.NAME:
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([data], pa.string()))
        return pa.array(np.full(rows, data), type=kind)
    if len(data) != rows:
        raise InternalError(f"column {column.name} has {len(data)} values, {rows} are needed")
    array = pa.array(data, type=pa.string()).dictionary_encode() if column.kind is Kind.NAME else pa.array(data, kind)
    return array.cast(kind)


def _dictionary(data: Coded, column: Column, rows: int) -> Any:
    if column.kind is not Kind.NAME:
        raise InternalError(f"column {column.name} does not hold names")
    if len(data.codes) != rows:
        raise InternalError(f"column {column.name} has {len(data.codes)} values, {rows} are needed")
    codes = np.asarray(data.codes)
    names = list(data.names)
    if rows and int(codes.max()) >= len(names):
        raise InternalError(f"column {column.name} has the code {int(codes.max())}, there are {len(names)} names")
    if rows and int(codes.min()) < 0:
        codes = np.where(codes < 0, len(names), codes)
        names.append("")
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))
