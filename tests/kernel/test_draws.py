"""Keyed draws are functions of their key and uniform over it."""

from __future__ import annotations

import math

from meshsim.kernel import below, draw, exponential, unit


def test_a_draw_depends_on_its_key_alone() -> None:
    first = draw(1, "pod", 7)
    draw(1, "other")
    assert draw(1, "pod", 7) == first
    assert draw(2, "pod", 7) != first
    assert draw(1, "pod", "7x") != first


def test_units_are_uniform() -> None:
    count = 20_000
    values = [unit(3, "u", n) for n in range(count)]
    assert all(0 < v < 1 for v in values)
    mean = sum(values) / count
    assert abs(mean - 0.5) < 5 * math.sqrt(1 / 12 / count)
    tenths = [0] * 10
    for value in values:
        tenths[int(value * 10)] += 1
    chi_square = sum((n - count / 10) ** 2 / (count / 10) for n in tenths)
    assert chi_square < 33.7  # 9 degrees of freedom, one in ten thousand


def test_whole_numbers_stay_below_their_limit() -> None:
    assert {below(3, 1, n) for n in range(100)} == {0, 1, 2}


def test_exponential_has_its_mean() -> None:
    count = 20_000
    values = [exponential(1_000_000, 5, n) for n in range(count)]
    assert abs(sum(values) / count - 1_000_000) < 5 * 1_000_000 / math.sqrt(count)
