"""All rows on disk: the case runs, and its recording has a row for each attempt with names that are there."""

from __future__ import annotations

from meshsim.dataplane.bench import build_mesh
from meshsim.dataplane.engine import Engine
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.disk_bench import NAME, named_mesh, run_disk_case

from .conftest import MemorySink


def test_the_case_counts_and_measures() -> None:
    found = run_disk_case(mode="plain", rounds=1, span=200 * MILLISECOND)
    assert found["name"] == NAME
    assert found["requests_per_s"] > 0
    assert found["requests_per_s_without"] > 0
    assert found["rows"] > 50
    assert 20 < found["bytes_per_row"] < 2000


def test_every_row_has_its_names() -> None:
    engine = Engine(1, mode="plain", sample_rate=1.0)
    build_mesh(engine, 7)
    recorder, sink = named_mesh(engine, 7), MemorySink()
    engine.run_until(SECOND // 4)
    rows = engine.drain()
    recorder.write(rows, sink)
    assert len(sink.rows) == len(rows) > 50
    assert {row["call"] for row in sink.rows} == {"GET /"}
    assert all(row["pod"].startswith("service-") for row in sink.rows if row["attempt"])
    assert [row["root"] for row in sink.rows] == rows["root"].tolist()
    assert [row["end"] for row in sink.rows] == rows["end"].tolist()
