"""Single queues against M/M/1 and M/M/c: the interval is the theory's own, and a biased sampler falls out of it."""

from __future__ import annotations

import math

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.testing.meshes import add_service, add_traffic, exponential
from meshsim.testing.queueing import QueueTheory
from meshsim.units import MILLISECOND, SECOND

SERVICE = 10 * MILLISECOND
SEEDS = range(1, 7)
SECONDS = 60 if choose_mode() is Mode.PLAIN else 400
LIMIT = 4.0
"""Standard deviations; a right engine exceeds it once in 16,000 checks."""


def queue_deviation(seed: int, servers: int, utilisation: float, seconds: int, mode: str | None = None) -> float:
    """How many standard deviations the mean queue of one simulated M/M/c lies off Erlang's.

    By Little's law the time average of the queue is the sum of all waits over the length of the run.
    """
    theory = QueueTheory(utilisation * servers * SECOND / SERVICE, SECOND / SERVICE, servers)
    engine = Engine(seed, mode=mode, sample_rate=1.0)
    one = add_service(engine, caller=None, pod={"workers": servers}, handler={"service": exponential(SERVICE)})
    add_traffic(engine, [one.flow], theory.arrivals)
    engine.run_until(seconds * SECOND)
    rows = engine.drain()
    waits = int((rows["served"] - rows["arrived"]).sum())
    measured = waits / (seconds * SECOND)
    return (measured - theory.mean_queue) / theory.spread_of_mean_queue(seconds)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.7), (4, 0.8), (2, 0.5)])
def test_mean_queue_is_erlangs(servers: int, utilisation: float) -> None:
    deviations = [queue_deviation(seed, servers, utilisation, SECONDS) for seed in SEEDS]
    assert max(map(abs, deviations)) < LIMIT, deviations
    # Together the seeds are a sharper test of the mean, and their scatter one of the independence of seeds.
    assert abs(sum(deviations)) / math.sqrt(len(deviations)) < LIMIT, deviations
    assert 0.05 < sum(d * d for d in deviations) / len(deviations) < 4.0, deviations


def test_time_in_system_is_the_formulas() -> None:
    theory = QueueTheory(70.0, 100.0, 1)
    assert theory.mean_sojourn == pytest.approx(1 / 30)
    assert QueueTheory(320.0, 100.0, 4).waiting_probability == pytest.approx(0.5964, abs=1e-4)
    # M/M/1's own closed form for the spread of the mean number in queue, by the same formula over all states.
    rho, mu = 0.7, 100.0
    variance = QueueTheory(rho * mu, mu, 1).spread_of_mean_queue(1.0) ** 2
    closed = 2 * rho**2 * (1 + 4 * rho - 4 * rho**2 + rho**3) / (mu * (1 - rho) ** 4)
    assert variance == pytest.approx(closed, rel=1e-6)


def test_a_biased_sampler_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten per cent less service time, which the eye would pass over, is far outside of what chance explains."""
    honest = core.sample

    def shortened(s: core.State, dist: int, identity: int, purpose: int) -> int:
        return honest(s, dist, identity, purpose) * 90 // 100

    monkeypatch.setattr(core, "sample", shortened)
    deviations = [queue_deviation(seed, 1, 0.7, 200, mode="plain") for seed in (1, 2)]
    assert sum(deviations) / math.sqrt(len(deviations)) < -LIMIT, deviations


def test_overlapping_seeds_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replications that see the same numbers agree too well: their scatter is not that of independent runs."""
    monkeypatch.setattr(Engine, "_identity", lambda self, *key: core.mix(hash(key)))
    deviations = [queue_deviation(seed, 1, 0.5, 20, mode="plain") for seed in SEEDS]
    mean = sum(deviations) / len(deviations)
    assert sum((d - mean) ** 2 for d in deviations) / len(deviations) < 0.05
