"""All rows on disk may cost a quarter of a run at most, on two processors with nothing else to do.

Run on demand: ``python -m pytest -o addopts=--import-mode=importlib tests/benchmarks/test_rows.py``.
"""

from __future__ import annotations

from meshsim.world.disk_bench import run_disk_case


def test_all_rows_on_disk() -> None:
    found = run_disk_case()
    assert found["rows"] > 7_000_000
    assert found["cost_percent"] <= 25, found
