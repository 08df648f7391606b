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
            "requests_per_event": 1.372,
            "rss_mb": 250.0,
            "compile_s": 1.5,
        }
        if callable(progress):
            progress(case)
        return [case]

    def run_disk_case(*, mode: str | None, rounds: int) -> object:
        return {
            "name": "rows-to-disk",
            "requests_per_s": 900_000.0,
            "requests_per_s_without": 1_000_000.0,
            "cost_percent": 11.1,
            "rows": 12_345,
            "bytes_per_row": 50.2,
        }

    monkeypatch.setattr("meshsim.dataplane.bench.run_bench", run_bench)
    monkeypatch.setattr("meshsim.world.disk_bench.run_disk_case", run_disk_case)


def test_a_table(meshsim: Callable) -> None:
    done = meshsim("bench", "mesh-1000")
    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["mesh-1000", "1,234,568", "17.6", "900,000", "1.37", "250", "1.5"]
    assert done.err == "mesh-1000 done\n"


def test_all_rows(meshsim: Callable) -> None:
    done = meshsim("bench", "rows-to-disk")
    assert done.out == (
        "rows-to-disk: 900,000 requests/s, 1,000,000 without: all rows cost 11 % (12,345 rows of 50 bytes)\n"
    )
    document = json.loads(meshsim("bench", "-o", "json", "rows-to-disk").out)
    assert (document["cases"], document["rows-to-disk"]["cost_percent"]) == ([], 11.1)
    assert meshsim("bench").out.count("rows-to-disk") == 1


def test_json(meshsim: Callable) -> None:
    document = json.loads(meshsim("bench", "-o", "json").out)
    assert document["cases"][0]["name"] == "mesh-50"
    assert set(document["cases"][0]) == {
        "name",
        "requests_per_s",
        "times_real_time",
        "calibrator_events_per_s",
        "requests_per_event",
        "rss_mb",
        "compile_s",
    }
