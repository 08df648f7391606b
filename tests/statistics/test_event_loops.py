"""Event loops of proxies: waking, turns, reports and whose connection belongs to which, against theory and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import (
    Arrivals,
    CallSpec,
    FlowSpec,
    ProxySpec,
    ReportSpec,
    StepSpec,
    WakeSpec,
)
from meshsim.testing.meshes import (
    CLUSTER,
    INSTANT,
    PROXY,
    ROUTE,
    add_requests,
    add_service,
    add_traffic,
    exponential,
    fixed,
)
from meshsim.units import MILLISECOND, SECOND, Nanos

MS = MILLISECOND
LATER = fixed(SECOND)
"""A service time after which nothing of the request's way out is under way any more."""


def arrivals_through(proxy: ProxySpec, *times: Nanos) -> list[float]:
    """When requests that come to a caller's proxy at these times have passed it, in milliseconds."""
    engine = Engine(1, mode="plain", sample_rate=1.0)
    service = add_service(engine, caller=proxy, handler={"service": LATER})
    add_requests(engine, service.flow, times)
    engine.run_until(100 * SECOND)
    return sorted(float(time) / MS for time in engine.drain()["arrived"])


def test_a_turn_writes_at_its_end() -> None:
    """2 ms a pass, half of it for writing: the first has a turn to itself, the next two are read before one is sent."""
    proxy = ProxySpec(workers=1, outbound=fixed(2 * MS), inbound=INSTANT, flushed=0.5)
    assert arrivals_through(proxy, 0, 0, 0) == [2, 5, 6]
    assert arrivals_through(replace(proxy, flushed=0.0), 0, 0, 0) == [2, 4, 6]
    # Who comes while a turn is under way waits for the next, also at its last instant.
    assert arrivals_through(proxy, 0, 1 * MS, 2 * MS, 3 * MS) == [2, 5, 6, 8]


def test_waking_costs_more_after_a_longer_rest() -> None:
    wake = WakeSpec(least=MS, most=8 * MS, half=10 * MS)
    proxy = ProxySpec(workers=1, outbound=fixed(2 * MS), inbound=INSTANT, wake=wake)
    for flushed in (0.0, 0.25):
        passed = arrivals_through(replace(proxy, flushed=flushed), 0, 30 * MS, 30 * MS)
        first = passed[0]
        idle = 30 - first
        expected = 30 + 1 + 8 * idle / (idle + 10) + 2
        assert passed[1:] == [pytest.approx(expected, abs=1e-3), pytest.approx(expected + 2, abs=1e-3)]


def test_time_in_a_loop_that_has_to_be_woken_is_that_of_a_queue_with_setup_times() -> None:
    """M/G/1 with a setup time D at the begin of each busy period (Welch 1964): the wait of M/G/1 and
    (2 E[D] + l E[D^2]) / (2 (1 + l E[D]))."""
    load, service, setup = 0.6, 2.0, 3.0
    rate = load / service
    queue = rate * 2 * service**2 / (2 * (1 - load))
    expected = service + queue + (2 * setup + rate * setup**2) / (2 * (1 + rate * setup))
    wake = WakeSpec(least=round(setup * MS), most=0, half=MS)
    proxy = ProxySpec(workers=1, outbound=exponential(round(service * MS)), inbound=INSTANT, wake=wake)
    means = []
    for seed in range(1, 13):
        engine = Engine(seed, sample_rate=1.0)
        # Answers come when all requests have passed, so that the loop has one way only to look after at a time.
        station = add_service(engine, caller=proxy, handler={"service": fixed(500 * SECOND)})
        add_traffic(engine, [station.flow], rate * 1e3, stop=100 * SECOND)
        engine.run_until(400 * SECOND)
        usage = engine.proxy_usage(station.proxy)
        requests = engine.counters.started
        work = usage.busy / 1e6 - usage.wakes * setup
        assert abs(work - requests * service) < 4.5 * math.sqrt(requests) * service
        engine.run_until(1000 * SECOND)
        rows = engine.drain()
        means.append(float((rows["arrived"] - rows["start"]).mean()) / MS)
    spread = float(np.std(means, ddof=1)) / math.sqrt(len(means))
    assert abs(float(np.mean(means)) - expected) < 4 * spread, (means, expected)
    assert spread < 0.02 * expected


def test_an_instance_that_rested_begins_later() -> None:
    engine = Engine(1, mode="plain", sample_rate=1.0)
    wake = WakeSpec(least=0, most=10 * MS, half=5 * MS)
    service = add_service(engine, caller=None, handler={"service": fixed(2 * MS)}, pod={"workers": 1, "wake": wake})
    add_requests(engine, service.flow, (20 * MS, 20 * MS, 100 * MS))
    engine.run_until(SECOND)
    served = sorted(float(time) / MS for time in engine.drain()["served"])
    first = 20 + 10 * 20 / 25
    idle = 100 - (first + 4)
    assert served == [first, first + 2, pytest.approx(100 + 10 * idle / (idle + 5), abs=1e-3)]


def test_reports_hold_up_every_so_many_answers() -> None:
    report = ReportSpec(answers=3, cost=fixed(50 * MS))
    engine = Engine(1, mode="plain", sample_rate=1.0)
    caller = replace(PROXY, outbound=fixed(MS), report=report)
    service = add_service(engine, caller=caller)
    add_requests(engine, service.flow, [turn * SECOND for turn in range(7)])
    engine.run_until(10 * SECOND)
    rows = engine.drain()
    spans = [float(span) / MS for span in (rows["end"] - rows["start"])[np.argsort(rows["start"])]]
    assert spans == [2, 2, 52, 2, 2, 52, 2]


def test_a_users_connection_keeps_its_event_loop() -> None:
    engine = Engine(3, mode="plain", sample_rate=1.0)
    service = add_service(engine, caller=replace(PROXY, workers=4))
    add_traffic(engine, [service.flow], 0.0, arrivals=Arrivals.CLOSED, users=40, think=fixed(MS), stop=20 * MS)
    engine.run_until(SECOND)
    rows = engine.drain()
    starts = rows["start"]
    per_burst = [sorted(rows["worker"][starts == start].tolist()) for start in sorted(set(starts.tolist()))]
    assert len(per_burst) > 10
    # Always the same 40 connections, so each loop always has as many requests, and each loop has some.
    assert all(burst == per_burst[0] for burst in per_burst)
    assert set(per_burst[0]) == {0, 1, 2, 3}


def test_calls_use_as_many_connections_as_are_under_way_at_once() -> None:
    """A client keeps the connections it has: one after the other all go through one event loop."""
    for at_once, loops in ((False, 1), (True, 2)):
        engine = Engine(5, mode="plain", sample_rate=1.0)
        calls = [engine.add_call(CallSpec(group=0, probability=1.0, fail_parent=False)) for _ in range(8)]
        steps = tuple(StepSpec(0 if at_once else turn, call) for turn, call in enumerate(calls))
        front = add_service(engine, sidecar=replace(PROXY, workers=2), handler={"steps": steps})
        back = add_service(engine, caller=None)
        own = int(engine.tables.get("pod", front.pods[0], "proxy"))
        cluster = engine.add_cluster(replace(CLUSTER, proxy=own), back.hosts)
        for call in calls:
            flow = FlowSpec(proxy=own, workload=0, pod=front.pods[0], call=call)
            engine.add_flow(flow, replace(ROUTE, clusters=((cluster, 1),)))
        add_requests(engine, front.flow, [turn * MS for turn in range(20)])
        engine.run_until(SECOND)
        rows = engine.drain()
        inner = rows[rows["call"] >= 0]
        assert len(inner) == 160
        assert len(set(inner["worker"].tolist())) == loops
        assert int(engine.tables.get("pod", front.pods[0], "calling")) == 0
