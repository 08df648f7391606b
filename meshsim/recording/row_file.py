"""A parquet file whose values are written as they are in memory: what many rows cost least as.

General writers of parquet look at every value: they hash it, pack its bits, note the least and the greatest. Here
numbers go to the file unchanged (PLAIN), and names as their codes of 8, 16 or 32 bits, which is what a bit-packed run
of that width holds (RLE_DICTIONARY). apache/parquet-format README.md, Encodings.md and src/main/thrift/parquet.thrift,
version 2.10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.recording.schema import Column, Kind, Table
from meshsim.recording.thrift import Value, binary, i32, i64, listed, struct, varint

_MAGIC: Final = b"PAR1"
_BOOLEAN, _INT32, _INT64, _BYTE_ARRAY = 0, 1, 2, 6
_PLAIN, _RLE, _RLE_DICTIONARY = 0, 3, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_REQUIRED: Final = 0
_TOGETHER: Final = 8
"""Values that are bit-packed together."""
_PHYSICAL: Final = {
    Kind.TIME: _INT64,
    Kind.INT64: _INT64,
    Kind.INT32: _INT32,
    Kind.INT16: _INT32,
    Kind.BOOL: _BOOLEAN,
    Kind.NAME: _BYTE_ARRAY,
}
_CONVERTED: Final = {Kind.NAME: 0, Kind.INT16: 16, Kind.INT32: 17}
"""ConvertedType: UTF8, INT_16, INT_32."""


class Entries(NamedTuple):
    """The dictionary of a column: its values, encoded."""

    known: int
    data: bytes | bytearray


class Filled(NamedTuple):
    """The values of a column in one row group."""

    values: npt.NDArray[Any] | int
    """Numbers or truth values; with a dictionary codes without sign, or one code for all rows."""
    entries: Entries | None
    """The dictionary."""


class _Chunk(NamedTuple):
    """Where the values of one column of a row group stand in the file."""

    first: int
    data: int
    """Its data pages begin here; before them is the dictionary, if it has one."""
    end: int


class RowFile:
    """A parquet file of one table, written a row group at a time; readable once `close` has written its end."""

    def __init__(self, path: Path, table: Table, metadata: Mapping[str, bytes]) -> None:
        self._table = table
        self._metadata = metadata
        self._groups: list[tuple[int, list[_Chunk]]] = []
        self._file = path.open("wb")
        self._at = 0
        self._put(_MAGIC)

    def add_group(self, rows: int, columns: Sequence[Filled]) -> None:
        """Append so many rows, given in the order of the table's columns."""
        self._groups.append((rows, [self._chunk(rows, *column) for column in columns]))

    def _chunk(self, rows: int, values: npt.NDArray[Any] | int, entries: Entries | None) -> _Chunk:
        """Write a column chunk: its dictionary, and all values as one page."""
        first = self._at
        if entries is not None:
            self._put(_dictionary_header(entries), entries.data)
        data = self._at
        parts = _packed(rows, values) if entries is not None else (_plain(values),)
        self._put(_page_header(rows, sum(map(_size, parts)), entries is not None), *parts)
        return _Chunk(first, data, self._at)

    def _put(self, *parts: bytes | bytearray | npt.NDArray[Any]) -> None:
        for part in parts:
            self._file.write(part.data if isinstance(part, np.ndarray) else part)
            self._at += _size(part)

    def close(self) -> None:
        """Write where everything stands, and let go of the file."""
        if self._file.closed:
            return
        footer = self._footer().data
        self._put(footer, len(footer).to_bytes(4, "little"), _MAGIC)
        self._file.close()

    def _footer(self) -> Value:
        columns = self._table.columns
        root = struct({4: binary(b"schema"), 5: i32(len(columns))})
        fields: dict[int, Value] = {
            1: i32(2),
            2: listed([root, *map(_schema_element, columns)]),
            3: i64(sum(rows for rows, _ in self._groups)),
            4: listed(self._row_group(rows, chunks) for rows, chunks in self._groups),
            5: listed(struct({1: binary(k.encode()), 2: binary(v)}) for k, v in self._metadata.items()),
            6: binary(b"meshsim"),
        }
        return struct(fields)

    def _row_group(self, rows: int, chunks: Sequence[_Chunk]) -> Value:
        columns = [_column_chunk(c, chunk, rows) for c, chunk in zip(self._table.columns, chunks, strict=True)]
        return struct({1: listed(columns), 2: i64(chunks[-1].end - chunks[0].first), 3: i64(rows)})


def _size(part: bytes | bytearray | npt.NDArray[Any]) -> int:
    return part.nbytes if isinstance(part, np.ndarray) else len(part)


def _plain(values: npt.NDArray[Any] | int) -> npt.NDArray[Any]:
    """Numbers as they are, truth values a bit each."""
    array = np.asarray(values)
    return np.packbits(array, bitorder="little") if array.dtype == bool else array


def _packed(rows: int, codes: npt.NDArray[Any] | int) -> Sequence[bytes | npt.NDArray[Any]]:
    """Their width in bits, and codes as one bit-packed run, which holds them as they are, or as one repeated code."""
    if isinstance(codes, int):
        return (bytes([32]) + varint(rows << 1) + codes.to_bytes(4, "little"),)
    missing = -rows % _TOGETHER
    head = bytes([8 * codes.itemsize]) + varint((rows + missing) // _TOGETHER << 1 | 1)
    return head, codes, bytes(missing * codes.itemsize)


@lru_cache(256)
def _page_header(rows: int, size: int, coded: bool) -> bytes:
    encoding = i32(_RLE_DICTIONARY if coded else _PLAIN)
    head = struct({1: i32(rows), 2: encoding, 3: i32(_RLE), 4: i32(_RLE)})
    return struct({1: i32(_DATA_PAGE), 2: i32(size), 3: i32(size), 5: head}).data


def _dictionary_header(entries: Entries) -> bytes:
    head = struct({1: i32(entries.known), 2: i32(_PLAIN)})
    size = i32(len(entries.data))
    return struct({1: i32(_DICTIONARY_PAGE), 2: size, 3: size, 7: head}).data


def _schema_element(column: Column) -> Value:
    fields = {1: i32(_PHYSICAL[column.kind]), 3: i32(_REQUIRED), 4: binary(column.name.encode())}
    if column.kind in _CONVERTED:
        fields[6] = i32(_CONVERTED[column.kind])
    return struct(fields)


def _column_chunk(column: Column, chunk: _Chunk, rows: int) -> Value:
    size = i64(chunk.end - chunk.first)
    coded = chunk.data > chunk.first
    fields = {
        1: i32(_PHYSICAL[column.kind]),
        2: listed([i32(_PLAIN), i32(_RLE), i32(_RLE_DICTIONARY)] if coded else [i32(_PLAIN), i32(_RLE)]),
        3: listed([binary(column.name.encode())]),
        4: i32(0),
        5: i64(rows),
        6: size,
        7: size,
        9: i64(chunk.data),
    }
    if coded:
        fields[11] = i64(chunk.first)
    return struct({2: i64(chunk.first), 3: struct(fields)})
