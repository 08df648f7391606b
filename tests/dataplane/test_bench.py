"""The load-test mesh has the shape of Istio's, and a case gives every figure."""

from __future__ import annotations

import pytest

from meshsim.dataplane.bench import CASES, Case, build_mesh, calibrate, find_cases, layers_of, run_bench, run_case
from meshsim.dataplane.engine import Engine
from meshsim.errors import UsageError
from meshsim.units import SECOND


def test_layers_are_one_two_four() -> None:
    for services in (50, 1000):
        sizes = [len(layer) for layer in layers_of(services)]
        assert sum(sizes) == services
        assert sizes[1] / sizes[0] == pytest.approx(2, rel=0.05)
        assert sizes[2] / sizes[1] == pytest.approx(2, rel=0.05)


def test_every_service_gets_seventy_first_tries_a_second() -> None:
    engine = Engine(1, mode="plain", stations=False)
    build_mesh(engine, 14)
    engine.run_until(30 * SECOND)
    counters = engine.counters
    assert counters.started / 30 == pytest.approx(14 * 70, rel=0.06)
    assert 1.1 < counters.attempts / counters.started < 1.4
    assert engine.tables.length("pod") == 28


def test_a_case_gives_every_figure() -> None:
    result = run_case(Case("tiny", 7, stations=True), mode="plain", rounds=1, span=SECOND // 2)
    assert list(result) == [
        "name",
        "requests_per_s",
        "times_real_time",
        "calibrator_events_per_s",
        "requests_per_event",
        "rss_mb",
        "compile_s",
    ]
    assert min(value for value in result.values() if isinstance(value, float)) > 0
    assert calibrate(1000) > 0


def test_each_case_has_a_process_of_its_own() -> None:
    heard: list[str] = []
    results = run_bench(["mesh-50"], mode="plain", rounds=1, progress=lambda case: heard.append(case["name"]))
    assert heard == [case["name"] for case in results] == ["mesh-50"]
    assert results[0]["rss_mb"] < 250


def test_cases_by_name() -> None:
    assert [case.name for case in find_cases(())] == ["mesh-50", "mesh-1000", "mesh-1000-stations", "mesh-5000"]
    assert find_cases(["mesh-50"]) == [CASES[0]]
    with pytest.raises(UsageError, match="mesh-7"):
        find_cases(["mesh-7"])
