"""The engine's face: changes at their instant, what is kept over them, what can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane.engine import Edge, Engine
from meshsim.dataplane.specs import Arrivals, Flag, FlowSpec, PodState, RateLimitSpec, RetryOn, RouteKind, RouteSpec
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.errors import InternalError
from meshsim.testing.meshes import CLUSTER, PROXY, add_requests, add_service, add_traffic, exponential, fixed
from meshsim.units import MILLISECOND, SECOND

MS = MILLISECOND


def make(sample_rate: float = 1.0) -> Engine:
    return Engine(1, mode="plain", sample_rate=sample_rate)


def test_a_route_holds_from_its_instant_and_requests_keep_theirs() -> None:
    engine = make()
    old = add_service(engine, handler={"service": fixed(SECOND)})
    new = add_service(engine)
    engine.set_route(old.flow, RouteSpec(kind=RouteKind.FORWARD, clusters=((new.cluster, 1),)), at=500 * MS)
    add_requests(engine, old.flow, [0, 500 * MS - 1, 500 * MS])
    engine.run_until(10 * SECOND)
    rows = engine.drain()
    by_start = {int(row["start"]): (int(row["cluster"]), int(row["route_version"])) for row in rows}
    assert by_start == {
        0: (old.cluster, 1),
        500 * MS - 1: (old.cluster, 1),
        500 * MS: (new.cluster, 2),
    }


def test_a_change_in_the_past_holds_from_now() -> None:
    engine = make()
    service = add_service(engine)
    engine.run_until(SECOND)
    engine.set_route(service.flow, None, at=0)
    add_requests(engine, service.flow, [SECOND])
    engine.run_until(2 * SECOND)
    assert engine.drain()["status"].tolist() == [404]


def test_a_replaced_cluster_has_new_connections_and_counters_and_lets_the_old_finish() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(SECOND)})
    engine.set_cluster(service.cluster, replace(CLUSTER, proxy=service.proxy, max_requests=7), at=500 * MS)
    add_requests(engine, service.flow, [0, 600 * MS])
    engine.run_until(400 * MS)
    assert engine.cluster_stats(service.cluster).rq_total == 0  # of the replacement, which waits
    engine.run_until(10 * SECOND)
    assert engine.drain()["status"].tolist() == [200, 200]
    stats = engine.cluster_stats(service.cluster)
    assert (stats.rq_total, stats.cx_total, stats.active) == (1, 1, 0)


def test_a_removed_cluster_is_nc_and_its_retries_uh() -> None:
    engine = make()
    service = add_service(
        engine,
        handler={"service": fixed(SECOND), "error_rate": 1.0},
        route={"retries": 1, "retry_on": RetryOn.FIVE_XX},
    )
    engine.remove_cluster(service.cluster, at=500 * MS)
    add_requests(engine, service.flow, [0, 600 * MS])
    engine.run_until(10 * SECOND)
    last = {int(r["start"]): Flag(int(r["flags"])) for r in engine.drain() if r["last"]}
    assert last == {0: Flag.UH, 600 * MS: Flag.NC}


def test_hosts_of_equal_key_keep_their_state() -> None:
    engine = make()
    service = add_service(engine, pods=2, handler={"service": fixed(SECOND)})
    add_requests(engine, service.flow, [0, 0])
    engine.run_until(100 * MS)
    before = [engine.host_state(service.cluster, key).active for key in service.pods]
    engine.set_hosts(service.cluster, tuple(reversed(service.hosts)))
    engine.run_until(200 * MS)
    assert [engine.host_state(service.cluster, key).active for key in service.pods] == before
    assert sum(before) == 2
    with pytest.raises(KeyError):
        engine.host_state(service.cluster, "unknown")


def test_rates_change_and_stop() -> None:
    engine = make(sample_rate=0.0)
    service = add_service(engine)
    source = add_traffic(engine, [service.flow], 100.0, arrivals=Arrivals.CONSTANT)
    engine.set_rate(source, 1000.0, at=SECOND)
    engine.set_rate(source, 0.0, at=2 * SECOND)
    counts = []
    for second in (1, 2, 3):
        engine.run_until(second * SECOND)
        counts.append(engine.counters.started)
    assert counts == [100, 1100, 1100]


def test_a_closed_loop_has_as_many_requests_out_as_users() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(90 * MS)})
    add_traffic(engine, [service.flow], 0.0, arrivals=Arrivals.CLOSED, users=3, think=fixed(10 * MS))
    engine.run_until(SECOND)
    assert engine.counters.in_flight == 3
    assert engine.counters.finished == 27


def test_source_flows_move() -> None:
    engine = make()
    first, second = add_service(engine), add_service(engine)
    source = add_traffic(engine, [first.flow], 100.0, arrivals=Arrivals.CONSTANT)
    engine.set_source_flows(source, [second.flow], at=SECOND)
    engine.run_until(2 * SECOND)
    rows = engine.drain()
    assert set(rows["flow"][rows["start"] < SECOND].tolist()) == {first.flow}
    assert set(rows["flow"][rows["start"] >= SECOND].tolist()) == {second.flow}
    with pytest.raises(InternalError, match="at least one flow"):
        engine.set_source_flows(source, [])


def test_sampling_keeps_traces_and_changes_nothing() -> None:
    digests, rows = set(), []
    for rate in (0.0, 0.2, 1.0):
        engine = make(rate)
        service = add_service(engine, handler={"service": exponential(MS)})
        add_traffic(engine, [service.flow], 1000.0)
        engine.run_until(SECOND)
        digests.add(engine.digest)
        rows.append(len(engine.drain()))
        assert len(engine.drain()) == 0
    assert len(digests) == 1
    assert rows[0] == 0
    assert 0.1 * rows[2] < rows[1] < 0.3 * rows[2]


def test_names_and_edges() -> None:
    engine = make()
    service = add_service(engine, flow={"workload": 4, "edge": 9})
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    (row,) = engine.drain()
    assert engine.host_name(int(row["host"])) == (service.cluster, service.pods[0])
    assert engine.edges == [Edge(4, -1, 9)]
    assert engine.drain_series()["requests"].tolist() == [1]
    engine.set_pod_state(service.pods[0], PodState.DRAINING)
    engine.run_until(2 * SECOND)
    assert engine.pod_load(service.pods[0]).state is PodState.DRAINING
    assert engine.now == 2 * SECOND


@pytest.mark.parametrize("mode", ["plain", "numba"])
def test_rows_are_handed_over_while_they_come_in_the_order_of_a_drain(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if choose_mode(mode) is not Mode(mode):
        pytest.skip("numba is not installed")
    monkeypatch.setattr("meshsim.dataplane.engine._LOG_ROWS", 64)
    found = []
    for handed in (False, True):
        engine = Engine(1, mode=mode, sample_rate=1.0)
        service = add_service(engine, handler={"service": exponential(MS)})
        add_requests(engine, service.flow, range(0, 1_000 * MS, MS))
        if not handed:
            engine.run_until(2 * SECOND)
            found.append(engine.drain().tolist())
            continue
        parts: list[list[tuple[int, ...]]] = []

        def take(rows: Any, engine: Engine = engine, parts: list[list[tuple[int, ...]]] = parts) -> None:
            parts.append(rows.tolist())
            engine.reuse_rows(rows)

        engine.on_rows = take
        engine.run_until(2 * SECOND)
        assert (len(parts) > 10) is (mode == "numba")
        engine.hand_rows()
        engine.hand_rows()
        found.append([row for part in parts for row in part])
        assert all(parts)
        assert len(engine.drain()) == 0
    assert len(found[0]) == 1_000
    assert found[0] == found[1]


@pytest.mark.parametrize("limited", [False, True])
def test_a_route_that_proxies_share_counts_for_each_alone_where_it_has_tokens(limited: bool) -> None:
    engine = Engine(1, mode="plain")
    flows = [
        engine.add_flow(FlowSpec(proxy=engine.add_proxy(PROXY), workload=0, pod=-1, call=-1), None) for _ in range(2)
    ]
    limit = RateLimitSpec(max_tokens=1, tokens_per_fill=1, fill_interval=SECOND) if limited else None
    route = RouteSpec(kind=RouteKind.LOCAL_REPLY, status=200, limit=limit)
    engine.set_routes((flow, route) for flow in flows)
    engine.run_until(1)
    first, second = (engine.tables.get("flow", flow, "route") for flow in flows)
    assert (first == second) is not limited
