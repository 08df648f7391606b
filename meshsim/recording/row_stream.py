"""Requests on their way to disk: batches become pages of a parquet file, names the codes of one dictionary a column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meshsim.errors import InternalError
from meshsim.recording.arrow import Coded, ColumnData, Names, check_columns, file_metadata, narrowed
from meshsim.recording.row_file import Entries, Page, RowFile, Values
from meshsim.recording.schema import Column, Kind, Table

ROW_GROUP: Final = 1 << 17
"""Rows of a row group: so many are kept in memory before they are written."""
_PAGE: Final = 1 << 13
"""Rows of a page at least, where there are as many: a page has a head, and readers begin anew at each."""
_NARROW: Final = ((1 << 8, np.uint8), (1 << 16, np.uint16), (1 << 32, np.uint32))


class RowStream:
    """A table that is written while its rows come. What is in memory is bounded by `ROW_GROUP` and one batch."""

    def __init__(self, folder: Path, table: Table, seed: int) -> None:
        self.rows = 0
        self._table = table
        self._seed = seed
        self._columns = [_ENCODERS[column.kind](column) for column in table.columns]
        self._waiting: list[Page] = []
        self._waiting_rows = 0
        self._file = RowFile(folder / f"{table.name}.parquet", table, file_metadata(table))

    def add(self, columns: Mapping[str, ColumnData], rows: int) -> None:
        """Append so many rows, every column of the table but the seed."""
        if not rows:
            return
        given = {**columns, "seed": self._seed}
        check_columns(self._table, given, rows)
        self._waiting.append(Page(rows, [encoder.encode(given[encoder.name], rows) for encoder in self._columns]))
        self._waiting_rows += rows
        self.rows += rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        self._file.add_group(_pages(self._waiting), [encoder.entries() for encoder in self._columns])
        self._waiting.clear()
        self._waiting_rows = 0

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._flush()
        self._file.close()


def _pages(batches: list[Page]) -> list[Page]:
    """Batches as pages, small ones together."""
    pages: list[Page] = []
    small: list[Page] = []
    for batch in batches:
        small.append(batch)
        if sum(page.rows for page in small) >= _PAGE:
            pages.append(_joined(small))
            small = []
    return pages + ([_joined(small)] if small else [])


def _joined(batches: list[Page]) -> Page:
    if len(batches) == 1:
        return batches[0]
    columns: list[Values] = []
    for at, first in enumerate(batches[0].columns):
        values = [batch.columns[at] for batch in batches]
        if isinstance(first, int) and all(isinstance(value, int) and value == first for value in values):
            columns.append(first)
        else:
            arrays = [_array(page.rows, value) for page, value in zip(batches, values, strict=True)]
            columns.append(np.concatenate(arrays))
    return Page(sum(batch.rows for batch in batches), columns)


def _array(rows: int, values: Values) -> npt.NDArray[Any]:
    return np.full(rows, values, _width(values + 1)) if isinstance(values, int) else values


def _width(values: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest codes for so many values."""
    return next(kind for limit, kind in _NARROW if values <= limit)


class _Plain:
    """A column whose values stand for themselves."""

    def __init__(self, column: Column) -> None:
        self.name = column.name
        self._column = column

    def encode(self, data: ColumnData, rows: int) -> Values:
        """The values, in the width of the column."""
        values = np.full(rows, data) if isinstance(data, str | int) else np.asarray(data)
        return values.astype(bool, copy=False) if self._column.kind is Kind.BOOL else narrowed(values, self._column)

    def entries(self) -> Entries | None:
        """Nothing: there is no dictionary."""
        return None


class _Few:
    """A column of few different numbers, kept as codes."""

    def __init__(self, column: Column) -> None:
        self.name = column.name
        self._column = column
        self._numbers: list[int] = []
        self._code_of: npt.NDArray[np.int32] = np.full(0, -1, np.int32)
        self._least = 0

    def encode(self, data: ColumnData, rows: int) -> Values:
        """The codes of the numbers."""
        if isinstance(data, str | int):
            return int(self._codes(narrowed(np.array([data]), self._column))[0])
        codes = self._codes(narrowed(np.asarray(data), self._column))
        return 0 if len(self._numbers) == 1 else codes.astype(_width(len(self._numbers)))

    def _codes(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        self._reach(int(values.min()), int(values.max()))
        places = values - self._least if self._least else values
        codes = self._code_of.take(places)
        if int(codes.min()) < 0:
            for number in np.unique(values[codes < 0]).tolist():
                self._code_of[number - self._least] = len(self._numbers)
                self._numbers.append(number)
            codes = self._code_of.take(places)
        return codes

    def _reach(self, least: int, most: int) -> None:
        """Have a place for each number from the least to the greatest that came, and for 0."""
        least, end = min(least, self._least), max(most + 1, self._least + len(self._code_of))
        if (least, end) != (self._least, self._least + len(self._code_of)):
            if end - least > 1 << 20:
                raise InternalError(f"numbers of column {self.name} lie too far apart: {least} to {end - 1}")
            codes = np.full(end - least, -1, np.int32)
            codes[[number - least for number in self._numbers]] = np.arange(len(self._numbers))
            self._least, self._code_of = least, codes

    def entries(self) -> Entries:
        """The numbers that came, in order of their codes."""
        return Entries(len(self._numbers), np.array(self._numbers, "<i4").tobytes())


class _Names:
    """A column of names, kept as codes of one dictionary, which grows."""

    def __init__(self, column: Column) -> None:
        self.name = column.name
        self._names = Names()
        self._encoded = bytearray()
        self._written = 0
        """Names that are encoded already."""
        self._source: Names | None = None
        self._code_of: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._same = True
        """Whether the source's codes are also those of the dictionary."""

    def encode(self, data: ColumnData, rows: int) -> Values:
        """The codes of the names."""
        if isinstance(data, str | int):
            return self._names.code(str(data))
        if isinstance(data, Coded):
            codes = self._recoded(np.asarray(data.codes), data)
        else:
            codes = np.fromiter((self._names.code(str(name)) for name in data), np.uint32, rows)
        return 0 if len(self._names) == 1 else codes.astype(_width(len(self._names)), copy=False)

    def _recoded(self, codes: npt.NDArray[Any], data: Coded) -> npt.NDArray[Any]:
        names = data.names
        if isinstance(names, Names) and names is self._source:
            known = len(self._code_of)
        else:
            self._source, self._same, known = names if isinstance(names, Names) else None, True, 0
        if len(names) > known:
            fresh = np.array([self._names.code(name) for name in names[known:]], np.uint32)
            self._code_of = np.concatenate([self._code_of[:known], fresh])
            self._same = self._same and bool((fresh == np.arange(known, len(names))).all())
        if codes.dtype.kind == "i" and int(codes.min()) < 0:
            return np.append(self._code_of[: len(names)], np.uint32(self._names.code("")))[codes]
        return codes if self._same else self._code_of.take(codes)

    def entries(self) -> Entries:
        """All names that came, in order of their codes: each its length and its bytes."""
        for name in self._names[self._written :]:
            encoded = name.encode()
            self._encoded += len(encoded).to_bytes(4, "little") + encoded
        self._written = len(self._names)
        return Entries(self._written, self._encoded)


_ENCODERS: Final = {
    Kind.TIME: _Plain,
    Kind.INT64: _Plain,
    Kind.BOOL: _Plain,
    Kind.INT16: _Few,
    Kind.INT32: _Few,
    Kind.NAME: _Names,
}
