"""Bins over time hold what the requests hold."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.checks.frame import Frame
from meshsim.reporting.over_time import (
    Mark,
    bin_width,
    levels,
    marks,
    quantiles_over_time,
    rate_over_time,
    share_over_time,
    ticks,
)
from meshsim.units import HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("duration", "width"), [(SECOND, SECOND), (MINUTE, SECOND), (10 * MINUTE, 5 * SECOND), (24 * HOUR, 600 * SECOND)]
)
def test_bins_are_few_and_round(duration: int, width: int) -> None:
    assert bin_width(duration) == width
    assert duration <= 150 * width


def test_quantiles_are_those_of_each_bin(frame: Frame) -> None:
    mask = frame.names("destination").where(["reviews"])
    found = quantiles_over_time(frame, mask, 0.5)
    inside = mask & (frame.start >= 41 * SECOND) & (frame.start < 42 * SECOND)
    ordered = np.sort(frame.latency[inside])
    assert found.times[41] == 41.5
    assert found.values[41] == ordered[int(np.ceil(0.5 * len(ordered))) - 1] / 1e6


def test_rates_add_up(frame: Frame) -> None:
    mask = frame.from_client
    assert rate_over_time(frame, mask).values.sum() == pytest.approx(6000)


def test_shares_are_percent_of_the_whole_or_nothing(frame: Frame) -> None:
    whole = frame.names("destination").where(["reviews"])
    canary = frame.names("destination_version").where(["v2"])
    values = share_over_time(frame, canary, whole).values
    assert set(values[:20].tolist()) == {0.0}
    assert values[25:40].mean() == pytest.approx(10, abs=2)
    assert np.isnan(share_over_time(frame, canary, np.zeros(len(frame), bool)).values).all()


def test_marks_are_the_timeline(frame: Frame) -> None:
    assert [(mark.id, mark.begin, mark.end) for mark in marks(frame)] == [("shift", 20, None), ("slow", 40, 45)]


def test_names_of_actions_stand_apart() -> None:
    found = [Mark("first", 0, None), Mark("second", 3, None), Mark("third", 5, None), Mark("late", 20, None)]
    assert levels(found, 1.0) == [0, 1, 0, 0]
    assert levels(found, 0.1) == [0, 0, 0, 0]
    assert levels([], 1.0) == []


@pytest.mark.parametrize("duration", [SECOND, 37 * SECOND, 10 * MINUTE, 3 * HOUR, 100 * HOUR])
def test_ticks_are_few_and_inside(duration: int) -> None:
    found = ticks(duration)
    assert 1 < len(found) <= 9
    assert found[0] == 0
    assert found[-1] <= duration
