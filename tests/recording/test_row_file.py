"""A file of rows is parquet: others read from it what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from meshsim.recording.arrow import arrow_schema, file_metadata
from meshsim.recording.row_file import Entries, Filled, RowFile
from meshsim.recording.schema import Column, Kind, Table

TABLE = Table(
    "rows",
    (
        Column("time", Kind.TIME, "when"),
        Column("name", Kind.NAME, "who"),
        Column("small", Kind.INT16, "how many"),
        Column("yes", Kind.BOOL, "whether"),
    ),
    "some rows",
)


def names(*values: str) -> Entries:
    encoded = [value.encode() for value in values]
    return Entries(len(values), b"".join(len(e).to_bytes(4, "little") + e for e in encoded))


def group(codes: Any, entries: Entries, rows: int, small: tuple[int, ...] = (3,)) -> list[Filled]:
    return [
        Filled(np.arange(rows, dtype=np.int64) - 1, None),
        Filled(codes, entries),
        Filled(np.arange(rows, dtype=np.uint8) % len(small), Entries(len(small), np.array(small, "<i4").tobytes())),
        Filled(np.arange(rows) % 3 == 0, None),
    ]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1000])
def test_every_width_of_codes_and_number_of_rows(tmp_path: Path, kind: type[Any], rows: int) -> None:
    file = RowFile(tmp_path / "rows.parquet", TABLE, file_metadata(TABLE))
    codes = (np.arange(rows) % 3).astype(kind)
    file.add_group(rows, group(codes, names("a", "", "ü"), rows, (200, -7)))
    file.close()
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.to_pylist() == [
        {"time": at - 1, "name": ("a", "", "ü")[at % 3], "small": (200, -7)[at % 2], "yes": at % 3 == 0}
        for at in range(rows)
    ]


def test_groups_have_dictionaries_of_their_own(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.parquet", TABLE, file_metadata(TABLE))
    file.add_group(3, group(0, names("only"), 3))
    file.add_group(2, group(np.array([1, 0], np.uint8), names("only", "other"), 2))
    file.add_group(2, group(300, names(*map(str, range(301))), 2))
    file.close()
    read = pq.ParquetFile(tmp_path / "rows.parquet")
    assert [read.metadata.row_group(at).num_rows for at in range(read.metadata.num_row_groups)] == [3, 2, 2]
    assert read.read()["name"].to_pylist() == ["only"] * 3 + ["other", "only"] + ["300", "300"]


def test_types_and_meanings_are_those_of_the_table(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.parquet", TABLE, file_metadata(TABLE))
    file.add_group(1, group(0, names("a"), 1))
    file.close()
    schema = pq.read_table(tmp_path / "rows.parquet").schema
    assert schema.types == arrow_schema(TABLE).types
    assert schema.field("time").metadata[b"meaning"] == b"when"
    assert schema.metadata[b"meaning"] == b"some rows"


def test_a_file_may_have_no_rows(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.parquet", TABLE, file_metadata(TABLE))
    file.close()
    file.close()
    table = pq.read_table(tmp_path / "rows.parquet")
    assert (table.num_rows, table.column_names) == (0, TABLE.names)
