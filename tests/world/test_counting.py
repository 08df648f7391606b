"""Statistics of clusters on their way into a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from meshsim.dataplane.counters import ClusterCounts
from meshsim.units import MINUTE, SECOND
from meshsim.world.counting import CountedCluster, CounterRecorder, look_interval

from .conftest import MemorySink, build


def test_looks_are_a_second_apart_until_they_would_be_too_many() -> None:
    assert [look_interval(span) for span in (SECOND // 2, 5 * MINUTE, 5 * MINUTE + 1, 60 * MINUTE)] == [
        SECOND,
        SECOND,
        2 * SECOND,
        12 * SECOND,
    ]


def rows(sink: MemorySink) -> list[tuple[Any, ...]]:
    found = [(row["time"], row["proxy"], row["cluster"], row["stat"], row["value"]) for row in sink.counters]
    sink.counters.clear()
    return found


def test_changes_alone_are_handed_over_and_clusters_of_one_name_are_one() -> None:
    recorder, sink = CounterRecorder(), MemorySink()
    clusters = [CountedCluster("a.x", "c"), CountedCluster("", "direct"), CountedCluster("a.x", "c")]
    names = ("upstream_rq_total", "upstream_rq_404")
    recorder.write(ClusterCounts(names, np.array([[1, 0], [5, 5], [2, 0]])), clusters, 1, sink)
    assert rows(sink) == [(1, "a.x", "c", "upstream_rq_total", 3)]
    recorder.write(ClusterCounts(names, np.array([[1, 0], [6, 5], [2, 0]])), clusters, 2, sink)
    assert rows(sink) == []
    clusters.append(CountedCluster("b.x", "c"))
    recorder.write(ClusterCounts(names, np.array([[1, 0], [5, 5], [2, 4], [0, 0]])), clusters, 3, sink)
    assert rows(sink) == [(3, "b.x", "c", "upstream_rq_total", 0), (3, "a.x", "c", "upstream_rq_404", 4)]


def test_a_run_hands_over_what_its_requests_add_up_to() -> None:
    world, sink = build()
    world.run()
    last: dict[tuple[str, str, str], int] = {}
    for row in sink.counters:
        last[row["proxy"], row["cluster"], row["stat"]] = row["value"]
    totals = {key[0]: value for key, value in last.items() if key[2] == "upstream_rq_total" and value}
    attempts = [row for row in sink.rows if row["attempt"]]
    assert totals == {row["source_pod"] + ".shop": 0 for row in attempts} | totals
    assert sum(totals.values()) >= len(attempts) > 0
    assert {row["security"] for row in attempts} == {"mutual_tls"}
    times = sorted({row["time"] for row in sink.counters})
    assert times == [SECOND * at for at in range(1, 5)]
