"""Every action of a timeline, performed and undone."""

from __future__ import annotations

from meshsim.trace import TimelineMark

from .conftest import run, seconds


def test_an_action_with_for_is_undone() -> None:
    timeline = """
timeline:
  - id: gone
    at: 1s
    for: 1s
    delete: {kind: Service, name: stock, namespace: shop}
"""
    ran = run(timeline=timeline)
    marks = [(m.time, m.id, m.action, m.begins) for m in ran.sink.of(TimelineMark)]
    assert marks == [(seconds(1), "gone", "delete", True), (seconds(2), "gone", "delete", False)]
    assert {row["status"] for row in ran.sink.rows if seconds(1.1) < row["start"] < seconds(1.9)} == {0}
    assert {row["status"] for row in ran.sink.rows if row["start"] > seconds(3)} == {200}


def test_scaling_and_restarting() -> None:
    timeline = """
timeline:
  - {id: down, at: 1s, for: 2s, scale: {deployment: stock-v1, namespace: shop, replicas: 0}}
  - {id: again, at: 2s, restart: {deployment: stock-v2, namespace: shop}}
"""
    ran = run(timeline=timeline, duration="30s")
    between = {row["destination_version"] for row in ran.sink.rows if seconds(2) < row["start"] < seconds(3)}
    assert between == {"v2"}
    late = {row["destination_version"] for row in ran.sink.rows if row["start"] > seconds(25)}
    assert late == {"v1", "v2"}
    first = {row["pod"] for row in ran.sink.rows if row["destination_version"] == "v2" and row["start"] < seconds(2)}
    last = {row["pod"] for row in ran.sink.rows if row["destination_version"] == "v2" and row["start"] > seconds(25)}
    assert not first & last


def test_a_delay_on_a_link() -> None:
    timeline = """
timeline:
  - id: far
    at: 1s
    for: 1s
    delay: {between: [{deployment: front, namespace: shop}, {pods: {match: {app: stock}}}], latency: 50ms}
"""
    rows = run(timeline=timeline).sink.rows
    during = [row["request_end"] - row["start"] for row in rows if seconds(1.1) < row["start"] < seconds(1.8)]
    after = [row["request_end"] - row["start"] for row in rows if row["start"] > seconds(2.5)]
    assert min(during) > seconds(0.1)
    assert max(after) < seconds(0.05)
