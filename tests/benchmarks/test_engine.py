"""The event core beside the calibrator, a plain heapq queue.

Run on demand: ``python -m pytest -o addopts=--import-mode=importlib tests/benchmarks/test_engine.py``. On a busy
machine read `extra_info` of the JSON report, requests for each event of the calibrator: it depends less on the rest.
"""

from __future__ import annotations

import itertools

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from meshsim.dataplane.bench import build_mesh, calibrate
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import RouteKind, RouteSpec
from meshsim.units import SECOND, Nanos

REQUESTS = 200_000


@pytest.mark.parametrize(
    ("services", "mode", "stations"),
    [(50, "plain", False), (50, "numba", False), (1000, "numba", False), (1000, "numba", True)],
)
def test_requests(benchmark: BenchmarkFixture, services: int, mode: str, stations: bool) -> None:
    engine = Engine(1, mode=mode, stations=stations, sample_rate=0.01)
    build_mesh(engine, services)
    requests = REQUESTS if mode == "numba" else REQUESTS // 20
    span: Nanos = round(requests / (70 * services) * SECOND)
    engine.run_until(span)

    def stretch() -> None:
        engine.run_until(engine.now + span)
        engine.drain()
        engine.drain_series()

    benchmark.pedantic(stretch, rounds=5)
    rate = requests / benchmark.stats.stats.min
    benchmark.extra_info["requests_per_calibrator_event"] = round(rate / calibrate(200_000), 3)


def test_a_configuration_of_two_thousand_proxies_takes_effect(benchmark: BenchmarkFixture) -> None:
    """Another route for one flow of each of 2,000 proxies at one instant, as one push to a mesh gives."""
    engine = Engine(1, stations=False)
    build_mesh(engine, 1000)
    engine.run_until(SECOND // 100)
    statuses = itertools.cycle((200, 204))

    def push() -> None:
        route = RouteSpec(kind=RouteKind.LOCAL_REPLY, status=next(statuses))
        engine.set_routes((flow, route) for flow in range(2000))
        engine.run_until(engine.now + 1)

    benchmark.pedantic(push, rounds=5)
