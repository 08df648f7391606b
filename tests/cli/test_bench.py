"""`meshsim bench`: figures as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the measurement is made to say."""

    def run_bench(names: tuple[str, ...], *, mode: str | None, rounds: int, progress: object = None) -> list[object]:
        case = {
            "name": names[0] if names else "mesh-50",
            "requests_per_s": 1_234_567.8,
            "times_real_time": 17.6,
            "calibrator_events_per_s": 900_000.0,
            "rss_mb": 250.0,
            "compile_s": 1.5,
        }
        if callable(progress):
            progress(case)
        return [case]

    monkeypatch.setattr("meshsim.dataplane.bench.run_bench", run_bench)


def test_a_table(meshsim: Callable) -> None:
    done = meshsim("bench", "mesh-1000")
    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["mesh-1000", "1,234,568", "17.6", "900,000", "250", "1.5"]
    assert done.err == "mesh-1000 done\n"


def test_json(meshsim: Callable) -> None:
    document = json.loads(meshsim("bench", "-o", "json").out)
    assert document["cases"][0]["name"] == "mesh-50"
    assert set(document["cases"][0]) == {
        "name",
        "requests_per_s",
        "times_real_time",
        "calibrator_events_per_s",
        "rss_mb",
        "compile_s",
    }
