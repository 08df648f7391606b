"""Tables of a recording as Arrow schemas and arrays. The only module of the room that needs pyarrow at import."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, overload

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
_WIDTHS: Final[dict[Kind, Any]] = {
    Kind.TIME: np.int64,
    Kind.INT64: np.int64,
    Kind.INT32: np.int32,
    Kind.INT16: np.int16,
}


class Names(Sequence[str]):
    """Distinct names in the order in which they came: more may come, and the code of a name never changes."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        """The place of a name, which is added if it is new."""
        found = self._codes.get(name)
        if found is None:
            found = self._codes[name] = len(self._names)
            self._names.append(name)
        return found

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        return self._names[at]


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


def file_metadata(table: Table) -> dict[str, bytes]:
    """What a parquet file of a table says of itself; by the Arrow schema readers know which columns hold names."""
    schema = arrow_schema(table)
    own = {key.decode(): value for key, value in schema.metadata.items()}
    return {**own, "ARROW:schema": b64encode(schema.serialize().to_pybytes())}


def arrow_table(table: Table, columns: Mapping[str, ColumnData], rows: int) -> Any:
    """An Arrow table of these columns; every column of the table must be given, all with `rows` values."""
    check_columns(table, columns, rows)
    arrays = [_array(column, columns[column.name], rows) for column in table.columns]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def check_columns(table: Table, columns: Mapping[str, ColumnData], rows: int) -> None:
    """Raise `InternalError` unless every column of a table is given with so many values that it can hold."""
    wanted = table.names
    missing = [name for name in wanted if name not in columns]
    unknown = [name for name in columns if name not in wanted]
    if missing or unknown:
        raise InternalError(f"columns of {table.name} are missing: {missing}, or unknown: {unknown}")
    for column in table.columns:
        data = columns[column.name]
        if isinstance(data, str | int):
            continue
        values = data.codes if isinstance(data, Coded) else data
        if isinstance(data, Coded) and column.kind is not Kind.NAME:
            raise InternalError(f"column {column.name} does not hold names")
        if len(values) != rows:
            raise InternalError(f"column {column.name} has {len(values)} values, {rows} are needed")
        if isinstance(data, Coded) and rows and int(data.codes.max()) >= len(data.names):
            raise InternalError(
                f"column {column.name} has the code {int(data.codes.max())}, there are {len(data.names)} names"
            )


def joined(column: Column, batches: Sequence[tuple[ColumnData, int]]) -> ColumnData:
    """The values of a column of several batches, each with its number of rows, as one."""
    if column.kind is not Kind.NAME:
        return np.concatenate([_numbers(data, rows) for data, rows in batches])
    names: dict[str, int] = {}
    codes = [_recoded(data, rows, names) for data, rows in batches]
    return Coded(np.concatenate(codes), list(names))


def _numbers(data: ColumnData, rows: int) -> np.ndarray[Any, np.dtype[Any]]:
    return np.full(rows, data) if isinstance(data, str | int) else np.asarray(data)


def _recoded(data: ColumnData, rows: int, names: dict[str, int]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Names by the numbers they have in a shared list, which grows."""
    if isinstance(data, Coded):
        # One entry more than there are names: the empty name, which a code of -1 means.
        known = [names.setdefault(name, len(names)) for name in data.names]
        table = np.array([*known, names.setdefault("", len(names))], np.int32)
        recoded: np.ndarray[Any, np.dtype[np.int32]] = table[np.asarray(data.codes)]
        return recoded
    if isinstance(data, str | int):
        return np.full(rows, names.setdefault(str(data), len(names)), np.int32)
    return np.array([names.setdefault(str(name), len(names)) for name in data], np.int32)


def rows_table(table: Table, rows: Iterable[Sequence[Any]]) -> Any:
    """An Arrow table of rows given as tuples in the order of the columns."""
    listed = list(rows)
    # Column by column: zip(*rows) would make an iterator for each row.
    columns = [list(map(itemgetter(at), listed)) for at in range(len(table.columns))]
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
    if column.kind is Kind.NAME:
        return pa.array(data, type=pa.string()).dictionary_encode()
    if isinstance(data, np.ndarray) and column.kind in _WIDTHS:
        # numpy narrows a column at once, Arrow value by value.
        data = narrowed(data, column)
    return pa.array(data, kind)


def narrowed(data: np.ndarray[Any, np.dtype[Any]], column: Column) -> np.ndarray[Any, np.dtype[Any]]:
    """The values in the width of their column; raises `InternalError` where they do not fit."""
    limits = np.iinfo(_WIDTHS[column.kind])
    if (
        len(data)
        and data.dtype.itemsize > limits.bits // 8
        and not limits.min <= data.min() <= data.max() <= limits.max
    ):
        raise InternalError(f"column {column.name} has values that do not fit into {limits.bits} bits")
    return data.astype(_WIDTHS[column.kind], copy=False)


def _dictionary(data: Coded, column: Column, rows: int) -> Any:
    codes = np.asarray(data.codes)
    names = list(data.names)
    if rows and int(codes.min()) < 0:
        codes = np.where(codes < 0, len(names), codes)
        names.append("")
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))
