"""Requests on their way to disk: rows are gathered to row groups of a parquet file, names as codes of a dictionary.

All memory that rows pass through is taken once: for memory that it has not used before a process waits longer than for
anything else here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from meshsim.recording.arrow import Coded, ColumnData, Names, check_columns, file_metadata, narrowed
from meshsim.recording.row_file import Entries, Filled, RowFile
from meshsim.recording.schema import Column, Kind, Table

ROW_GROUP: Final = 1 << 16
"""Rows of a row group: so many are kept in memory before they are written."""
_WIDER: Final[dict[Any, Any]] = {np.dtype(np.uint8): np.uint16, np.dtype(np.uint16): np.uint32}
_SMALL: Final = 1 << 16
"""Numbers of 16 bits."""


class RowStream:
    """A table that is written while its rows come; what is in memory is one row group."""

    def __init__(self, folder: Path, table: Table, seed: int) -> None:
        self.rows = 0
        self._table = table
        self._seed = seed
        self._columns: dict[str, _Column] = {column.name: _KINDS[column.kind](column) for column in table.columns}
        self._filled = 0
        self._file = RowFile(folder / f"{table.name}.parquet", table, file_metadata(table))

    def add(self, columns: Mapping[str, ColumnData], rows: int) -> None:
        """Append so many rows, every column of the table but the seed; they may be changed afterwards."""
        if not rows:
            return
        given = {**columns, "seed": self._seed}
        check_columns(self._table, given, rows)
        done = 0
        while done < rows:
            part = min(rows - done, ROW_GROUP - self._filled)
            for name, column in self._columns.items():
                column.put(_part(given[name], done, done + part), self._filled, self._filled + part)
            self._filled += part
            done += part
            if self._filled == ROW_GROUP:
                self._flush()
        self.rows += rows

    def _flush(self) -> None:
        if self._filled:
            self._file.add_group(self._filled, [column.filled(self._filled) for column in self._columns.values()])
            self._filled = 0

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._flush()
        self._file.close()


def _part(data: ColumnData, begin: int, end: int) -> ColumnData:
    if isinstance(data, str | int):
        return data
    return Coded(data.codes[begin:end], data.names) if isinstance(data, Coded) else data[begin:end]


class _Column(Protocol):
    """The values of a column in the row group that is being filled."""

    def put(self, data: ColumnData, begin: int, end: int) -> None:
        """These rows of the group have these values."""

    def filled(self, rows: int) -> Filled:
        """So many rows as they go to the file."""


class _Plain:
    """A column whose values stand for themselves."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._values = np.zeros(ROW_GROUP, bool if column.kind is Kind.BOOL else np.int64)

    def put(self, data: ColumnData, begin: int, end: int) -> None:
        self._values[begin:end] = data

    def filled(self, rows: int) -> Filled:
        return Filled(self._values[:rows], None)


class _Codes:
    """Codes of the values of a column, as narrow as its dictionary allows."""

    def __init__(self) -> None:
        self._codes: npt.NDArray[np.unsignedinteger[Any]] = np.zeros(ROW_GROUP, np.uint8)
        self._room = 1 << 8

    def put(self, codes: Any, begin: int, end: int, known: int) -> None:
        """These rows have these codes, of which `known` are in use."""
        while known > self._room:
            self._codes = self._codes.astype(_WIDER[self._codes.dtype])
            self._room = 1 << 8 * self._codes.itemsize
        self._codes[begin:end] = codes

    def filled(self, rows: int, entries: Entries) -> Filled:
        return Filled(0 if entries.known == 1 else self._codes[:rows], entries)


class _Few:
    """A column of few different numbers."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._codes = _Codes()
        self._known: dict[int, int] = {}
        """Codes by number."""
        self._code_of: npt.NDArray[np.int32] = np.full(_SMALL, -1, np.int32)
        """The same for numbers of 16 bits, -1 for those that have not come; negative numbers stand at the end."""

    def put(self, data: ColumnData, begin: int, end: int) -> None:
        if isinstance(data, str | int):
            codes: Any = self._code(int(data))
        else:
            codes = self._coded(narrowed(np.asarray(data), self._column))
        self._codes.put(codes, begin, end, len(self._known))

    def _code(self, number: int) -> int:
        return self._known.setdefault(number, len(self._known))

    def _coded(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        if numbers.dtype != np.int16:
            distinct, place = np.unique(numbers, return_inverse=True)
            return np.array([self._code(number) for number in distinct.tolist()], np.int32)[place]
        codes = self._code_of.take(numbers, mode="wrap")
        if int(codes.min()) < 0:
            for number in np.unique(numbers[codes < 0]).tolist():
                self._code_of[number] = self._code(number)
            codes = self._code_of.take(numbers, mode="wrap")
        return codes

    def filled(self, rows: int) -> Filled:
        return self._codes.filled(rows, Entries(len(self._known), np.array(list(self._known), "<i4").tobytes()))


class _Named:
    """A column of names."""

    def __init__(self, column: Column) -> None:
        self._codes = _Codes()
        self._names = Names()
        self._encoded = bytearray()
        self._encoded_names = 0
        self._source: Names | None = None
        """Where codes came from last; names that have been read from there are not read again."""
        self._code_of: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._same = True
        """Whether the source's codes are also those of the dictionary."""

    def put(self, data: ColumnData, begin: int, end: int) -> None:
        codes: Any
        if isinstance(data, str | int):
            codes = self._names.code(str(data))
        elif isinstance(data, Coded):
            codes = self._recoded(np.asarray(data.codes), data.names)
        else:
            codes = [self._names.code(str(name)) for name in data]
        self._codes.put(codes, begin, end, len(self._names))

    def _recoded(self, codes: npt.NDArray[Any], names: Sequence[str]) -> npt.NDArray[Any]:
        known = len(self._code_of) if names is self._source else 0
        if known == 0:
            self._source, self._same = names if isinstance(names, Names) else None, True
        if len(names) > known:
            fresh = np.array([self._names.code(name) for name in names[known:]], np.uint32)
            self._code_of = np.concatenate([self._code_of[:known], fresh])
            self._same = self._same and bool((fresh == np.arange(known, len(names))).all())
        if codes.dtype.kind == "i" and int(codes.min()) < 0:
            own = np.append(self._code_of[: len(names)], np.uint32(self._names.code("")))
            return own.take(codes, mode="wrap")
        return codes if self._same else self._code_of.take(codes)

    def filled(self, rows: int) -> Filled:
        # All names that came, in order of their codes: each its length and its bytes.
        for name in self._names[self._encoded_names :]:
            encoded = name.encode()
            self._encoded += len(encoded).to_bytes(4, "little") + encoded
        self._encoded_names = len(self._names)
        return self._codes.filled(rows, Entries(self._encoded_names, self._encoded))


_KINDS: Final[dict[Kind, Callable[[Column], _Column]]] = {
    Kind.TIME: _Plain,
    Kind.INT64: _Plain,
    Kind.BOOL: _Plain,
    Kind.INT16: _Few,
    Kind.INT32: _Few,
    Kind.NAME: _Named,
}
