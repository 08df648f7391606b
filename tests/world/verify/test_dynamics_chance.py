"""What is taken for chance between recorded runs and runs of the model."""

from __future__ import annotations

import random
from itertools import pairwise
from math import comb, inf

import pytest

from meshsim.world.verify.dynamics_chance import FEW, MANY, compare_by_chance, runs_apart, share_chance
from meshsim.world.verify.dynamics_recording import Answer, Run

REQUESTS = 400


def run(*hosts: int) -> Run:
    found = Run()
    for host in hosts:
        found.answers.append(Answer(200, "", (), 1, 1.0, host))
    found.count()
    return found


def drawn(seed: int, share: float) -> Run:
    """Requests that go to host 0 with a probability."""
    chance = random.Random(seed)
    return run(*[int(chance.random() >= share) for _ in range(REQUESTS)])


def stuck(seed: int, share: float) -> Run:
    """Requests of which all but a few go where the first one went."""
    chance = random.Random(seed)
    most = int(chance.random() >= share)
    return run(*[most if chance.random() < 0.9 else 1 - most for _ in range(REQUESTS)])


def test_fishers_test_is_exact() -> None:
    tea = [comb(4, k) * comb(4, 4 - k) / comb(8, 4) for k in range(5)]
    assert share_chance((4, 0), (4, 4)) == pytest.approx(2 * tea[4])
    assert share_chance((3, 1), (4, 4)) == pytest.approx(2 * (tea[3] + tea[4]))
    assert share_chance((2, 2), (4, 4)) == 1.0
    assert share_chance((0, 0), (4, 9)) == 1.0


def test_fishers_test_rejects_as_often_as_it_says() -> None:
    """Two samples of one share, by theory: no more than the level, and not much less."""
    level, n, m, share = 0.05, 60, 90, 0.3
    weights = [[comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(size + 1)] for size in (n, m)]
    rejected = sum(
        weights[0][i] * weights[1][j]
        for i in range(n + 1)
        for j in range(m + 1)
        if share_chance((i, j), (n, m)) < level
    )
    assert level / 3 < rejected <= level


def test_distance_by_the_spread_of_the_runs() -> None:
    assert runs_apart((10, 10), (8, 12, 8, 12)) == 0.0
    assert runs_apart((20, 20), (8, 12, 8, 12)) == pytest.approx(10 / (16 / 3 * 0.75) ** 0.5)
    assert runs_apart((5, 5), (5, 5)) == 0.0
    assert runs_apart((5, 6), (5, 5)) == inf


def test_equal_shares_need_few_runs() -> None:
    seeds: list[int] = []

    def play(seed: int) -> Run:
        seeds.append(seed)
        return drawn(seed, 0.5)

    assert list(compare_by_chance([drawn(100, 0.5), drawn(101, 0.5)], play)) == []
    assert seeds == [1, 2]


def test_another_share_is_found() -> None:
    found = list(compare_by_chance([drawn(100, 0.3), drawn(101, 0.3)], lambda seed: drawn(seed, 0.5)))
    assert [mismatch.path for mismatch in found] == ["by_host/0", "by_host/1"]


def test_runs_that_differ_among_themselves_are_chance() -> None:
    seeds: list[int] = []

    def play(seed: int) -> Run:
        seeds.append(seed)
        return stuck(seed, 0.5)

    recorded = [run(*[0] * 360 + [1] * 40), run(*[0] * 358 + [1] * 42)]
    assert list(compare_by_chance(recorded, play)) == []
    assert seeds in (list(range(1, 1 + FEW)), list(range(1, 1 + MANY)))


def test_what_the_model_never_does_is_found() -> None:
    recorded = [run(*[0] * 399, 2), run(*[0] * 390, *[2] * 10)]
    found = list(compare_by_chance(recorded, lambda _: run(*[0] * 400)))
    assert [mismatch.path for mismatch in found] == ["by_host/0", "by_host/2"]


def test_one_rare_outcome_more_is_chance() -> None:
    recorded = [run(*[0] * 399, 1), run(*[0] * 400)]
    assert list(compare_by_chance(recorded, lambda _: run(*[0] * 400))) == []


def test_many_comparisons_of_the_same_raise_no_alarm() -> None:
    numbers = range(0, 300, 2)
    alarms = [
        found
        for first, second in pairwise(numbers)
        for found in compare_by_chance([drawn(first, 0.5), drawn(second, 0.5)], lambda seed: drawn(-seed, 0.5))
    ]
    assert alarms == []
