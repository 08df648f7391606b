"""What it costs to generate for Istio's load-test mesh: 1,000 services, 2,000 proxies.

Run on demand: ``python -m pytest -o addopts=--import-mode=importlib tests/benchmarks/test_generation.py``; the growth
over 100 to 3,000 services: ``python tools/generation_growth.py``.
"""

from __future__ import annotations

import resource
import time
from typing import Any, Final

import pytest

from meshsim.testing.generated_mesh import GeneratedMesh, Generation, generated_mesh

SERVICES: Final = 1000
pytestmark = pytest.mark.benchmark(timer=time.process_time)
CLUSTERS: Final = SERVICES + SERVICES // 4 + 4
NAMESPACES: Final = (10, 50)
"""Proxies of one namespace see the same."""


@pytest.fixture(scope="module", params=NAMESPACES, ids="{} namespaces".format)
def mesh(request: pytest.FixtureRequest) -> GeneratedMesh:
    return generated_mesh(SERVICES, request.param)


@pytest.fixture(scope="module")
def running(mesh: GeneratedMesh) -> Generation:
    """All proxies have their first configuration."""
    made = Generation(mesh)
    made.first()
    return made


def test_first_configuration_of_all_proxies(benchmark: Any, mesh: GeneratedMesh) -> None:
    held = benchmark.pedantic(lambda: Generation(mesh).first(), rounds=1)
    assert len(held) == 2 * SERVICES
    assert {len(item.clusters) for item in held} == {CLUSTERS}
    assert {len(item.assignments) for item in held} == {CLUSTERS - 4}
    distinct = {id(found.body) for item in held for found in (*item.clusters, *item.assignments)}
    assert len(distinct) < 2 * CLUSTERS + SERVICES, "proxies share the bytes"
    assert benchmark.stats.stats.max < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 2e9


def test_a_virtual_service_changes(benchmark: Any, running: Generation) -> None:
    weights = iter(range(1, 100))

    def change() -> int:
        running.apply(running.mesh.shift(4, next(weights)))
        return running.regenerate()

    count = benchmark.pedantic(change, rounds=5, warmup_rounds=1)
    assert count == 2 * SERVICES * (CLUSTERS + 4)
    assert benchmark.stats.stats.median < 0.5


def test_an_endpoint_changes(benchmark: Any, running: Generation) -> None:
    ready = iter([1, 2] * 20)

    def change() -> int:
        running.apply(running.mesh.endpoints(8, ready=next(ready)))
        return running.regenerate_endpoints(8)

    count = benchmark.pedantic(change, rounds=20, warmup_rounds=1)
    assert count == 2 * 2 * SERVICES
    assert benchmark.stats.stats.median < 0.02
