"""A CPU's account read between two events."""

from __future__ import annotations

from meshsim.dataplane import core
from meshsim.dataplane.cpu import settled
from meshsim.dataplane.layout import row_of
from meshsim.units import MILLISECOND

MS = MILLISECOND


def row(**changes: int) -> tuple[int, ...]:
    base = {"share": core.MILLION, "quota": 20 * MS, "left": 20 * MS, "running": 1, "used": 5 * MS}
    return row_of("bound", **{**base, **changes})


def test_what_runs_uses_its_quota_and_stands_still() -> None:
    assert settled(row(), 10 * MS) == (15 * MS, 0, 0)
    assert settled(row(), 60 * MS) == (25 * MS, 40 * MS, 1)
    assert settled(row(), 250 * MS) == (5 * MS + 60 * MS, 80 * MS + 80 * MS + 30 * MS, 3)
    assert settled(row(running=2), 60 * MS) == (25 * MS, 50 * MS, 1)


def test_nothing_runs_and_no_limit() -> None:
    assert settled(row(running=0), 10 * MS) == (5 * MS, 0, 0)
    assert settled(row(quota=0, left=0, running=3), 10 * MS) == (35 * MS, 0, 0)
