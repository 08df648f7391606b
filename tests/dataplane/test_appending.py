"""What is appended has its number at once and stands in the tables after a flush."""

from __future__ import annotations

from meshsim.dataplane.appending import Appender, ColumnAppender
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import make_tables


def test_rows_are_numbered_before_they_are_written() -> None:
    tables = make_tables(Mode.PLAIN, None)
    rows = Appender("dist")
    assert (rows.add((1, 10, 0)), rows.extend([(2, 20, 0), (3, 30, 0)])) == (0, 1)
    rows.flush(tables)
    assert rows.add((4, 40, 0)) == 3
    rows.flush(tables)
    assert [tables.get("dist", row, "scale") for row in range(4)] == [10, 20, 30, 40]


def test_numbers_too() -> None:
    tables = make_tables(Mode.PLAIN, None)
    column = ColumnAppender("code")
    assert (column.extend([5, 6]), column.extend([7])) == (0, 2)
    column.flush(tables)
    assert column.extend([8]) == 3
    column.flush(tables)
    assert list(tables.column("code")[:4]) == [5, 6, 7, 8]
