"""Intervals, pieces and times as the core counts them."""

from __future__ import annotations

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.pacing import interval_of, periods_of, piece_rows
from meshsim.dataplane.specs import LevelPiece, PeriodicSpec
from meshsim.units import SECOND


def test_intervals_are_picoseconds() -> None:
    assert (interval_of(1.0), interval_of(3.0), interval_of(0.0)) == (10**12, 333_333_333_333, 0)


def test_pieces_know_what_is_to_be_expected_before_them() -> None:
    levels = (LevelPiece(0, 0.0, 10.0), LevelPiece(2 * SECOND, 4.0, 4.0), LevelPiece(9 * SECOND, 1.0, 1.0))
    assert piece_rows(levels, 5 * SECOND) == [
        (0, 2 * SECOND, 0, 10_000_000, 0),
        (2 * SECOND, 7 * SECOND, 4_000_000, 4_000_000, 10 * SECOND),
        (5 * SECOND, 0, 0, 0, 38 * SECOND),
    ]
    assert piece_rows((), SECOND) == []
    assert piece_rows((LevelPiece(0, 1e9, 1e9),), 1 << 60)[-1][-1] == core.MASK


@pytest.mark.parametrize(
    ("rate", "calls", "interval"), [(4.0, 4, 10**12 / 3), (0.5, 2, 4 * 10**12), (2.5, 2, 8 * 10**11)]
)
def test_a_connection_has_as_many_requests_as_fit(rate: float, calls: int, interval: float) -> None:
    assert periods_of(PeriodicSpec(length=SECOND), rate) == (round(interval), calls, 0)


def test_manners_are_bits() -> None:
    everything = PeriodicSpec(length=SECOND, jitter=True, uniform=True, catch_up=False)
    assert periods_of(everything, 9.0)[2] == core.JITTERS | core.UNIFORM_STARTS | core.SKIPS
