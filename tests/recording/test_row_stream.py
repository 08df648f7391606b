"""What goes through a stream of rows comes out of its file, however it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from meshsim.errors import InternalError
from meshsim.recording.arrow import Coded, Names
from meshsim.recording.row_stream import ROW_GROUP, RowStream
from meshsim.recording.schema import Column, Kind, Table

TABLE = Table(
    "rows",
    (
        Column("time", Kind.TIME, "when"),
        Column("name", Kind.NAME, "who"),
        Column("small", Kind.INT16, "how many"),
        Column("yes", Kind.BOOL, "whether"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "some rows",
)


def batch(rows: int, name: Any, small: Any = 1) -> dict[str, Any]:
    return {"time": np.arange(rows), "name": name, "small": small, "yes": np.arange(rows) % 2 == 0}


def written(folder: Path, *batches: dict[str, Any]) -> Any:
    stream = RowStream(folder, TABLE, 7)
    for columns in batches:
        stream.add(columns, len(columns["time"]))
    assert stream.rows == sum(len(columns["time"]) for columns in batches)
    stream.close()
    return pq.read_table(folder / "rows.parquet")


def test_names_come_back_in_whatever_form_they_were_given(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        batch(2, "a"),
        batch(2, Coded(np.array([1, -1]), ("b", "a"))),
        batch(2, ["c", "b"]),
        batch(2, Coded(np.array([0, 1], np.uint8), ("c", "d"))),
    )
    assert table["name"].to_pylist() == ["a", "a", "a", "", "c", "b", "c", "d"]
    assert set(table["seed"].to_pylist()) == {7}


def test_names_that_grow_keep_their_codes_and_two_who_count_do_not_mix(tmp_path: Path) -> None:
    mine, other = Names(), Names()
    batches = []
    expected: list[str] = []
    for turn in range(6):
        names = (mine, other)[turn % 2]
        for name in range(turn * 60):
            names.code(f"{turn % 2}-{name}" if name % 3 else f"both-{name}")
        codes = np.arange(len(names)).astype(np.uint16)[::-1]
        if len(codes):
            batches.append(batch(len(codes), Coded(codes, names)))
            expected += list(names)[::-1]
    assert written(tmp_path, *batches)["name"].to_pylist() == expected


def test_more_names_than_narrow_codes_can_tell(tmp_path: Path) -> None:
    names = Names()
    parts = []
    for end in (200, 257, 65_537):
        for number in range(len(names), end):
            names.code(f"name-{number}")
        parts.append(np.array([0, end - 1], np.uint32))
    found = written(tmp_path, *(batch(2, Coded(codes, names)) for codes in parts))
    assert found["name"].to_pylist() == [f"name-{code}" for codes in parts for code in codes]


def test_small_numbers_of_any_sign(tmp_path: Path) -> None:
    first, second = np.array([200, 503, 200], np.int16), np.array([-3, 0, 32_767])
    table = written(tmp_path, batch(3, "a", first), batch(3, "a", second), batch(2, "a", 503))
    assert table["small"].to_pylist() == [200, 503, 200, -3, 0, 32_767, 503, 503]
    with pytest.raises(InternalError, match="do not fit into 16 bits"):
        written(tmp_path, batch(1, "a", np.array([70_000])))


def test_numbers_that_lie_far_apart(tmp_path: Path) -> None:
    stream = RowStream(tmp_path, TABLE._replace(columns=(TABLE.columns[0], TABLE.columns[4])), -(1 << 31))
    stream.add({"time": np.arange(2)}, 2)
    stream.close()
    assert pq.read_table(tmp_path / "rows.parquet")["seed"].to_pylist() == [-(1 << 31)] * 2
    wide = TABLE._replace(columns=(Column("wide", Kind.INT32, "any"), TABLE.columns[4]))
    stream = RowStream(tmp_path, wide, 1)
    numbers = [5, -(1 << 31), (1 << 31) - 1, 5]
    stream.add({"wide": np.array(numbers)}, 4)
    stream.close()
    assert pq.read_table(tmp_path / "rows.parquet")["wide"].to_pylist() == numbers


def test_batches_of_any_size_fill_row_groups(tmp_path: Path) -> None:
    sizes = (1, ROW_GROUP - 1, 5, 2 * ROW_GROUP, 17, 0)
    table = written(tmp_path, *(batch(size, Coded(np.arange(size) % 3, ("a", "b", "c"))) for size in sizes))
    assert table["time"].to_pylist() == [at for size in sizes for at in range(size)]
    assert table["name"].to_pylist() == ["abc"[at % 3] for size in sizes for at in range(size)]
    groups = pq.ParquetFile(tmp_path / "rows.parquet").metadata
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [ROW_GROUP] * 3 + [22]


def test_what_was_added_may_be_overwritten(tmp_path: Path) -> None:
    stream = RowStream(tmp_path, TABLE, 1)
    columns = batch(3, Coded(np.array([0, 1, 0], np.uint8), ("a", "b")), np.array([5, 6, 7], np.int16))
    stream.add(columns, 3)
    columns["time"][:] = 99
    columns["name"].codes[:] = 1
    columns["small"][:] = 99
    stream.close()
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table["time"].to_pylist() == [0, 1, 2]
    assert table["name"].to_pylist() == ["a", "b", "a"]
    assert table["small"].to_pylist() == [5, 6, 7]
