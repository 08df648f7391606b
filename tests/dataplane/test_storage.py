"""Lists and arrays keep rows alike."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.dataplane.storage import DTYPES, FIELDS, ArrayTables, Compiled, Mode, PlainTables, Tables


def arrays() -> Tables:
    def nothing(*_: int) -> int:
        return 0

    return ArrayTables(Mode.NUMBA, Compiled(nothing, nothing, lambda _, cells: cells))


@pytest.mark.parametrize("make", [PlainTables, arrays])
def test_rows_and_columns_come_back(make: type[Tables]) -> None:
    tables = make()
    tables.write_rows("share", 0, [(1, 2, 0), (3, 4, 0)])
    tables.reserve("share", 5)
    assert tables.read_rows("share", 0, 3) == [(1, 2, 0), (3, 4, 0), (0, 0, 0)]
    tables.set("share", 1, "weight", 9)
    assert tables.get("share", 1, "weight") == 9
    tables.fill("share", "cluster", 1, [7, 8])
    assert tables.field("share", "cluster").tolist()[:4] == [2, 7, 8, 0]
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
    tables.reserve("cell_at", 8)
    tables.set("cell", 0, "requests", 5)
    tables.set("ctl", 0, "cell_n", 1)
    assert tables.take_log()["status"].tolist() == [200]
    assert len(tables.take_series()) == 1
    assert (len(tables.take_log()), len(tables.take_series())) == (0, 0)


def test_cells_that_were_set_aside_are_in_the_series() -> None:
    tables = PlainTables()
    tables.reserve("ctl", 1)
    tables.reserve("cell", 4)
    tables.reserve("cell_at", 8)
    for second in (7, 8):
        tables.set("cell", 0, "place", second << 36)
        tables.set("cell", 0, "requests", 5)
        tables.set("ctl", 0, "cell_n", 1)
        tables.keep_cells()
    assert tables.take_series()[["second", "requests"]].tolist() == [(7, 5), (8, 5)]


def test_arrays_set_cells_aside_one_after_the_other() -> None:
    tables = arrays()
    tables.reserve("ctl", 1)
    tables.reserve("cell", 4)
    tables.reserve("cell_at", 8)
    for requests in (5, 6, 7):
        tables.fill("cell", "requests", 0, [requests, 10 * requests])
        tables.set("ctl", 0, "cell_n", 2)
        tables.keep_cells()
    assert tables.field("kept", "requests")[:6].tolist() == [5, 50, 6, 60, 7, 70]


def test_a_full_log_is_given_away_and_its_memory_may_come_back() -> None:
    tables = arrays()
    tables.reserve("ctl", 1)
    tables.reserve("log", 4)
    taken = []
    for turn in range(4):
        tables.set("log", 3, "status", 200 + turn)
        tables.set("ctl", 0, "log_n", 4)
        taken.append(tables.take_log())
        if turn == 1:
            tables.reuse_log(taken[1])
            tables.reuse_log(taken[1][:0].copy())
    assert tables.length("log") == 4
    assert [rows["status"][3] for rows in taken] == [200, 203, 202, 203]
    assert [np.shares_memory(taken[1], rows) for rows in taken] == [False, True, False, True]
    assert np.shares_memory(taken[2], tables.state.log) is False


def test_records_are_as_wide_as_declared_and_lie_on_few_cache_lines() -> None:
    for name, dtype in DTYPES.items():
        ends = [dtype.fields[field][1] + dtype.fields[field][0].itemsize for field in FIELDS[name]]
        assert ends == sorted(ends), name
        assert dtype.itemsize >= ends[-1]
    assert DTYPES["att"].fields["id"][0] == "i8"
    assert DTYPES["att"].fields["status"][0] == "i2"
    assert (DTYPES["req"].itemsize, DTYPES["att"].itemsize) == (128, 64)
    tables = arrays()
    for name in ("att", "host", "cluster"):
        tables.reserve(name, 3)
        assert getattr(tables.state, name).ctypes.data % 64 == 0


def test_numbers_that_do_not_fit_are_refused() -> None:
    tables = arrays()
    with pytest.raises(OverflowError):
        tables.write_rows("share", 0, [(1, 1 << 40, 0)])
