"""Lists and arrays keep rows alike."""

from __future__ import annotations

import pytest

from meshsim.dataplane.storage import ArrayTables, Compiled, Mode, PlainTables, Tables


def arrays() -> Tables:
    def nothing(*_: int) -> int:
        return 0

    return ArrayTables(Mode.NUMBA, Compiled(nothing, nothing))


@pytest.mark.parametrize("make", [PlainTables, arrays])
def test_rows_and_columns_come_back(make: type[Tables]) -> None:
    tables = make()
    tables.write_rows("share", 0, [(1, 2), (3, 4)])
    tables.reserve("share", 5)
    assert tables.read_rows("share", 0, 3) == [(1, 2), (3, 4), (0, 0)]
    tables.set("share", 1, "weight", 9)
    assert tables.get("share", 1, "weight") == 9
    tables.fill("share", "cluster", 1, [7, 8])
    assert tables.field("share", "cluster").tolist()[:4] == [1, 7, 8, 0]
    tables.write("code", 0, [503, 504])
    assert tables.column("code").tolist()[:2] == [503, 504]
    assert tables.length("share") >= 5


@pytest.mark.parametrize("make", [PlainTables, arrays])
def test_log_and_cells_are_taken_once(make: type[Tables]) -> None:
    tables = make()
    tables.reserve("ctl", 1)
    tables.reserve("log", 4)
    tables.reserve("cell", 4)
    tables.set("log", 0, "status", 200)
    tables.set("ctl", 0, "log_n", 1)
    tables.set("cell", 2, "requests", 5)
    assert tables.take_log()["status"].tolist() == [200]
    assert tables.take_cells()["requests"].tolist() == [5]
    assert (len(tables.take_log()), len(tables.take_cells())) == (0, 0)
