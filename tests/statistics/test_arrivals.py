"""Traffic whose rate changes, bursts, closed loops and service times of any shape against their theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import Arrivals, Distribution, LevelPiece, Shape
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.scenario import Traffic
from meshsim.testing.meshes import add_service, add_traffic, exponential
from meshsim.units import MILLISECOND, SECOND
from meshsim.workload import rate_pieces

PLAIN = choose_mode() is Mode.PLAIN
LIMIT = 4.0
"""Standard deviations; a right engine exceeds it once in 16,000 checks."""
RAMP = (LevelPiece(0, 0.0, 200.0), LevelPiece(20 * SECOND, 200.0, 40.0), LevelPiece(30 * SECOND, 40.0, 40.0))
LENGTH = 40 * SECOND


def mean_deviation(values: Sequence[float], expected: float) -> float:
    """How many standard deviations of their mean independent values lie off."""
    return float((np.mean(values) - expected) / (np.std(values, ddof=1) / math.sqrt(len(values))))


def sent(seed: int, levels: Sequence[LevelPiece], length: int, mode: str | None = None) -> npt.NDArray[np.int64]:
    """When a Poisson source with this rate sends."""
    engine = Engine(seed, mode=mode, sample_rate=1.0)
    service = add_service(engine, caller=None)
    add_traffic(engine, [service.flow], 0.0, levels=tuple(levels), stop=length)
    engine.run_until(length + SECOND)
    return np.sort(engine.drain()["start"])


def expected_until(times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Requests to be expected until each time, by the integral of `RAMP`."""
    t = times / SECOND
    first = 5 * np.minimum(t, 20) ** 2
    back = np.clip(t - 20, 0, 10)
    return np.asarray(first + 200 * back - 8 * back**2 + 40 * np.clip(t - 30, 0, None))


def ramp_deviations(seed: int, mode: str | None = None) -> tuple[float, float]:
    """How far off the number of arrivals is, and their mean place in the time that the rate measures."""
    total = 2000 + 1200 + 400
    places = expected_until(sent(seed, RAMP, LENGTH, mode)) / total
    count = (len(places) - total) / math.sqrt(total)
    return count, (float(places.mean()) - 0.5) / math.sqrt(1 / 12 / len(places))


def test_a_ramp_is_a_poisson_process_in_the_time_its_rate_measures() -> None:
    for seed in range(1, 9):
        assert max(map(abs, ramp_deviations(seed))) < LIMIT
        waits = np.diff(expected_until(sent(seed, RAMP, LENGTH)))
        assert abs(waits.mean() - 1.0) < LIMIT / math.sqrt(len(waits))
        assert abs((waits > 1.0).mean() - math.exp(-1.0)) < LIMIT * math.sqrt(0.233 / len(waits))
        assert abs(np.corrcoef(waits[1:], waits[:-1])[0, 1]) < LIMIT / math.sqrt(len(waits))


def test_a_ramp_taken_for_steps_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece at its mean rate has the right number of requests at the wrong times."""
    honest = core.when_expected

    def stepwise(s: core.State, i: int) -> int:
        for piece in s.piece:
            piece.level = piece.end_level = (piece.level + piece.end_level) // 2
        return honest(s, i)

    monkeypatch.setattr(core, "when_expected", stepwise)
    assert abs(ramp_deviations(1, "plain")[1]) > LIMIT


def test_equal_draws_give_equal_arrivals_in_the_time_the_rate_measures() -> None:
    """A series of twice the rate is the same process at twice the speed."""
    slow = sent(5, (LevelPiece(0, 10.0, 10.0), LevelPiece(10 * SECOND, 30.0, 30.0)), 20 * SECOND)
    fast = sent(5, (LevelPiece(0, 20.0, 20.0), LevelPiece(5 * SECOND, 60.0, 60.0)), 10 * SECOND)
    assert len(slow) == len(fast)
    assert np.abs(slow - 2 * fast).max() <= 2


BURSTY = Traffic.model_validate(
    {
        "name": "t",
        "through": "gateway",
        "request": {"host": "shop.example.com"},
        "bursts": [{"rate": "5/s", "dwell": "2s"}, {"rate": "60/s", "dwell": "500ms"}],
    }
)


def test_bursts_have_the_mean_and_dispersion_of_their_chain() -> None:
    """Two states with leaving rates a and b: the rate's covariance is p q (r - s)^2 exp(-(a + b) u), so the number of
    arrivals in T has the variance m T + 2 p q (r - s)^2 (T / g - (1 - exp(-g T)) / g^2) with g = a + b."""
    seconds, seeds = 10, 150 if PLAIN else 600
    counts = []
    for seed in range(seeds):
        pieces = rate_pieces(BURSTY, seconds * SECOND, seed)
        counts.append(len(sent(seed, [LevelPiece(*piece) for piece in pieces], seconds * SECOND)))
    p, q, g = 0.8, 0.2, 0.5 + 2.0
    mean = (p * 5 + q * 60) * seconds
    spread = p * q * 55**2
    variance = mean + 2 * spread * (seconds / g - (1 - math.exp(-g * seconds)) / g**2)
    assert abs(sum(counts) / seeds - mean) < LIMIT * math.sqrt(variance / seeds)
    squares = (np.array(counts) - mean) ** 2
    assert abs(mean_deviation(squares.tolist(), variance)) < LIMIT
    assert variance / mean > 5, "far from Poisson's 1"
    assert abs(mean_deviation(squares.tolist(), mean)) > LIMIT, "a Poisson process is told apart"


# -- closed loops ------------------------------------------------------------------------------------------------------


def mean_value_analysis(users: int, think: float, service: float) -> tuple[float, float]:
    """Throughput and response time of one exponential server with thinking users (exact mean value analysis)."""
    queue = rate = response = 0.0
    for number in range(1, users + 1):
        response = service * (1 + queue)
        rate = number / (think + response)
        queue = rate * response
    return rate, response


def closed_loop(seed: int, users: int, seconds: int, mode: str | None = None) -> tuple[float, float]:
    engine = Engine(seed, mode=mode, sample_rate=1.0)
    one = add_service(engine, caller=None, pod={"workers": 1}, handler={"service": exponential(10 * MILLISECOND)})
    think = exponential(100 * MILLISECOND)
    add_traffic(engine, [one.flow], 0.0, arrivals=Arrivals.CLOSED, users=users, think=think)
    engine.run_until(seconds * SECOND)
    rows = engine.drain()
    rows = rows[rows["start"] > SECOND]
    return len(rows) / (seconds - 1), float((rows["end"] - rows["start"]).mean()) / SECOND


@pytest.mark.parametrize("users", [1, 5, 12, 30])
def test_thinking_users_have_the_throughput_of_mean_value_analysis(users: int) -> None:
    rate, response = mean_value_analysis(users, 0.1, 0.01)
    runs = [closed_loop(seed, users, 20 if PLAIN else 100) for seed in range(1, 11)]
    assert abs(mean_deviation([run[0] for run in runs], rate)) < LIMIT
    assert abs(mean_deviation([run[1] for run in runs], response)) < LIMIT


def test_users_who_think_too_little_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = core.sample

    def hasty(s: core.State, dist: int, identity: int, purpose: int) -> int:
        return honest(s, dist, identity, purpose) * (90 if purpose == core.P_THINK else 100) // 100

    monkeypatch.setattr(core, "sample", hasty)
    runs = [closed_loop(seed, 5, 30, "plain") for seed in range(1, 7)]
    assert mean_deviation([run[0] for run in runs], mean_value_analysis(5, 0.1, 0.01)[0]) > LIMIT


# -- service times of any shape ----------------------------------------------------------------------------------------

MS = MILLISECOND
QUANTILES = ((0.0, 2 * MS), (0.5, 4 * MS), (0.9, 20 * MS), (1.0, 60 * MS))


def _moments(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """First and second moment of an empirical distribution."""
    first = second = 0.0
    for (low, a), (high, b) in pairwise(points):
        first += (high - low) * (a + b) / 2
        second += (high - low) * (a * a + a * b + b * b) / 3
    return first, second


SHAPES: list[tuple[Distribution, tuple[float, float]]] = [
    (Distribution(Shape.FIXED, 10 * MS), (10, 100)),
    (Distribution(Shape.GAMMA, 10 * MS, 0.5), (10, 300)),
    (Distribution(Shape.GAMMA, 10 * MS, 4.0), (10, 125)),
    (Distribution(Shape.LOGNORMAL, 8 * MS, 0.5), (8 * math.exp(0.125), 64 * math.exp(0.5))),
    (Distribution(Shape.UNIFORM, 5 * MS, 15.0 * MS), (10, (25 + 75 + 225) / 3)),
    (Distribution(Shape.PARETO, 7 * MS, 5.0), (7 * 5 / 4, 49 * 5 / 3)),
    (Distribution(Shape.EMPIRICAL, 0, quantiles=QUANTILES), _moments([(share, at / MS) for share, at in QUANTILES])),
]


def mean_wait(seed: int, service: Distribution, rate: float, seconds: int) -> float:
    """Mean wait in a queue before one server in milliseconds."""
    engine = Engine(seed, sample_rate=1.0)
    one = add_service(engine, caller=None, pod={"workers": 1}, handler={"service": service})
    add_traffic(engine, [one.flow], rate)
    engine.run_until(seconds * SECOND)
    rows = engine.drain()
    rows = rows[rows["arrived"] > 10 * SECOND]
    return float((rows["served"] - rows["arrived"]).mean()) / MS


@pytest.mark.parametrize(("service", "moments"), SHAPES, ids=[shape.shape.name for shape, _ in SHAPES])
def test_waits_are_those_of_pollaczek_and_khinchine(service: Distribution, moments: tuple[float, float]) -> None:
    first, second = moments
    utilisation = 0.6
    rate = utilisation / first
    expected = rate * second / (2 * (1 - utilisation))
    waits = [mean_wait(seed, service, rate * 1000, 60 if PLAIN else 400) for seed in range(1, 11)]
    assert abs(mean_deviation(waits, expected)) < LIMIT


def test_what_is_in_the_system_is_rate_times_time() -> None:
    """Little's law: looked at 4,000 times, a service holds as much as arrives while one request is in it."""
    engine = Engine(3, sample_rate=1.0)
    service = Distribution(Shape.EMPIRICAL, 0, quantiles=QUANTILES)
    one = add_service(engine, caller=None, pod={"workers": 2}, handler={"service": service})
    add_traffic(engine, [one.flow], 0.0, levels=(LevelPiece(0, 50.0, 250.0), LevelPiece(20 * SECOND, 120.0, 120.0)))
    seen = 0
    for look in range(1, 4_001):
        engine.run_until(look * 10 * MS)
        load = engine.pod_load(one.pods[0])
        seen += load.busy + load.queued
    engine.run_until(60 * SECOND)
    rows = engine.drain()
    inside = np.minimum(rows["done"], 40 * SECOND) - rows["arrived"]
    held = float(inside[rows["arrived"] < 40 * SECOND].sum()) / (40 * SECOND)
    assert seen / 4_000 == pytest.approx(held, rel=0.02)
