"""Columns of every kind become Arrow arrays of the schema's types."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.errors import InternalError
from meshsim.recording.arrow import Coded, arrow_schema, arrow_table, joined, rows_table
from meshsim.recording.schema import SCHEMA_VERSION, TABLES, Column, Kind, Table

TABLE = Table(
    "t",
    (
        Column("time", Kind.TIME, "when"),
        Column("name", Kind.NAME, "who"),
        Column("small", Kind.INT16, "how many"),
        Column("yes", Kind.BOOL, "whether"),
    ),
    "a table",
)


def columns(name: object) -> dict[str, object]:
    return {"time": np.arange(3), "name": name, "small": np.array([1, 2, 3]), "yes": np.array([True, False, True])}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (Coded(np.array([1, 0, 1]), ("a", "b")), ["b", "a", "b"]),
        (Coded(np.array([-1, 0, 0]), ("a",)), ["", "a", "a"]),
        (["x", "y", "x"], ["x", "y", "x"]),
        ("x", ["x", "x", "x"]),
    ],
)
def test_names(name: object, values: list[str]) -> None:
    table = arrow_table(TABLE, columns(name), 3)
    assert table["name"].to_pylist() == values
    assert table.schema == arrow_schema(TABLE)


def test_lengths_must_agree() -> None:
    with pytest.raises(InternalError, match="has 2 values"):
        arrow_table(TABLE, {**columns("x"), "time": np.arange(2)}, 3)
    with pytest.raises(InternalError, match="does not hold names"):
        arrow_table(TABLE, {**columns("x"), "small": Coded(np.zeros(3, int), ("a",))}, 3)


def test_rows_may_be_none() -> None:
    assert rows_table(TABLE, ()).num_rows == 0
    assert rows_table(TABLE, [(1, "a", 2, True)]).to_pylist() == [{"time": 1, "name": "a", "small": 2, "yes": True}]


def test_meanings_travel_with_the_file() -> None:
    for table in TABLES:
        schema = arrow_schema(table)
        assert all(field.metadata[b"meaning"] for field in schema)
        assert schema.metadata[b"meshsim.schema"] == str(SCHEMA_VERSION).encode()


def test_batches_join_whatever_form_their_names_have() -> None:
    name = TABLE.columns[1]
    batches = [(Coded(np.array([1, -1]), ("a", "b")), 2), ("c", 2), (["a", "d"], 2), (Coded(np.array([0]), ("b",)), 1)]
    found = joined(name, batches)
    assert isinstance(found, Coded)
    assert [found.names[code] for code in found.codes] == ["b", "", "c", "c", "a", "d", "b"]
    assert joined(TABLE.columns[0], [(5, 2), (np.array([1]), 1), ([7], 1)]).tolist() == [5, 5, 1, 7]


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InternalError, match="do not fit into 16 bits"):
        arrow_table(TABLE, {**columns("x"), "small": np.array([1, 2, 70_000])}, 3)
