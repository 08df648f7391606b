"""The rules of the data plane, one situation each, against what was measured on Envoy 1.40 or stands in its source.

They run interpreted; tests/properties holds the compiled engine to the same results.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.invariants import check_invariants
from meshsim.dataplane.layout import row_of
from meshsim.dataplane.specs import (
    GRPC,
    Arrivals,
    CallSpec,
    CpuSpec,
    Distribution,
    Flag,
    FlowSpec,
    HealthCheckSpec,
    InboundKind,
    LbPolicy,
    LevelPiece,
    PeriodicSpec,
    PodState,
    ProxySpec,
    RateLimitSpec,
    RetryOn,
    RouteKind,
    RouteSpec,
    Shape,
    StepSpec,
)
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.testing.meshes import (
    CLUSTER,
    HANDLER,
    HOST,
    INSTANT,
    OUTLIER,
    POD,
    PROXY,
    ROUTE,
    Service,
    add_requests,
    add_service,
    add_traffic,
    fixed,
)
from meshsim.units import MILLISECOND, SECOND, Nanos

MS = MILLISECOND


def make(seed: int = 1, *, stations: bool = True) -> Engine:
    return Engine(seed, mode="plain", stations=stations, sample_rate=1.0)


def finish(engine: Engine, until: Nanos = 100 * SECOND) -> np.ndarray:
    """The ends of all requests, in the order of their starts."""
    engine.run_until(until)
    rows = engine.drain()
    last = rows[rows["last"] == 1]
    return last[np.lexsort((last["end"], last["start"]))]


def send(engine: Engine, service: Service, *times: Nanos, until: Nanos = 100 * SECOND) -> np.ndarray:
    add_requests(engine, service.flow, times or (0,))
    return finish(engine, until)


def outcomes(rows: np.ndarray) -> list[tuple[int, Flag]]:
    return [(int(status), Flag(int(flags))) for status, flags in zip(rows["status"], rows["flags"], strict=True)]


# -- what a proxy answers by itself (failure matrix measured on Envoy) ---


def test_no_route_is_404() -> None:
    engine = make()
    service = add_service(engine)
    engine.set_route(service.flow, None)
    rows = send(engine, service)
    assert outcomes(rows) == [(404, Flag.NR)]
    assert rows["attempt"].tolist() == [0]


def test_unknown_cluster_is_nc_and_no_host_is_uh() -> None:
    engine = make()
    assert outcomes(send(engine, add_service(engine, route={"clusters": ((-1, 1),)}))) == [(503, Flag.NC)]
    engine = make()
    assert outcomes(send(engine, add_service(engine, pods=0))) == [(503, Flag.UH)]


def test_a_local_reply_needs_no_upstream() -> None:
    engine = make()
    service = add_service(engine, route={"kind": RouteKind.LOCAL_REPLY, "status": 301})
    assert outcomes(send(engine, service)) == [(301, Flag.NONE)]
    assert engine.cluster_stats(service.cluster).rq_total == 0


@pytest.mark.parametrize(
    ("host", "route", "expected"),
    [
        ({"inbound": InboundKind.REFUSE}, {}, (503, Flag.UF)),
        ({"inbound": InboundKind.RESET}, {}, (503, Flag.UC)),
        ({"inbound": InboundKind.REPLY, "inbound_status": 403}, {}, (403, Flag.NONE)),
        ({"reachable": False}, {}, (503, Flag.UF)),
        ({"lost": 1.0}, {"timeout": SECOND}, (504, Flag.UT)),
        ({"lost": 1.0}, {"per_try_timeout": SECOND}, (504, Flag.UT)),
    ],
)
def test_what_the_other_end_does(host: dict[str, Any], route: dict[str, Any], expected: tuple[int, Flag]) -> None:
    engine = make()
    assert outcomes(send(engine, add_service(engine, host=host, route=route))) == [expected]


def test_without_a_proxy_a_failed_connection_has_no_status() -> None:
    engine = make()
    service = add_service(engine, caller=None, host={"inbound": InboundKind.REFUSE})
    assert outcomes(send(engine, service)) == [(0, Flag.UF)]


# -- retries -------------------------------------------------------------------------------------------------------

CLOSES = {"inbound": InboundKind.RESET}
SILENT = {"lost": 1.0}
REFUSES = {"inbound": InboundKind.REFUSE}
ANSWERS_503 = {"inbound": InboundKind.REPLY, "inbound_status": 503}
ANSWERS_409 = {"inbound": InboundKind.REPLY, "inbound_status": 409}
ANY_RESET = {RetryOn.FIVE_XX, RetryOn.GATEWAY_ERROR, RetryOn.RESET}


@pytest.mark.parametrize(
    ("host", "tokens"),
    [
        (CLOSES, ANY_RESET),
        (SILENT, ANY_RESET),
        (REFUSES, ANY_RESET | {RetryOn.RESET_BEFORE_REQUEST, RetryOn.CONNECT_FAILURE}),
        (ANSWERS_503, {RetryOn.FIVE_XX, RetryOn.GATEWAY_ERROR, RetryOn.RETRIABLE_STATUS_CODES}),
        (ANSWERS_409, {RetryOn.RETRIABLE_4XX}),
    ],
)
def test_which_tokens_retry(host: dict[str, Any], tokens: set[RetryOn]) -> None:
    """The table of retry tokens, measured on Envoy 1.40; the list of codes holds 503."""
    retried = set()
    for token in RetryOn:
        engine = make()
        service = add_service(
            engine,
            host=host,
            route={"retries": 1, "retry_on": token, "per_try_timeout": SECOND, "retriable_codes": (503,)},
        )
        (row,) = send(engine, service)
        if row["attempt"] == 2:
            assert Flag.URX in Flag(int(row["flags"]))
            retried.add(token)
    assert retried == tokens


def test_istios_default_policy_does_not_retry_a_plain_503_but_a_grpc_one() -> None:
    default = (
        RetryOn.CONNECT_FAILURE
        | RetryOn.REFUSED_STREAM
        | RetryOn.GRPC_UNAVAILABLE
        | RetryOn.GRPC_CANCELLED
        | RetryOn.RETRIABLE_STATUS_CODES
    )
    for grpc, tries in ((False, 1), (True, 3)):
        engine = make()
        service = add_service(engine, host=ANSWERS_503, route={"retries": 2, "retry_on": default}, flow={"grpc": grpc})
        assert send(engine, service)["attempt"].tolist() == [tries]


def test_retries_used_up_on_timeouts_are_urx_and_ut() -> None:
    engine = make()
    service = add_service(
        engine, host=SILENT, route={"retries": 2, "retry_on": RetryOn.FIVE_XX, "per_try_timeout": SECOND}
    )
    assert outcomes(send(engine, service)) == [(504, Flag.URX | Flag.UT)]


def test_a_per_try_timeout_not_shorter_than_the_routes_is_ignored() -> None:
    engine = make()
    service = add_service(
        engine,
        host=SILENT,
        route={"retries": 2, "retry_on": RetryOn.FIVE_XX, "per_try_timeout": SECOND, "timeout": SECOND},
    )
    (row,) = send(engine, service)
    assert (row["attempt"], row["end"], row["flags"]) == (1, SECOND, Flag.UT)


def test_the_route_timeout_covers_back_off_and_all_tries() -> None:
    engine = make()
    service = add_service(
        engine,
        handler={"error_rate": 1.0},
        route={"retries": 100, "retry_on": RetryOn.FIVE_XX, "timeout": 300 * MS},
    )
    engine_rows = send(engine, service)
    assert outcomes(engine_rows) == [(504, Flag.UT)]
    assert engine_rows["end"].tolist() == [300 * MS]
    # It came during back-off, so no attempt carries the end.
    assert engine_rows["attempt"].tolist() == [0]
    assert engine.cluster_stats(service.cluster).retrying == 0


def test_previous_hosts_sends_retries_elsewhere() -> None:
    engine = make()
    service = add_service(
        engine,
        pods=2,
        handler={"error_rate": 1.0},
        route={"retries": 1, "retry_on": RetryOn.FIVE_XX, "host_reselect_attempts": 30},
    )
    add_requests(engine, service.flow, [at * SECOND for at in range(20)])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    for request in set(rows["request"].tolist()):
        assert len(set(rows["host"][rows["request"] == request].tolist())) == 2


def test_too_many_retries_pass_the_answer_on_with_uo() -> None:
    """Measured: 20 failing requests at once with max_retries 3 give 17 answers with UO."""
    engine = make()
    service = add_service(
        engine,
        cluster={"max_retries": 3},
        handler={"error_rate": 1.0},
        route={"retries": 1, "retry_on": RetryOn.FIVE_XX},
    )
    rows = send(engine, service, *[0] * 20)
    assert Counter(outcomes(rows)) == {(503, Flag.UO): 17, (503, Flag.URX): 3}
    stats = engine.cluster_stats(service.cluster)
    assert (stats.rq_retry, stats.rq_retry_overflow, stats.rq_retry_limit) == (3, 17, 3)


# -- faults and mirrors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service_time", "expected", "end"),
    [(0, (200, Flag.DI), SECOND), (800 * MS, (504, Flag.DI | Flag.UT), 1500 * MS)],
)
def test_a_delay_does_not_consume_the_route_timeout(
    service_time: Nanos, expected: tuple[int, Flag], end: Nanos
) -> None:
    """Measured: delay 1 s, route timeout 0.5 s."""
    engine = make()
    service = add_service(
        engine,
        handler={"service": fixed(service_time)},
        route={"delay_ppm": 1_000_000, "delay": SECOND, "timeout": 500 * MS},
    )
    rows = send(engine, service)
    assert (outcomes(rows), rows["end"].tolist()) == ([expected], [end])


def test_delay_and_abort_both_apply() -> None:
    engine = make()
    fault = {"delay_ppm": 1_000_000, "delay": SECOND, "abort_ppm": 1_000_000, "abort_status": 555}
    rows = send(engine, add_service(engine, route=fault))
    assert (outcomes(rows), rows["end"].tolist()) == ([(555, Flag.DI | Flag.FI)], [SECOND])


def test_a_mirror_is_fire_and_forget() -> None:
    engine = make()
    shadow = add_service(engine, handler={"error_rate": 1.0, "service": fixed(SECOND)})
    service = add_service(
        engine,
        route={"mirrors": ((shadow.cluster, 1_000_000),), "retries": 3, "retry_on": RetryOn.FIVE_XX},
    )
    rows = send(engine, service)
    assert [(int(r["mirror"]), int(r["status"]), int(r["end"])) for r in rows] == [(0, 200, 0), (1, 503, SECOND)]
    assert engine.cluster_stats(shadow.cluster).rq_total == 1


# -- limits --------------------------------------------------------------------------------------------------------


def test_one_connection_serves_one_after_the_other() -> None:
    """Measured: max_connections 1 and five HTTP/1 requests of 0.5 s take 2.5 s."""
    engine = make()
    service = add_service(engine, cluster={"http2": False, "max_connections": 1}, handler={"service": fixed(500 * MS)})
    rows = send(engine, service, *[0] * 5)
    assert rows["end"].tolist() == [500 * MS * turn for turn in range(1, 6)]
    assert engine.cluster_stats(service.cluster).cx_total == 1


def test_pending_overflow() -> None:
    """Measured: with max_pending_requests 1 as well, 3 of 5 are UO."""
    engine = make()
    service = add_service(
        engine,
        cluster={"http2": False, "max_connections": 1, "max_pending_requests": 1},
        handler={"service": fixed(500 * MS)},
    )
    # The first is served before the others come: while it connects it is pending itself.
    rows = send(engine, service, 0, *[MS] * 4)
    assert Counter(outcomes(rows)) == {(200, Flag.NONE): 2, (503, Flag.UO): 3}


def test_pending_requests_count_while_a_connection_is_set_up() -> None:
    engine = make()
    service = add_service(
        engine, cluster={"http2": False, "max_pending_requests": 1}, host={"latency": MS, "handshake_rtts": 1}
    )
    assert Counter(outcomes(send(engine, service, 0, 0))) == {(200, Flag.NONE): 1, (503, Flag.UO): 1}


def test_active_overflow_is_not_retried() -> None:
    engine = make()
    service = add_service(
        engine,
        cluster={"max_requests": 2},
        handler={"service": fixed(500 * MS)},
        route={"retries": 3, "retry_on": RetryOn.FIVE_XX},
    )
    rows = send(engine, service, *[0] * 5)
    assert Counter(outcomes(rows)) == {(200, Flag.NONE): 2, (503, Flag.UO): 3}
    assert engine.cluster_stats(service.cluster).rq_active_overflow == 3


# -- connections ---------------------------------------------------------------------------------------------------


def test_a_new_connection_costs_its_round_trips_once() -> None:
    engine = make()
    service = add_service(engine, host={"latency": MS, "handshake_rtts": 2})
    rows = send(engine, service, 0, 100 * MS)
    assert (rows["end"] - rows["start"]).tolist() == [6 * MS, 2 * MS]


@pytest.mark.parametrize(("round_trips", "first"), [(0, 2 * MS), (1, 4 * MS), (2, 12 * MS)])
def test_both_ends_work_on_a_handshake_of_tls(round_trips: int, first: Nanos) -> None:
    engine = make()
    busy = replace(PROXY, handshake=fixed(3 * MS))
    service = add_service(engine, caller=busy, sidecar=busy, host={"latency": MS, "handshake_rtts": round_trips})
    rows = send(engine, service, 0, 100 * MS)
    assert (rows["end"] - rows["start"]).tolist() == [first, 2 * MS]


def test_http1_opens_one_connection_for_each_request_at_once_and_uses_the_last_first() -> None:
    engine = make()
    service = add_service(
        engine,
        cluster={"http2": False},
        host={"latency": MS, "handshake_rtts": 1},
        handler={"service": fixed(10 * MS)},
    )
    rows = send(engine, service, 0, 0, 0, SECOND, SECOND + 20 * MS)
    assert (rows["end"] - rows["start"]).tolist() == [14 * MS] * 3 + [12 * MS] * 2
    assert engine.cluster_stats(service.cluster).cx_total == 3
    used = engine.tables.field("conn", "used")[:3]
    assert sorted(used.tolist()) == [1, 1, 3]


def test_http2_shares_one_connection() -> None:
    engine = make()
    service = add_service(engine, host={"latency": MS, "handshake_rtts": 1}, handler={"service": fixed(10 * MS)})
    rows = send(engine, service, 0, 0, 0)
    assert (rows["end"] - rows["start"]).tolist() == [14 * MS] * 3
    assert engine.cluster_stats(service.cluster).cx_total == 1


@pytest.mark.parametrize("http2", [False, True])
def test_a_connection_ends_after_its_last_allowed_request(http2: bool) -> None:
    engine = make()
    service = add_service(engine, cluster={"http2": http2, "max_requests_per_connection": 2})
    send(engine, service, *[turn * SECOND for turn in range(6)])
    stats = engine.cluster_stats(service.cluster)
    assert (stats.cx_total, stats.connections) == (3, 0)


def test_each_event_loop_has_connections_of_its_own() -> None:
    engine = make()
    service = add_service(engine, caller=replace(PROXY, workers=3))
    send(engine, service, *[turn * MS for turn in range(40)])
    assert engine.cluster_stats(service.cluster).cx_total == 3


def test_a_failed_connection_fails_all_that_waited_for_it() -> None:
    engine = make()
    service = add_service(engine, cluster={"connect_timeout": SECOND}, host={"reachable": False})
    rows = send(engine, service, 0, 400 * MS, 900 * MS)
    assert rows["end"].tolist() == [SECOND] * 3
    stats = engine.cluster_stats(service.cluster)
    assert (stats.cx_total, stats.cx_connect_fail, stats.pending, stats.connections) == (1, 1, 0, 0)


def test_an_unanswered_http1_exchange_closes_its_connection() -> None:
    engine = make()
    service = add_service(
        engine, cluster={"http2": False}, handler={"service": fixed(SECOND)}, route={"timeout": 100 * MS}
    )
    send(engine, service, 0, 200 * MS)
    stats = engine.cluster_stats(service.cluster)
    assert (stats.cx_total, stats.connections) == (2, 0)


# -- balancing -----------------------------------------------------------------------------------------------------


LATER = 2 * SECOND


def hosts_hit(rows: np.ndarray) -> list[int]:
    return rows["pod"].tolist()  # type: ignore[no-any-return]


def test_weighted_round_robin_has_envoys_cycle() -> None:
    """Measured on Envoy 1.40 for weights 1, 2, 3: the cycle 0, 1, 2, 2, 1, 2."""
    for seed in range(1, 6):
        engine = make(seed)
        service = add_service(engine, pods=3, cluster={"policy": LbPolicy.ROUND_ROBIN})
        engine.set_hosts(service.cluster, [(key, replace(host, weight=key + 1)) for key, host in service.hosts])
        picks = hosts_hit(send(engine, service, *[LATER + turn * MS for turn in range(24)]))
        cycle = [0, 1, 2, 2, 1, 2] * 5
        assert any(picks == cycle[start : start + 24] for start in range(6)), picks


def test_least_request_with_weights_counts_active_requests() -> None:
    """Each host's rate goes with weight by active, and active with its rate: the shares have the square root."""
    engine = make()
    service = add_service(engine, pods=2, handler={"service": fixed(300 * MS)})
    (first, heavy), (second, light) = service.hosts
    engine.set_hosts(service.cluster, [(first, replace(heavy, weight=2)), (second, light)])
    hits = Counter(hosts_hit(send(engine, service, *[LATER + turn * MS for turn in range(3000)])))
    assert hits[first] / hits[second] == pytest.approx(math.sqrt(2), rel=0.01)


@pytest.mark.parametrize(("threshold", "hit"), [(50, 4), (0, 1), (20, 1)])
def test_panic(threshold: int, hit: int) -> None:
    """Measured: one of four healthy and threshold 50: even over all four; below the threshold only the healthy one."""
    engine = make()
    service = add_service(engine, pods=4, cluster={"panic_threshold": threshold, "policy": LbPolicy.ROUND_ROBIN})
    engine.set_hosts(
        service.cluster, [(key, replace(host, healthy=key == service.pods[2])) for key, host in service.hosts]
    )
    picks = set(hosts_hit(send(engine, service, *[LATER + turn * MS for turn in range(16)])))
    assert len(picks) == hit
    assert service.pods[2] in picks


def test_nothing_healthy_and_no_panic_is_uh() -> None:
    engine = make()
    service = add_service(engine, cluster={"panic_threshold": 0}, host={"healthy": False})
    assert outcomes(send(engine, service)) == [(503, Flag.UH)]


# -- outlier detection ---------------------------------------------------------------------------------------------


def failing(
    engine: Engine, pods: int, broken: int, outlier: dict[str, Any], cluster: dict[str, Any] | None = None
) -> Service:
    """A service where the first `broken` pods answer 503."""
    service = add_service(
        engine,
        pods=pods,
        cluster={"policy": LbPolicy.ROUND_ROBIN, "outlier": replace(OUTLIER, **outlier), **(cluster or {})},
    )
    bad = engine.add_handler(replace(HANDLER, error_rate=1.0))
    engine.set_hosts(
        service.cluster,
        [
            (key, replace(host, handler=bad if number < broken else host.handler))
            for number, (key, host) in enumerate(service.hosts)
        ],
    )
    return service


@pytest.mark.parametrize(("pods", "percent", "ejected"), [(3, 10, 0), (3, 33, 0), (3, 34, 1), (10, 10, 1), (3, 100, 3)])
def test_how_many_may_be_ejected(pods: int, percent: int, ejected: int) -> None:
    """Measured on 1.40: allowed while 100 * (ejected + 1) / N does not exceed max_ejection_percent."""
    engine = make()
    service = failing(engine, pods, pods, {"max_ejection_percent": percent, "consecutive_5xx": 1})
    send(engine, service, *[turn * 100 * MS for turn in range(60)], until=9 * SECOND)
    stats = engine.cluster_stats(service.cluster)
    assert stats.ejected == ejected
    assert (stats.ejections_overflow > 0) == (ejected < pods)


def test_ejections_grow_and_end_at_sweeps() -> None:
    """Measured with base 1 s and interval 0.25 s: 1.1, 2.2, 3.2, 4.2 s, that is base * k rounded up to a sweep."""
    engine = make()
    service = failing(
        engine,
        2,
        1,
        {"interval": 250 * MS, "base_ejection": SECOND, "consecutive_5xx": 1},
        {"panic_threshold": 0},
    )
    add_requests(engine, service.flow, [SECOND + turn * 10 * MS for turn in range(1600)])
    ejections = []
    for now in range(0, 17 * SECOND, 10 * MS):
        engine.run_until(now)
        if engine.cluster_stats(service.cluster).ejections > len(ejections):
            ejections.append(now / SECOND)
    # The host is asked, and ejected again, within 20 ms of its return.
    spans = [after - before for before, after in pairwise(ejections)]
    assert len(spans) >= 4
    for turn, span in enumerate(spans, 1):
        assert turn <= span <= turn + 0.27, spans


def test_the_second_ejection_within_the_merge_window_reaches_the_balancer_late() -> None:
    engine = make()
    service = failing(engine, 4, 2, {"consecutive_5xx": 1}, {"panic_threshold": 0})
    # One request every 10 ms.
    add_requests(engine, service.flow, [2 * SECOND + turn * 10 * MS for turn in range(200)])
    rows = finish(engine, 5 * SECOND)
    hits = {pod: rows["start"][rows["pod"] == pod] for pod in service.pods[:2]}
    first, second = sorted(hits, key=lambda pod: int(hits[pod].min()))
    assert len(hits[first]) == 1
    # The second was ejected at its first failure too, but kept being chosen until the window ended.
    ejected_at = int(hits[second].min())
    assert len(hits[second]) > 20
    assert int(hits[second].max()) < ejected_at + SECOND
    assert int(hits[second].max()) > ejected_at + 900 * MS


def test_membership_changes_reach_the_balancer_at_once() -> None:
    engine = make()
    service = add_service(engine, pods=3, cluster={"policy": LbPolicy.ROUND_ROBIN})
    add_requests(engine, service.flow, [SECOND + turn * 10 * MS for turn in range(100)])
    engine.set_hosts(service.cluster, service.hosts[1:], at=SECOND + 300 * MS)
    engine.set_hosts(service.cluster, service.hosts[2:], at=SECOND + 600 * MS)
    rows = finish(engine)
    for pod, end in zip(service.pods[:2], (300 * MS, 600 * MS), strict=True):
        assert int(rows["start"][rows["pod"] == pod].max()) < SECOND + end
    assert set(rows["pod"][rows["start"] >= SECOND + 600 * MS].tolist()) == {service.pods[2]}


def test_health_and_weights_of_an_assignment_reach_the_balancer_at_once() -> None:
    """Measured on Envoy 1.40: unlike ejections they wait for no window."""
    engine = make()
    service = add_service(engine, pods=3, cluster={"policy": LbPolicy.ROUND_ROBIN, "panic_threshold": 0})
    add_requests(engine, service.flow, [SECOND + turn * 10 * MS for turn in range(100)])
    for at, ill in ((300 * MS, {0}), (400 * MS, {0, 1}), (500 * MS, {1})):
        hosts = [(key, replace(host, healthy=key not in ill)) for key, host in service.hosts]
        engine.set_hosts(service.cluster, hosts, at=SECOND + at)
    rows = finish(engine)
    found = [set(rows["pod"][(rows["start"] - SECOND) // (100 * MS) == part].tolist()) for part in range(10)]
    assert found == [{0, 1, 2}] * 3 + [{1, 2}, {2}] + [{0, 2}] * 5


def test_the_first_hosts_of_a_cluster_open_no_window() -> None:
    engine = make()
    service = failing(engine, 2, 1, {"consecutive_5xx": 1}, {"panic_threshold": 0})
    add_requests(engine, service.flow, [turn * 10 * MS for turn in range(50)])
    assert (finish(engine, 5 * SECOND)["pod"] == service.pods[0]).sum() == 1


def test_gateway_errors_and_local_errors_have_detectors_of_their_own() -> None:
    for outlier, host, ejects in (
        ({"consecutive_5xx": 0, "consecutive_gateway": 2}, ANSWERS_503, True),
        (
            {"consecutive_5xx": 0, "consecutive_gateway": 2},
            {"inbound": InboundKind.REPLY, "inbound_status": 500},
            False,
        ),
        ({"consecutive_5xx": 2}, REFUSES, True),
        ({"consecutive_5xx": 2, "consecutive_local": 9, "split_local_errors": True}, REFUSES, False),
        ({"consecutive_5xx": 0, "consecutive_local": 2, "split_local_errors": True}, REFUSES, True),
    ):
        engine = make()
        service = add_service(engine, cluster={"outlier": replace(OUTLIER, **outlier)}, host=host)
        send(engine, service, *[turn * SECOND for turn in range(4)], until=9 * SECOND)
        assert engine.host_state(service.cluster, service.pods[0]).ejected == ejects, (outlier, host)


def test_a_good_answer_ends_a_run_of_failures() -> None:
    engine = make()
    service = add_service(engine, cluster={"outlier": replace(OUTLIER, consecutive_5xx=2)})
    bad = engine.add_handler(replace(HANDLER, error_rate=1.0))
    key, host = service.hosts[0]
    for turn in range(10):
        engine.set_hosts(service.cluster, [(key, replace(host, handler=bad if turn % 2 else host.handler))], turn * MS)
    send(engine, service, *[turn * MS for turn in range(10)], until=9 * SECOND)
    assert engine.cluster_stats(service.cluster).ejections == 0


# -- the application -----------------------------------------------------------------------------------------------


def test_workers_and_queue() -> None:
    engine = make()
    service = add_service(engine, pod={"workers": 2}, handler={"service": fixed(10 * MS)})
    rows = send(engine, service, *[0] * 5)
    assert rows["end"].tolist() == [10 * MS, 10 * MS, 20 * MS, 20 * MS, 30 * MS]
    assert sorted((rows["served"] - rows["arrived"]).tolist()) == [0, 0, 10 * MS, 10 * MS, 20 * MS]


def calls_of(
    engine: Engine, callee: Service, *groups: tuple[int, bool], own: Nanos = MS, hold: bool = False
) -> Service:
    """A service that calls `callee` once for each (group, fail_parent)."""
    calls = tuple(engine.add_call(CallSpec(group=g, probability=1.0, fail_parent=fail)) for g, fail in groups)
    caller = add_service(
        engine, handler={"service": fixed(own), "calls": calls}, pod={"workers": 1, "hold_while_calling": hold}
    )
    for call in calls:
        engine.add_flow(
            FlowSpec(proxy=-1, workload=1, pod=caller.pods[0], call=call),
            replace(ROUTE, clusters=((callee.cluster, 1),)),
        )
    return caller


def test_groups_one_after_the_other_calls_of_a_group_at_once() -> None:
    engine = make()
    callee = add_service(engine, caller=None, handler={"service": fixed(10 * MS)})
    caller = calls_of(engine, callee, (0, False), (0, False), (1, False), (2, False), (2, False))
    rows = send(engine, caller)
    assert [int(end) for end in rows["end"][rows["source"] >= 0]] == [31 * MS]
    assert sorted(rows["start"][rows["source"] < 0].tolist()) == [MS, MS, 11 * MS, 21 * MS, 21 * MS]
    top = rows[rows["source"] >= 0][0]
    assert set(rows["parent"][rows["source"] < 0].tolist()) == {int(top["request"])}
    assert set(rows["root"].tolist()) == {int(top["request"])}


@pytest.mark.parametrize(("fail", "status", "children"), [(True, 500, 1), (False, 200, 2)])
def test_a_failed_call_may_fail_its_caller(fail: bool, status: int, children: int) -> None:
    engine = make()
    callee = add_service(engine, caller=None, handler={"error_rate": 1.0})
    caller = calls_of(engine, callee, (0, fail), (1, fail))
    rows = send(engine, caller)
    assert rows["status"][rows["source"] >= 0].tolist() == [status]
    assert int((rows["source"] < 0).sum()) == children


@pytest.mark.parametrize(("hold", "ends"), [(True, [11 * MS, 22 * MS]), (False, [11 * MS, 12 * MS])])
def test_a_worker_may_be_held_while_its_handler_calls(hold: bool, ends: list[Nanos]) -> None:
    engine = make()
    callee = add_service(engine, caller=None, handler={"service": fixed(10 * MS)})
    caller = calls_of(engine, callee, (0, False), hold=hold)
    rows = send(engine, caller, 0, 0)
    assert rows["end"][rows["source"] >= 0].tolist() == ends


def test_a_call_without_a_flow_is_not_made() -> None:
    engine = make()
    call = engine.add_call(CallSpec(group=0, probability=1.0, fail_parent=True))
    service = add_service(engine, handler={"calls": (call,)})
    assert outcomes(send(engine, service)) == [(200, Flag.NONE)]


def test_a_timed_out_attempt_keeps_its_server_busy() -> None:
    engine = make()
    service = add_service(engine, pod={"workers": 1}, handler={"service": fixed(100 * MS)}, route={"timeout": 10 * MS})
    add_requests(engine, service.flow, [0])
    engine.run_until(50 * MS)
    assert engine.pod_load(service.pods[0]).busy == 1
    engine.run_until(150 * MS)
    assert engine.pod_load(service.pods[0]).busy == 0


# -- the proxies' own time -----------------------------------------------------------------------------------------


def test_stations_queue_and_plain_delays_do_not() -> None:
    """One event loop a side, 1 ms outbound and 2 ms inbound CPU each way, two requests at once.

    The server's loop takes the second request (at 2 ms) before the answer of the first (at 3 ms).
    """
    proxy = ProxySpec(workers=1, outbound=fixed(MS), inbound=fixed(2 * MS))
    for stations, ends in ((False, [6 * MS, 6 * MS]), (True, [8 * MS, 10 * MS])):
        engine = make(stations=stations)
        service = add_service(engine, caller=replace(proxy, inbound=INSTANT), sidecar=replace(proxy, outbound=INSTANT))
        rows = send(engine, service, 0, 0)
        assert rows["end"].tolist() == ends


def test_two_event_loops_share_the_load() -> None:
    def mean(workers: int) -> float:
        engine = make()
        service = add_service(engine, caller=ProxySpec(workers=workers, outbound=fixed(MS), inbound=INSTANT))
        rows = send(engine, service, *[turn * 6 * MS for turn in range(300) for _ in range(2)])
        return float((rows["end"] - rows["start"]).mean()) / MS

    # Pairs: with one loop the answer of the second comes after both requests and the first answer; with two loops
    # half of the pairs meet in one loop.
    assert mean(1) == pytest.approx(3.5)
    assert mean(2) == pytest.approx((2.0 + 3.5) / 2, abs=0.1)


def test_latency_both_ways_and_to_the_source() -> None:
    engine = make()
    service = add_service(engine, host={"latency": 3 * MS})
    add_traffic(engine, [service.flow], 1000.0, stop=10 * MS, latency=5 * MS)
    rows = finish(engine)
    assert set((rows["request_end"] - rows["start"]).tolist()) == {16 * MS}
    assert set((rows["end"] - rows["attempt_start"]).tolist()) == {6 * MS}


# -- death and partition -------------------------------------------------------------------------------------------


def test_requests_at_a_killed_pod_are_reset_and_new_ones_refused() -> None:
    engine = make()
    service = add_service(engine, pod={"workers": 1}, host={"latency": MS}, handler={"service": fixed(SECOND)})
    engine.set_pod_state(service.pods[0], PodState.DEAD, at=500 * MS)
    rows = send(engine, service, 0, 100 * MS, 600 * MS)
    assert outcomes(rows) == [(503, Flag.UC), (503, Flag.UC), (503, Flag.UF)]
    assert rows["end"].tolist() == [501 * MS, 501 * MS, 602 * MS]
    assert engine.cluster_stats(service.cluster).connections == 0


def test_resets_of_a_killed_pod_are_retried_elsewhere() -> None:
    engine = make()
    service = add_service(
        engine,
        pods=2,
        cluster={"policy": LbPolicy.ROUND_ROBIN},
        handler={"service": fixed(SECOND)},
        route={"retries": 3, "retry_on": RetryOn.RESET, "host_reselect_attempts": 5},
    )
    engine.set_pod_state(service.pods[0], PodState.DEAD, at=500 * MS)
    rows = send(engine, service, 0, 0)
    assert {status for status, _ in outcomes(rows)} == {200}
    assert sorted(rows["attempt"].tolist()) == [1, 2]


def test_calls_of_a_killed_pod_end_with_it() -> None:
    engine = make()
    callee = add_service(engine, caller=None, handler={"service": fixed(10 * SECOND)})
    caller = calls_of(engine, callee, (0, False))
    engine.set_pod_state(caller.pods[0], PodState.DEAD, at=SECOND)
    rows = send(engine, caller)
    assert dict(zip(rows["source"].tolist(), outcomes(rows), strict=True)) == {0: (503, Flag.UC), -1: (0, Flag.DC)}
    assert engine.pod_load(callee.pods[0]).busy == 0


def test_a_draining_pod_finishes_and_takes_nothing_new() -> None:
    for sidecar, expected in ((PROXY, (503, Flag.NONE)), (None, (503, Flag.UC))):
        engine = make()
        service = add_service(engine, sidecar=sidecar, handler={"service": fixed(SECOND)})
        engine.set_pod_state(service.pods[0], PodState.DRAINING, at=500 * MS)
        rows = send(engine, service, 0, 600 * MS)
        assert outcomes(rows) == [(200, Flag.NONE), expected]


def test_a_partition_hangs_what_was_sent_until_tcp_repeats_it() -> None:
    """TCP repeats after 0.2, 0.6, 1.4, 3.0 s; the network heals after 2.5 s."""
    engine = make()
    service = add_service(engine, host={"latency": MS})
    key = service.pods[0]
    engine.set_host_reachable(service.cluster, key, False, at=SECOND)
    engine.set_host_reachable(service.cluster, key, True, at=SECOND + 2500 * MS)
    rows = send(engine, service, 0, SECOND)
    assert (rows["end"] - rows["start"]).tolist() == [2 * MS, 3002 * MS]


def test_a_partition_during_service_loses_the_answer_until_it_heals() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(SECOND)}, route={"timeout": 10 * SECOND})
    key = service.pods[0]
    engine.set_host_reachable(service.cluster, key, False, at=500 * MS)
    rows = send(engine, service, 0, until=5 * SECOND)
    assert len(rows) == 0
    rows = finish(engine)
    assert outcomes(rows) == [(504, Flag.UT)]


def test_connections_set_up_in_a_partition_time_out_or_go_on_at_the_next_syn() -> None:
    """A SYN is repeated after 1, 3, 7 s."""
    engine = make()
    service = add_service(engine, cluster={"connect_timeout": 10 * SECOND}, host={"latency": MS, "handshake_rtts": 1})
    key = service.pods[0]
    engine.set_host_reachable(service.cluster, key, False, at=0)
    engine.set_host_reachable(service.cluster, key, True, at=2 * SECOND)
    rows = send(engine, service)
    assert rows["end"].tolist() == [3 * SECOND + 4 * MS]
    engine = make()
    service = add_service(engine, cluster={"connect_timeout": 10 * SECOND})
    engine.set_host_reachable(service.cluster, service.pods[0], False, at=0)
    rows = send(engine, service)
    assert (outcomes(rows), rows["end"].tolist()) == ([(503, Flag.UF)], [10 * SECOND])


# -- chance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dist", "mean", "deviation"),
    [
        (Distribution(Shape.FIXED, MS), 1.0, 0.0),
        (Distribution(Shape.EXPONENTIAL, MS), 1.0, 1.0),
        (Distribution(Shape.LOGNORMAL, MS, 0.5), math.exp(0.125), math.exp(0.125) * math.sqrt(math.exp(0.25) - 1)),
        (Distribution(Shape.GAMMA, MS, 2.5), 1.0, math.sqrt(1 / 2.5)),
        (Distribution(Shape.GAMMA, MS, 0.4), 1.0, math.sqrt(1 / 0.4)),
        (Distribution(Shape.PARETO, MS, 5.0), 1.25, math.sqrt(5 / 3) / 4),
        (Distribution(Shape.UNIFORM, MS, 3.0 * MS), 2.0, math.sqrt(4 / 12)),
        (
            Distribution(Shape.EMPIRICAL, 0, quantiles=((0.0, MS), (0.5, 2 * MS), (1.0, 5 * MS))),
            2.5,
            math.sqrt(23 / 3 - 6.25),
        ),
    ],
)
def test_distributions_have_their_mean_and_deviation(dist: Distribution, mean: float, deviation: float) -> None:
    engine = make()
    engine.add_handler(replace(HANDLER, service=dist))
    state = engine.tables.state
    count = 20_000
    times = np.array([core.sample(state, 0, core.mix(i * 7 + 1), core.P_SERVICE) for i in range(count)]) / MS
    assert abs(times.mean() - mean) <= 4 * deviation / math.sqrt(count) + 1e-6
    assert times.std() == pytest.approx(deviation, rel=0.06, abs=1e-9)


def test_empirical_values_have_their_quantiles() -> None:
    points = ((0.0, MS), (0.5, 4 * MS), (0.9, 20 * MS), (0.99, 21 * MS), (1.0, 100 * MS))
    engine = make()
    engine.add_handler(replace(HANDLER, service=Distribution(Shape.EMPIRICAL, 0, quantiles=points)))
    state = engine.tables.state
    count = 40_000
    times = np.array([core.sample(state, 0, core.mix(i * 7 + 1), core.P_SERVICE) for i in range(count)])
    assert times.min() >= MS
    assert times.max() <= 100 * MS
    between = (0.25, 5 * MS // 2), (0.7, 12 * MS), (0.995, 121 * MS // 2)
    for share, value in (*points[1:-1], *between):
        assert abs((times <= value).mean() - share) < 4 * math.sqrt(share * (1 - share) / count)


def test_draws_look_independent_and_uniform() -> None:
    count = 20_000
    numbers = np.array([core.unit(core.draw(core.mix(i), core.P_PICK)) for i in range(count)])
    others = np.array([core.unit(core.draw(core.mix(i), core.P_PICK + 1)) for i in range(count)])
    assert numbers.min() > 0
    assert numbers.max() <= 1
    cells = np.bincount((numbers * 64).astype(int).clip(max=63), minlength=64)
    assert float(((cells - count / 64) ** 2 / (count / 64)).sum()) < 63 + 4 * math.sqrt(2 * 63)
    assert abs(np.corrcoef(numbers, others)[0, 1]) < 4 / math.sqrt(count)
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 4 / math.sqrt(count)


def test_retransmission_doubles() -> None:
    assert [core.retransmission(0, 200, now) for now in (0, 1, 200, 201, 601, 1401)] == [0, 200, 200, 600, 1400, 3000]


# -- the queue of events -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "gap"),
    [(1000 * MS, 1), (1000 * MS, 300 * MS), (60 * SECOND, 20 * SECOND), (MS, 1), (0, 1), (50 * MS, 0)],
    ids=["short", "long", "sparse", "dense", "at-once", "even"],
)
def test_events_come_in_order_whatever_the_width_of_the_buckets(span: Nanos, gap: Nanos) -> None:
    """Against the standard library's heap, over widths the core changes on the way."""
    engine = make()
    state = engine.tables.state
    engine.tables.reserve("heap", 100_000)
    control, chance = state.ctl[0], random.Random(span + gap)
    expected: list[tuple[int, int]] = []
    for number in range(30_000):
        if number < 2_000 or chance.random() < 0.5:
            key = (chance.random() < 0.9) << 62 | number << core.SEQ_SHIFT
            event = (control.now + chance.randint(0, span) // max(gap, 1) * max(gap, 1), key)
            heapq.heappush(expected, event)
            core.put(state, *event)
        else:
            base = core.find_first(state)
            event = (state.heap[2 * base], state.heap[2 * base + 1])
            core.take(state, base)
            control.now = event[0]
            assert event == heapq.heappop(expected)
    assert control.near_n + control.far_n + control.wheel_n == len(expected)


def test_events_that_find_no_room_on_the_wheel_come_in_order_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "WHEEL_ROOM", 50)
    test_events_come_in_order_whatever_the_width_of_the_buckets(1000 * MS, 1)


@pytest.mark.parametrize(("rate", "requests", "wider"), [(2.0, 2_000, True), (1_000_000.0, 20_000, False)])
def test_buckets_are_fitted_to_the_load(rate: float, requests: int, wider: bool) -> None:
    engine = make()
    before = engine.tables.get("ctl", 0, "shift")
    service = add_service(engine, pod={"workers": 0}, handler={"service": Distribution(Shape.UNIFORM, 0, 5 * MS)})
    add_traffic(engine, [service.flow], rate)
    engine.run_until(round(requests / rate * SECOND))
    after = engine.tables.get("ctl", 0, "shift")
    assert after > before if wider else after < before


def test_each_class_of_requests_meets_its_own_treatment() -> None:
    engine = make()
    denied = (InboundKind.REPLY, 403, Flag.NONE)
    service = add_service(engine, host={"by_class": (denied, (InboundKind.RESET, 200, Flag.NONE))})
    route = replace(ROUTE, clusters=((service.cluster, 1),))
    flows = [service.flow]
    for number in (1, 2, 3):
        flows.append(
            engine.add_flow(
                FlowSpec(proxy=service.proxy, workload=0, pod=-1, call=-1, edge=number),
                replace(route, request_classes=(number,)),
            )
        )
    for flow in flows:
        add_requests(engine, flow, [0])
    rows = finish(engine)
    of_flow = {int(row["flow"]): (int(row["status"]), Flag(int(row["flags"]))) for row in rows}
    assert [of_flow[flow] for flow in flows] == [
        (200, Flag.NONE),
        (403, Flag.NONE),
        (503, Flag.UC),
        (200, Flag.NONE),
    ]


def test_each_class_of_requests_reaches_its_own_handler() -> None:
    engine = make()
    slow, quick = (
        engine.add_handler(replace(HANDLER, service=Distribution(Shape.FIXED, span))) for span in (7 * MS, MS)
    )
    served = (InboundKind.SERVE, 200, Flag.NONE)
    host = {"by_class": (served, served), "handlers": (slow, quick)}
    service = add_service(engine, host=host, handler={"service": Distribution(Shape.FIXED, 2 * MS)})
    route = replace(ROUTE, clusters=((service.cluster, 1),))
    flows = [
        engine.add_flow(
            FlowSpec(proxy=service.proxy, workload=0, pod=-1, call=-1, edge=number),
            replace(route, request_classes=(number,)),
        )
        for number in (0, 1, 2)
    ]
    for flow in flows:
        add_requests(engine, flow, [0])
    spans = {int(row["flow"]): int(row["done"]) - int(row["served"]) for row in finish(engine)}
    assert [spans[flow] for flow in flows] == [2 * MS, 7 * MS, 1 * MS]


# -- retries: what covers what, budgets ---


def scripted(row: tuple[int, ...], **route: Any) -> tuple[int, int, int]:
    """Status, flags and number of attempts of a request whose attempts all meet this row of `inbound`."""
    engine = make()
    service = add_service(engine, host={"inbound": InboundKind.REPLY}, route=route)
    number = engine.met_rows((row,))
    engine.run_until(1)
    engine.tables.set("host", 0, "inbound", number)
    (last,) = send(engine, service, 1)
    return int(last["status"]), int(last["flags"]), int(last["attempt"])


def met(**fields: int) -> tuple[int, ...]:
    return row_of("inbound", **{"kind": core.IN_REPLY, "status": 200, **fields})


RESET = {"kind": core.IN_RESET, "status": 0}


@pytest.mark.parametrize(
    ("row", "token", "attempts"),
    [
        (met(**RESET, how=core.REFUSED_STREAM), RetryOn.REFUSED_STREAM, 2),
        (met(**RESET, how=core.REMOTE_RESET), RetryOn.REFUSED_STREAM, 1),
        (met(**RESET, how=core.REMOTE_RESET), RetryOn.RESET, 2),
        (met(**RESET, how=core.PROTOCOL_ERROR), RetryOn.FIVE_XX, 2),
        (met(**RESET, how=core.TERMINATED), RetryOn.RESET_BEFORE_REQUEST, 1),
        (met(status=core.GRPC + 14), RetryOn.GRPC_UNAVAILABLE, 2),
        (met(status=core.GRPC + 14), RetryOn.FIVE_XX, 1),
        (met(status=core.GRPC + 8), RetryOn.GRPC_RESOURCE_EXHAUSTED, 2),
        (met(status=core.GRPC + 4), RetryOn.GRPC_DEADLINE_EXCEEDED, 2),
        (met(status=core.GRPC + 1), RetryOn.GRPC_CANCELLED, 2),
        (met(status=503, marks=core.MARK_LIMITED), RetryOn.FIVE_XX, 1),
        (met(status=429, marks=core.MARK_LIMITED), RetryOn.ENVOY_RATELIMITED, 2),
        (met(status=200, marks=core.MARK_MATCHED), RetryOn.RETRIABLE_HEADERS, 2),
        (met(status=200, marks=core.MARK_MATCHED), RetryOn.FIVE_XX, 1),
    ],
)
def test_what_a_token_retries(row: tuple[int, ...], token: RetryOn, attempts: int) -> None:
    """The matrix of recorded retry-token experiments, one failure and one token at a time."""
    _, flags, made = scripted(row, retries=1, retry_on=token)
    assert made == attempts
    assert bool(flags & Flag.URX) == (attempts == 2)


@pytest.mark.parametrize(
    ("how", "status", "flag"),
    [
        (core.REMOTE_RESET, 503, Flag.UR),
        (core.REFUSED_STREAM, 503, Flag.UR),
        (core.PROTOCOL_ERROR, 502, Flag.UPE),
        (core.TERMINATED, 503, Flag.UC),
    ],
)
def test_resets_as_the_client_sees_them(how: int, status: int, flag: Flag) -> None:
    assert scripted(met(**RESET, how=how)) == (status, flag, 1)


@pytest.mark.parametrize(
    ("percent", "least", "at_once", "retried"),
    [(0.0, 3, 20, 3), (20.0, 0, 1, 0), (100.0, 0, 1, 1), (20.0, 1, 1, 1), (20.0, 3, 20, 3)],
)
def test_a_retry_budget_is_a_share_of_what_is_under_way(percent: float, least: int, at_once: int, retried: int) -> None:
    """Of requests that fail at the same time; the others pass on their answer with UO."""
    engine = make()
    service = add_service(
        engine,
        cluster={"retry_budget": percent, "max_retries": least},
        handler={"service": fixed(30 * MS), "error_rate": 1.0},
        route={"retries": 1, "retry_on": RetryOn.FIVE_XX, "backoff_base": MS, "backoff_max": MS},
    )
    rows = send(engine, service, *[0] * at_once)
    found = Counter(int(flags) for flags in rows["flags"])
    assert (found[Flag.URX], found[Flag.UO]) == (retried, at_once - retried)


def test_an_answer_that_asks_for_a_back_off_gets_it() -> None:
    engine = make()
    service = add_service(
        engine, host={"inbound": InboundKind.REPLY}, route={"retries": 1, "retry_on": RetryOn.FIVE_XX}
    )
    number = engine.met_rows((met(status=503, wait=SECOND),))
    engine.run_until(1)
    engine.tables.set("host", 0, "inbound", number)
    (row,) = send(engine, service, 1)
    assert SECOND <= row["end"] < SECOND + SECOND // 2


# -- timeouts of streams ---


def test_a_stream_idle_timeout_counts_through_retries() -> None:
    """Recorded: 250 ms of silence end the request with SI in its third try of 100 ms."""
    engine = make()
    route = {
        "idle_timeout": 250 * MS,
        "per_try_timeout": 100 * MS,
        "retries": 5,
        "retry_on": RetryOn.FIVE_XX,
        "backoff_base": MS,
        "backoff_max": MS,
    }
    service = add_service(engine, handler={"service": fixed(SECOND)}, route=route)
    (row,) = send(engine, service)
    assert (row["status"], row["flags"], row["attempt"], row["end"]) == (504, Flag.SI, 3, 250 * MS)


# -- what is idle for long ---


@pytest.mark.parametrize(
    ("route", "end", "status", "flags"),
    [
        ({"idle_timeout": 300 * SECOND}, 300, 504, Flag.SI),
        ({"idle_timeout": 350 * SECOND}, 350, 504, Flag.SI),
        ({"idle_timeout": 1000 * SECOND}, 900, 200, Flag.NONE),
        ({"idle_timeout": 300 * SECOND, "body": core.NEVER}, 300, 408, Flag.SI),
        ({"idle_timeout": 300 * SECOND, "body": 120 * SECOND}, 420, 504, Flag.SI),
        ({"idle_timeout": 0}, 900, 200, Flag.NONE),
    ],
)
def test_requests_without_a_timer_end_when_they_have_been_idle_for_long(
    route: dict[str, Any], end: int, status: int, flags: Flag
) -> None:
    """Envoy's default is five minutes: too many timers for requests that nearly always end within a second."""
    engine = make()
    service = add_service(engine, handler={"service": fixed(900 * SECOND)}, route=route)
    (row,) = send(engine, service, 7 * SECOND, until=2000 * SECOND)
    assert (row["status"], row["flags"], row["end"]) == (status, flags, (7 + end) * SECOND)


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("idle", [3600, 600, 60])
def test_connections_close_that_have_had_no_stream_for_long(idle: int, http2: bool) -> None:
    """Envoy's default is an hour; of HTTP/2 connections under the usual limits it is looked every 100 s."""
    engine = make()
    limits = {"idle_timeout": idle * SECOND, "http2": http2}
    service = add_service(engine, cluster=limits, host={"latency": MS})
    late = 100 if http2 and idle == 3600 else 0
    # Each of these comes as long after the one before as a connection may be idle, and a bit less or more.
    add_requests(engine, service.flow, [SECOND, idle * SECOND, (2 * idle + late + 1) * SECOND])

    def counts(until: int) -> tuple[int, ...]:
        engine.run_until(until * SECOND)
        found = engine.count_clusters().of(service.cluster)
        return tuple(found[f"upstream_cx_{name}"] for name in ("total", "active", "idle_timeout"))

    assert counts(idle + 1) == (1, 1, 0)
    assert counts(2 * idle - 1) == (1, 1, 0)
    assert counts(2 * idle + late + 1) == (1, 0, 1)
    assert counts(2 * idle + late + 2) == (2, 1, 1)
    assert counts(3 * idle + 2 * late + 2) == (2, 0, 2)
    assert check_invariants(engine.tables) == []


# -- bodies that come later than their headers ---


@pytest.mark.parametrize(
    ("route", "status", "flags", "end"),
    [
        ({"body": 200 * MS}, 200, 0, 250 * MS),
        ({"body": 300 * MS, "timeout": 100 * MS}, 200, 0, 350 * MS),
        ({"body": 300 * MS, "timeout": 40 * MS}, 504, Flag.UT, 340 * MS),
        ({"body": 300 * MS, "per_try_timeout": 60 * MS}, 200, 0, 350 * MS),
        ({"body": 300 * MS, "per_try_timeout": 40 * MS}, 504, Flag.UT, 340 * MS),
        ({"body": 300 * MS, "request_timeout": 200 * MS}, 408, 0, 200 * MS),
        ({"body": 100 * MS, "request_timeout": 120 * MS}, 200, 0, 150 * MS),
        ({"body": core.NEVER, "idle_timeout": 200 * MS}, 408, Flag.SI, 200 * MS),
        ({"body": 150 * MS, "idle_timeout": 200 * MS}, 200, 0, 200 * MS),
        ({"body": 150 * MS, "idle_timeout": 40 * MS}, 408, Flag.SI, 40 * MS),
        ({"body": 30 * MS, "idle_timeout": 40 * MS}, 504, Flag.SI, 70 * MS),
        ({"body": 100 * MS, "max_stream_duration": 90 * MS}, 408, 0, 90 * MS),
        ({"body": 100 * MS, "max_stream_duration": 110 * MS}, 504, 0, 110 * MS),
        ({"body": 100 * MS, "holds": True, "timeout": 60 * MS}, 200, 0, 150 * MS),
        ({"body": 100 * MS, "holds": True, "kind": RouteKind.LOCAL_REPLY, "status": 413}, 413, 0, 100 * MS),
        ({"body": 100 * MS, "eager": True}, 200, 0, 50 * MS),
    ],
)
def test_times_that_count_from_the_headers_and_from_the_body(
    route: dict[str, Any], status: int, flags: int, end: int
) -> None:
    """Route and per-try timeouts begin with the body; what ends an incomplete request is its client's fault (408)."""
    engine = make()
    service = add_service(engine, handler={"service": fixed(50 * MS)}, route=route)
    (row,) = send(engine, service)
    assert (row["status"], row["flags"], row["end"]) == (status, flags, end)


def test_what_is_too_large_to_be_kept_is_not_sent_again() -> None:
    """Envoy source/common/router/router.cc, decodeData: no flag says so; 507 if a retry was waited for."""
    retry = {"retries": 2, "retry_on": RetryOn.FIVE_XX, "backoff_base": 5000 * MS, "backoff_max": 5000 * MS}
    for large, tries in ((False, 3), (True, 1)):
        engine = make()
        fails = {"error_rate": 1.0, "error_status": 503}
        service = add_service(engine, handler=fails, route={**retry, "body": 10 * MS, "large": large})
        (row,) = send(engine, service)
        assert (row["status"], row["attempt"], row["flags"] == 0) == (503, tries, large)
    engine = make()
    refused = {"inbound": InboundKind.REFUSE}
    service = add_service(engine, host=refused, route={**retry, "body": 10 * MS, "large": True})
    (row,) = send(engine, service)
    assert (row["status"], row["flags"], row["end"]) == (507, 0, 10 * MS)


# -- redirects that the proxy follows ---


def redirecting(**route: Any) -> tuple[Engine, Service, Service]:
    """Two services of one proxy; every answer of the first is a 302 that leads to the second."""
    engine = make()
    target = add_service(engine, handler={"service": fixed(30 * MS)})
    answers = {"inbound": InboundKind.REPLY, "inbound_status": 302, "latency": MS}
    redirects = {"follows": (302,), "redirects": ((4, target.flow),)}
    source = add_service(engine, host=answers, route={**redirects, **route})
    engine.run_until(1)
    engine.tables.set("inbound", engine.tables.get("host", 1, "inbound"), "location", 5)
    return engine, source, target


def test_a_redirect_that_is_followed_begins_a_new_stream() -> None:
    """Measured on 1.40: the answer counts as a redirect alone, its connection closes, timeouts begin anew."""
    engine, source, target = redirecting(timeout=10 * MS, idle_timeout=20 * MS)
    engine.set_route(target.flow, RouteSpec(kind=RouteKind.FORWARD, clusters=((target.cluster, 1),), timeout=40 * MS))
    add_requests(engine, source.flow, [MS])
    engine.run_until(SECOND)
    first, last = engine.drain()
    assert (first["status"], first["last"], first["how"]) == (302, 0, core.REDIRECTED)
    assert (last["status"], last["last"], last["attempt"], last["end"]) == (200, 1, 1, 33 * MS)
    counts = engine.count_clusters()
    redirected, reached = counts.of(source.cluster), counts.of(target.cluster)
    assert (redirected["upstream_internal_redirect_succeeded_total"], redirected["upstream_rq_completed"]) == (1, 0)
    assert (reached["upstream_rq_200"], reached["upstream_rq_total"]) == (1, 1)
    assert engine.counters.finished == 1


def test_redirects_that_nobody_knows_go_to_the_client() -> None:
    engine, source, _ = redirecting(redirects=((3, 0),))
    (row,) = send(engine, source, MS)
    counts = engine.count_clusters().of(source.cluster)
    assert (row["status"], counts["upstream_internal_redirect_failed_total"], counts["upstream_rq_302"]) == (302, 1, 1)
    engine, source, _ = redirecting(follows=(301, 303, 307, 308))
    (row,) = send(engine, source, MS)
    counts = engine.count_clusters().of(source.cluster)
    assert (row["status"], counts["upstream_internal_redirect_failed_total"]) == (302, 0)


def test_an_incomplete_request_is_not_redirected() -> None:
    """Envoy source/common/router/router.cc, setupRedirect: a sidecar's own answer comes before the body has."""
    engine, source, _ = redirecting(body=50 * MS)
    (row,) = send(engine, source, MS)
    assert (row["status"], row["end"] // MS) == (302, 3)


def test_hosts_that_speak_another_version_are_a_protocol_error() -> None:
    """Recorded: an HTTP/2 cluster on an HTTP/1 host."""
    engine = make()
    service = add_service(engine, cluster={"http2": True}, host={"inbound": InboundKind.MISUNDERSTAND})
    (row,) = send(engine, service)
    assert (row["status"], row["flags"]) == (502, Flag.UPE)
    counts = engine.count_clusters().of(service.cluster)
    assert (counts["upstream_rq_tx_reset"], counts["upstream_cx_destroy"]) == (1, 1)


def test_a_stream_of_the_longest_duration_ends_without_a_flag() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(SECOND)}, route={"max_stream_duration": 300 * MS})
    (row,) = send(engine, service)
    assert (row["status"], row["flags"], row["end"]) == (504, 0, 300 * MS)


def test_a_cluster_limits_its_streams_and_that_may_be_retried() -> None:
    engine = make()
    route = {"retries": 1, "retry_on": RetryOn.RESET, "backoff_base": MS, "backoff_max": MS}
    cluster = {"max_stream_duration": 200 * MS}
    service = add_service(engine, handler={"service": fixed(SECOND)}, cluster=cluster, route=route)
    (row,) = send(engine, service)
    assert (row["status"], row["flags"], row["attempt"]) == (504, Flag.UMSDR | Flag.URX, 2)
    assert row["end"] == 400 * MS


# -- hedging ---


def hedged(seconds: Sequence[float], **route: Any) -> np.ndarray:
    """The log of one request whose attempts go one after another to hosts that need so long, in tenths of a second."""
    engine = make()
    proxy = engine.add_proxy(PROXY)
    hosts = []
    for number, span in enumerate(seconds):
        handler = engine.add_handler(replace(HANDLER, service=fixed(int(span * 100 * MS)), error_rate=float(span < 0)))
        pod = engine.add_pod(replace(POD))
        hosts.append((number, replace(HOST, pod=pod, handler=handler)))
    cluster = engine.add_cluster(replace(CLUSTER, proxy=proxy, policy=LbPolicy.ROUND_ROBIN), hosts)
    whole = {"per_try_timeout": 100 * MS, "retry_on": RetryOn.FIVE_XX, "retries": 2, "hedge": True, **route}
    own = replace(ROUTE, clusters=((cluster, 1),), **whole)
    add_requests(engine, engine.add_flow(FlowSpec(proxy=proxy, workload=0, pod=-1, call=-1), own), [0])
    engine.run_until(100 * SECOND)
    assert check_invariants(engine.tables) == []
    stats = engine.cluster_stats(cluster)
    assert (stats.active, stats.retrying, stats.rq_per_try_timeout) == (0, 0, 0)
    return engine.drain()


def test_a_hedged_attempt_may_answer_while_its_retries_are_under_way() -> None:
    """Recorded (timeout-hedge-150): the first of three attempts answers, the others are reset."""
    rows = hedged([2.5])
    assert rows["attempt"].tolist() == [2, 3, 1]
    assert rows["attempt_start"].tolist() == [100 * MS, 200 * MS, 0]
    assert (rows["status"][-1], rows["flags"][-1], rows["end"][-1]) == (200, 0, 250 * MS)


def test_hedged_attempts_that_all_hang_meet_the_route_timeout() -> None:
    """Recorded (timeout-hedge-all-hang): with the last try left alone the limit of retries shows too."""
    (*_, last) = hedged([50.0], timeout=600 * MS)
    assert (last["status"], last["flags"], last["end"]) == (504, Flag.UT | Flag.URX, 600 * MS)


def test_a_route_without_retries_waits_on() -> None:
    (row,) = hedged([1.5], retry_on=RetryOn.NONE)
    assert (row["status"], row["flags"], row["end"]) == (200, 0, 150 * MS)


def test_a_timeout_may_be_answered_otherwise() -> None:
    """x-envoy-upstream-rq-timeout-alt-response, recorded in timeout-header-override."""
    engine = make()
    route = {"timeout": 50 * MS, "timeout_status": 204}
    service = add_service(engine, handler={"service": fixed(SECOND)}, route=route)
    assert outcomes(send(engine, service)) == [(204, Flag.UT)]


# -- connections ---


def connections(engine: Engine, service: Service) -> int:
    return engine.cluster_stats(service.cluster).cx_total


def test_http2_connections_carry_so_many_streams() -> None:
    """Recorded: seven requests at once over connections of two streams open four."""
    engine = make()
    cluster = {"http2": True, "max_concurrent_streams": 2}
    service = add_service(engine, cluster=cluster, handler={"service": fixed(MS)}, host={"latency": 1000})
    send(engine, service, *[0] * 7)
    assert connections(engine, service) == 4


@pytest.mark.parametrize("http2", [False, True])
def test_connections_rest_and_live_for_a_limited_time(http2: bool) -> None:
    """Recorded: an idle timeout of 200 ms, requests at 0, 150, 300 and 600 ms: the last one opens the second."""
    for limit, opened in (("idle_timeout", 2), ("max_connection_duration", 3)):
        engine = make()
        service = add_service(engine, cluster={"http2": http2, limit: 200 * MS})
        send(engine, service, 0, 150 * MS, 300 * MS, 600 * MS)
        assert connections(engine, service) == opened


def test_a_retried_answer_costs_an_http1_connection() -> None:
    """The body is not waited for (recorded: as many connections as retries)."""
    engine = make()
    route = {"retries": 2, "retry_on": RetryOn.FIVE_XX, "backoff_base": MS, "backoff_max": MS}
    service = add_service(engine, cluster={"http2": False}, handler={"error_rate": 1.0}, route=route)
    send(engine, service)
    assert connections(engine, service) == 3


# -- outlier detection by rates ---


def rated(engine: Engine, failing: Sequence[float], **outlier: Any) -> list[bool]:
    """Which hosts are ejected after 100 requests to each, of which these shares fail."""
    spec = replace(OUTLIER, interval=SECOND, consecutive_5xx=0, consecutive_local=0, **outlier)
    proxy = engine.add_proxy(PROXY)
    hosts = []
    for share in failing:
        handler = engine.add_handler(replace(HANDLER, error_rate=share))
        pod = engine.add_pod(replace(POD))
        hosts.append((pod, replace(HOST, pod=pod, handler=handler)))
    policy = LbPolicy.ROUND_ROBIN
    cluster = engine.add_cluster(replace(CLUSTER, proxy=proxy, policy=policy, outlier=spec), hosts)
    flow = engine.add_flow(FlowSpec(proxy=proxy, workload=0, pod=-1, call=-1), replace(ROUTE, clusters=((cluster, 1),)))
    add_requests(engine, flow, [n * MS // len(failing) for n in range(100 * len(failing))])
    engine.run_until(SECOND + 1)
    return [engine.host_state(cluster, key).ejected for key, _ in hosts]


def test_hosts_far_below_the_mean_are_ejected() -> None:
    """Five hosts, one of them failing always: mean 80, deviation 40, threshold 4."""
    found = rated(make(), [1.0, 0.0, 0.0, 0.0, 0.0], enforcing_success_rate=100)
    assert found == [True, False, False, False, False]
    assert not any(rated(make(), [1.0, 0.0, 0.0, 0.0], enforcing_success_rate=100)), "four hosts are too few"
    rare = {"enforcing_success_rate": 100, "success_rate_volume": 101}
    assert not any(rated(make(), [1.0, 0.0, 0.0, 0.0, 0.0], **rare)), "too few requests"
    assert not any(rated(make(), [1.0, 0.0, 0.0, 0.0, 0.0], enforcing_success_rate=0))


def test_hosts_that_fail_too_often_are_ejected() -> None:
    often = {"enforcing_failure_percentage": 100}
    assert rated(make(), [1.0, 0.5, 0.0, 0.0, 0.0], **often) == [True, False, False, False, False]
    assert rated(make(), [1.0, 1.0, 1.0, 1.0, 1.0], **often) == [True] * 5
    assert not any(rated(make(), [1.0, 0.5, 0.0, 0.0, 0.0], **often, max_ejection_percent=10))
    one = {"max_ejection_percent": 10, "always_eject_one": True}
    assert sum(rated(make(), [1.0, 1.0, 0.0, 0.0, 0.0], **often, **one)) == 1


@pytest.mark.parametrize(("rate", "failure"), [(100, 0), (0, 100)])
def test_local_failures_that_are_split_off_have_rates_of_their_own(rate: int, failure: int) -> None:
    """Hosts that nobody can connect to, by the rates that an interval of 50 requests to each shows."""
    engine = make()
    spec = replace(
        OUTLIER,
        interval=SECOND,
        consecutive_5xx=0,
        consecutive_gateway=0,
        consecutive_local=0,
        split_local_errors=True,
        success_rate_volume=50,
        enforcing_local_success_rate=rate,
        enforcing_local_failure_percentage=failure,
        failure_percentage_volume=50,
        failure_percentage=90,
    )
    service = add_service(engine, pods=6, cluster={"policy": LbPolicy.ROUND_ROBIN, "outlier": spec})
    engine.set_pod_state(service.pods[2], PodState.DEAD)
    send(engine, service, *[n * 3 * MS for n in range(300)], until=SECOND + 1)
    found = [engine.host_state(service.cluster, key).ejected for key, _ in service.hosts]
    assert found == [number == 2 for number in range(6)]


def test_the_hosts_a_cluster_begins_with_open_no_merge_window() -> None:
    """Recorded under the default window: the first ejection counts at once, however young the cluster is."""
    engine = make()
    outlier = replace(OUTLIER, consecutive_5xx=3)
    cluster = {"outlier": outlier, "panic_threshold": 0}
    service = add_service(engine, cluster=cluster, handler={"error_rate": 1.0})
    rows = send(engine, service, *(n * MS for n in range(6)))
    assert [int(flags) for flags in rows["flags"]] == [0, 0, 0, Flag.UH, Flag.UH, Flag.UH]


# -- local rate limit ---


def test_tokens_fill_continuously() -> None:
    """Recorded: three tokens, one each 50 ms; what finds none is answered by the proxy."""
    engine = make()
    limit = RateLimitSpec(max_tokens=3, tokens_per_fill=2, fill_interval=100 * MS, status=429)
    service = add_service(engine, route={"limit": limit})
    times = (0, 1, 2, 3, 49, 50, 51, 1000, 1001, 1002, 1003)
    rows = send(engine, service, *(time * MS for time in times))
    refused = [int(status) == 429 and int(flags) == Flag.RL for status, flags in outcomes(rows)]
    assert refused == [False] * 3 + [True, True, False, True] + [False] * 3 + [True]


def test_flows_of_a_proxy_share_tokens_and_proxies_do_not() -> None:
    engine = make()
    limit = RateLimitSpec(max_tokens=1, tokens_per_fill=1, fill_interval=100 * SECOND)
    first, second = (add_service(engine, route={"limit": limit}) for _ in range(2))
    route = replace(ROUTE, clusters=((first.cluster, 1),), limit=limit, timeout=SECOND)
    other = engine.add_flow(FlowSpec(proxy=first.proxy, workload=0, pod=-1, call=-1), route)
    for flow, time in ((first.flow, 0), (other, MS), (second.flow, 2 * MS)):
        add_requests(engine, flow, [time])
    assert [status for status, _ in outcomes(finish(engine))] == [200, 429, 200]


def test_buckets_are_asked_one_after_the_other() -> None:
    """Measured (rl-desc-default): what the first refuses takes no token of the next, which others share."""
    engine = make()
    common = RateLimitSpec(max_tokens=3, tokens_per_fill=1, fill_interval=100 * SECOND, bucket="all")
    own = replace(common, max_tokens=2, bucket="one", then=common)
    service = add_service(engine, route={"limit": own})
    route = replace(ROUTE, clusters=((service.cluster, 1),), limit=common)
    other = engine.add_flow(FlowSpec(proxy=service.proxy, workload=0, pod=-1, call=-1), route)
    for time, flow in enumerate((service.flow, service.flow, service.flow, other, other)):
        add_requests(engine, flow, [time * MS])
    assert [status for status, _ in outcomes(finish(engine))] == [200, 200, 429, 200, 429]


@pytest.mark.parametrize(("late", "expected"), [(False, [418, 429, 429]), (True, [418, 418, 418])])
def test_faults_stand_before_or_behind_a_limit(late: bool, expected: list[int]) -> None:
    engine = make()
    limit = RateLimitSpec(max_tokens=1, tokens_per_fill=1, fill_interval=100 * SECOND, after_fault=late)
    service = add_service(engine, route={"limit": limit, "abort_ppm": 1_000_000, "abort_status": 418})
    assert [status for status, _ in outcomes(send(engine, service, 0, MS, 2 * MS))] == expected


def test_buckets_in_several_places_are_several() -> None:
    engine = make()
    limit = RateLimitSpec(max_tokens=1, tokens_per_fill=1, fill_interval=100 * SECOND, bucket="one")
    service = add_service(engine, route={"limit": limit})
    route = replace(ROUTE, clusters=((service.cluster, 1),), limit=replace(limit, bucket="other"))
    other = engine.add_flow(FlowSpec(proxy=service.proxy, workload=0, pod=-1, call=-1), route)
    for time in range(2):
        add_requests(engine, service.flow, [time * MS])
        add_requests(engine, other, [time * MS + 1])
    assert [status for status, _ in outcomes(finish(engine))] == [200, 200, 429, 429]


@pytest.mark.parametrize(("parts", "flag"), [(300_000, Flag.DO), (1_000_000, Flag.UDO)])
def test_an_assignment_may_have_requests_dropped(parts: int, flag: Flag) -> None:
    """Recorded (eds-drop-30, eds-drop-100): 503 without an attempt; until the assignment says otherwise, which counts
    with the next change of the hosts (measured on 1.40)."""
    engine = make()
    service = add_service(engine)
    engine.set_policy(service.cluster, parts)
    engine.set_cluster(service.cluster, replace(CLUSTER, proxy=service.proxy, max_requests=50))
    engine.set_policy(service.cluster, 0, at=SECOND // 2)
    engine.set_hosts(service.cluster, service.hosts, SECOND // 2)
    spec = replace(service.hosts[0][1], weight=2)
    engine.set_hosts(service.cluster, [(service.hosts[0][0], spec)], SECOND)
    rows = send(engine, service, *range(0, 2000 * MS, 2 * MS))
    early = Counter(outcomes(rows[rows["start"] < SECOND]))
    assert set(early) <= {(503, flag), (200, Flag.NONE)}
    assert abs(early[503, flag] - 500 * parts / 1e6) <= 4 * math.sqrt(500 * parts / 1e6 * (1 - parts / 1e6))
    assert set(outcomes(rows[rows["start"] >= SECOND])) == {(200, Flag.NONE)}


def test_each_request_draws_its_way() -> None:
    engine = make()
    service = add_service(engine)
    ways = tuple(
        (weight, replace(ROUTE, kind=RouteKind.LOCAL_REPLY, status=status))
        for weight, status in ((1, 201), (2, 202), (0, 203), (5, 205))
    )
    engine.set_route(service.flow, replace(ROUTE, kind=RouteKind.DRAWN, ways=ways))
    found = Counter(status for status, _ in outcomes(send(engine, service, *range(0, 800 * MS, MS))))
    for status, share in ((201, 1), (202, 2), (205, 5)):
        expected = 800 * share / 8
        assert abs(found[status] - expected) < 4 * math.sqrt(expected * (1 - share / 8))
    assert found.total() == found[201] + found[202] + found[205]


@pytest.mark.parametrize(("grpc", "status"), [(14, 500), (0, 200)])
def test_a_grpc_status_fails_a_call_in_its_http_200(grpc: int, status: int) -> None:
    engine = make()
    callee = add_service(engine)
    call = engine.add_call(CallSpec(group=0, probability=1.0, fail_parent=True))
    caller = add_service(engine, handler={"calls": (call,)})
    route = replace(ROUTE, clusters=((callee.cluster, 1),), abort_ppm=1_000_000, abort_status=GRPC + grpc)
    engine.add_flow(FlowSpec(proxy=caller.proxy, workload=0, pod=caller.pods[0], call=call), route)
    rows = send(engine, caller)
    of_flow = {int(row["flow"]): (int(row["status"]), Flag(int(row["flags"]))) for row in rows}
    assert sorted(of_flow.values()) == sorted([(200, Flag.FI), (status, Flag.NONE)])


@pytest.mark.parametrize(("enabled", "enforced"), [(500_000, 1_000_000), (1_000_000, 500_000)])
def test_a_limit_may_be_for_some_requests(enabled: int, enforced: int) -> None:
    engine = make()
    limit = RateLimitSpec(
        max_tokens=1, tokens_per_fill=1, fill_interval=100 * SECOND, enabled_ppm=enabled, enforced_ppm=enforced
    )
    service = add_service(engine, route={"limit": limit})
    refused = sum(status == 429 for status, _ in outcomes(send(engine, service, *(n * MS for n in range(400)))))
    assert 160 < refused < 240


# -- traffic ---------------------------------------------------------------------------------------------------------


def starts(**changes: Any) -> list[int]:
    """When the requests of a source begin, in milliseconds; its service answers after `time`."""
    engine = make()
    service = add_service(engine, handler={"service": Distribution(Shape.FIXED, changes.pop("time", 0))})
    add_traffic(engine, [service.flow], changes.pop("rate", 0.0), **changes)
    engine.run_until(changes.get("stop", 10 * SECOND) + 10 * SECOND)
    return sorted(int(start) for start in engine.drain()["start"])


def periodic(**changes: Any) -> dict[str, Any]:
    return {"arrivals": Arrivals.PERIODIC, "stop": SECOND, "periodic": PeriodicSpec(length=SECOND, **changes)}


def test_connections_begin_together_and_send_their_last_at_the_end() -> None:
    """fortio -qps 8 -c 2 -t 1s: four calls each, their targets stretched over the second."""
    times = starts(rate=8.0, users=2, **periodic())
    assert times == pytest.approx(sorted(2 * [0, SECOND / 3, SECOND * 2 / 3, SECOND]), abs=1)


def test_a_connection_waits_for_its_answer_and_catches_up() -> None:
    """Its second answer is slow; it sends at once until it is in time again."""
    engine = make()
    service = add_service(engine, handler={"service": Distribution(Shape.FIXED, 10 * MS)})
    engine.set_host_reachable(service.cluster, service.pods[0], False, at=85 * MS)
    engine.set_host_reachable(service.cluster, service.pods[0], True, at=300 * MS)
    add_traffic(engine, [service.flow], 20.0, users=1, **periodic())
    engine.run_until(3 * SECOND)
    rows = engine.drain()
    interval = SECOND / 19
    sent = rows["start"].tolist()
    assert sent[:2] == [0, int(interval)]
    assert len(sent) == 20
    for number, (begin, answered) in enumerate(zip(sent[1:], rows["end"].tolist(), strict=False), 1):
        assert begin == pytest.approx(max(number * interval, answered), abs=1)
    assert any(begin > number * interval + MS for number, begin in enumerate(sent))


def test_overdue_requests_may_be_left_out() -> None:
    late = starts(rate=20.0, users=1, time=130 * MS, **periodic(catch_up=False))
    interval = SECOND / 19
    assert [round(start / interval) for start in late] == [0, 3, 6, 9, 12, 15, 18]
    behind = starts(rate=20.0, users=1, time=130 * MS, **periodic())
    assert behind == [number * 130 * MS for number in range(8)], "no more than fit into the second"


def test_connections_may_be_staggered_and_jittered() -> None:
    times = starts(rate=8.0, users=2, **periodic(uniform=True))
    assert times[:4] == [0, 125 * MS - 1, 333_333_333, 333_333_333 + 125 * MS - 1]
    times = starts(rate=100.0, users=1, **periodic(jitter=True))
    interval = SECOND / 99
    offsets = [start - number * interval for number, start in enumerate(times)]
    assert len(times) == 100
    assert len({round(offset) for offset in offsets}) > 50
    assert max(map(abs, offsets)) <= interval / 9


def test_connections_and_users_keep_to_their_pod() -> None:
    closed = {"arrivals": Arrivals.CLOSED, "think": Distribution(Shape.FIXED, 50 * MS), "stop": SECOND}
    for changes in (periodic(), closed):
        engine = make()
        services = [add_service(engine) for _ in range(3)]
        add_traffic(engine, [one.flow for one in services], 120.0, users=6, **changes)
        engine.run_until(3 * SECOND)
        rows = engine.drain()
        counts = [int((rows["flow"] == one.flow).sum()) for one in services]
        assert len(rows) >= 114
        assert counts == [len(rows) // 3] * 3


def test_jittered_requests_are_up_to_a_tenth_of_their_wait_off() -> None:
    times = starts(rate=100.0, arrivals=Arrivals.JITTERED, stop=SECOND)
    assert times[0] == 0
    assert len(times) == pytest.approx(100, abs=1)
    offsets = [start - 10 * MS * number for number, start in enumerate(times)]
    assert max(map(abs, offsets)) <= 10 * MS / 9
    for (before, offset), number in zip(pairwise(offsets), range(1, 200), strict=False):
        assert abs(offset) <= (10 * MS - before) / 10 + 1, number


def test_constant_arrivals_follow_the_integral_of_their_rate() -> None:
    levels = (LevelPiece(0, 0.0, 20.0), LevelPiece(SECOND, 20.0, 20.0), LevelPiece(2 * SECOND, 0.0, 0.0))
    levels = (*levels, LevelPiece(3 * SECOND, 10.0, 0.0))
    times = starts(arrivals=Arrivals.CONSTANT, stop=4 * SECOND, levels=levels)
    expected = [math.sqrt(number / 10) for number in range(10)]
    expected += [1 + number / 20 for number in range(20)]
    expected += [3 + 1 - math.sqrt(1 - number / 5) for number in range(5)]
    assert [start / SECOND for start in times] == pytest.approx(expected, abs=2e-9)


def test_replayed_requests_come_at_their_instants() -> None:
    instants = (0, 5 * MS, 5 * MS, 70 * MS, 2 * SECOND)
    times = starts(arrivals=Arrivals.REPLAYED, instants=instants, start=SECOND, stop=2 * SECOND)
    assert times == [SECOND, SECOND + 5 * MS, SECOND + 5 * MS, SECOND + 70 * MS]


def test_users_come_and_go_with_their_ramp() -> None:
    engine = make()
    service = add_service(engine, handler={"service": Distribution(Shape.FIXED, 10 * MS)})
    levels = (LevelPiece(0, 0.0, 10.0), LevelPiece(10 * SECOND, 10.0, 10.0), LevelPiece(20 * SECOND, 10.0, 0.0))
    levels = (*levels, LevelPiece(30 * SECOND, 0.0, 0.0), LevelPiece(40 * SECOND, 2.0, 2.0))
    add_traffic(
        engine,
        [service.flow],
        0.0,
        arrivals=Arrivals.CLOSED,
        users=10,
        think=Distribution(Shape.FIXED, 90 * MS),
        levels=levels,
        stop=45 * SECOND,
    )
    engine.run_until(60 * SECOND)
    starting = engine.drain()["start"] / SECOND
    for second, present in ((1.5, 1), (5.5, 5), (9.5, 9), (15, 10), (24.5, 5), (28.5, 1), (35, 0), (44, 2)):
        sent = int(((starting >= second - 0.2) & (starting < second + 0.2)).sum())
        assert sent == pytest.approx(4 * present, abs=1), second
    assert starting.min() == pytest.approx(1.0, abs=1e-6)


def test_what_is_silenced_ends() -> None:
    for changes in (
        {"arrivals": Arrivals.CLOSED, "users": 2, "think": Distribution(Shape.FIXED, 10 * MS)},
        {**periodic(), "users": 2, "rate": 50.0},
        {"arrivals": Arrivals.JITTERED, "rate": 50.0},
        {"arrivals": Arrivals.REPLAYED, "instants": tuple(range(0, SECOND, 10 * MS))},
    ):
        engine = make()
        service = add_service(engine)
        rate = float(changes.pop("rate", 0.0))
        source = add_traffic(engine, [service.flow], rate, **{**changes, "stop": SECOND})
        engine.set_rate(source, 0.0, at=500 * MS)
        engine.run_until(5 * SECOND)
        begun = engine.drain()["start"]
        assert 400 * MS < begun.max() < 500 * MS


# -- what applications do --------------------------------------------------------------------------------------------


def caller(
    engine: Engine, calls: Sequence[dict[str, Any]], callee: Service, steps: tuple[StepSpec, ...] = (), **pod: Any
) -> Service:
    """A service whose handler makes these calls to another one."""
    numbers = [engine.add_call(CallSpec(**{"group": 0, "probability": 1.0, "fail_parent": True, **c})) for c in calls]
    service = add_service(engine, handler={"calls": tuple(numbers), "steps": steps}, pod=pod)
    for number in numbers:
        spec = FlowSpec(proxy=-1, workload=0, pod=service.pods[0], call=number)
        engine.add_flow(spec, replace(ROUTE, clusters=((callee.cluster, 1),)))
    return service


def test_a_full_queue_answers_at_once() -> None:
    engine = make()
    service = add_service(
        engine, handler={"service": fixed(10 * MS)}, pod={"workers": 1, "queue": 2, "full_status": 429}
    )
    add_requests(engine, service.flow, [0, 1, 2, 3, 4])
    engine.run_until(SECOND)
    rows = np.sort(engine.drain(), order="start")
    assert rows["status"].tolist() == [200, 200, 200, 429, 429]
    assert rows["end"].tolist() == [10 * MS, 20 * MS, 30 * MS, 3, 4]


def test_without_a_queue_only_workers_count() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(10 * MS)}, pod={"workers": 2, "queue": 0})
    add_requests(engine, service.flow, [0, 1, 2])
    engine.run_until(SECOND)
    assert np.sort(engine.drain(), order="start")["status"].tolist() == [200, 200, 503]


@pytest.mark.parametrize(("busy", "factor"), [(1, 1.0), (2, 1.0), (3, 1.5), (4, 2.0), (8, 6.0), (9, 7.0), (10, 8.0)])
def test_service_takes_longer_under_load(busy: int, factor: float) -> None:
    """Straight between the points (2, 1), (4, 2) and (8, 6), after the last as between the last two."""
    engine = make()
    curve = ((2, 1.0), (4, 2.0), (8, 6.0))
    service = add_service(engine, handler={"service": fixed(10 * MS)}, pod={"curve": curve})
    add_requests(engine, service.flow, range(busy))
    engine.run_until(10 * SECOND)
    last = np.sort(engine.drain(), order="start")[-1]
    assert last["end"] - last["start"] == round(10 * MS * factor)


def test_no_service_takes_longer_than_a_clock_can_tell() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(10**17)}, pod={"curve": ((1, 500.0),)})
    add_requests(engine, service.flow, [0])
    engine.run_until(10**18)
    assert engine.counters.in_flight == 1


def _cpu(quota: Nanos, share: float, spans: Sequence[Nanos], arrivals: Sequence[Nanos]) -> tuple[list[Nanos], Engine]:
    """When requests of these service times that arrive so long after the begin of a period are done."""
    engine = make()
    services = [add_service(engine, pod={"cpu": CpuSpec(share=share, quota=quota)})]
    engine.run_until(1)
    begin = SECOND + engine.tables.get("bound", 0, "phase")
    flows = []
    for span in spans:
        handler = engine.add_handler(replace(HANDLER, service=fixed(span)))
        host = replace(HOST, pod=services[0].pods[0], handler=handler)
        cluster = engine.add_cluster(replace(CLUSTER, proxy=-1), [(0, host)])
        flow = engine.add_flow(
            FlowSpec(proxy=-1, workload=0, pod=-1, call=-1), replace(ROUTE, clusters=((cluster, 1),))
        )
        flows.append(flow)
    for flow, at in zip(flows, arrivals, strict=True):
        add_requests(engine, flow, [begin + at])
    engine.run_until(100 * SECOND)
    rows = np.sort(engine.drain(), order="flow")
    return [int(end) - begin for end in rows["end"]], engine


def test_cpu_that_is_used_up_stands_still_until_the_next_period() -> None:
    done, engine = _cpu(20 * MS, 1.0, [50 * MS], [0])
    assert done == [210 * MS]
    used = engine.pod_cpu(0)
    assert used == (50 * MS, 160 * MS, 2)
    done, _ = _cpu(20 * MS, 1.0, [10 * MS] * 4, [0] * 4)
    assert done == [105 * MS] * 4, "four threads use it four times as fast"
    done, _ = _cpu(0, 1.0, [50 * MS] * 4, [0] * 4)
    assert done == [50 * MS] * 4
    done, _ = _cpu(20 * MS, 1.0, [30 * MS], [90 * MS])
    assert done == [120 * MS], "what is left of a period is lost with it, the next one has its own"


def test_only_cpu_time_stands_still() -> None:
    done, engine = _cpu(20 * MS, 0.25, [200 * MS], [0])
    assert done == [310 * MS], "150 ms of waiting, then 20 ms to 170, 20 from 200 and 10 from 300"
    assert engine.pod_cpu(0) == (50 * MS, 110 * MS, 2)


def _fluid(quota: float, work: Sequence[float], arrivals: Sequence[float]) -> list[float]:
    """The same by small steps: every runnable request gets a processor of its own while there is quota."""
    left, step, time = list(work), 0.01, 0.0
    done = [math.inf] * len(work)
    budget = quota
    while any(math.isinf(end) for end in done):
        if abs(time % 100.0) < step / 2 or abs(time % 100.0 - 100.0) < step / 2:
            budget = quota
        running = [i for i, at in enumerate(arrivals) if at <= time + 1e-9 and math.isinf(done[i])]
        if budget >= step * len(running):
            budget -= step * len(running)
            for i in running:
                left[i] -= step
                if left[i] <= 1e-9:
                    done[i] = time + step
        time = round(time + step, 2)
    return done


@pytest.mark.parametrize("seed", range(4))
def test_cpu_is_shared_as_a_fluid(seed: int) -> None:
    chance = random.Random(seed)
    work = [chance.randint(2, 60) for _ in range(8)]
    arrivals = [chance.randint(0, 250) for _ in range(8)]
    quota = chance.choice((10, 35, 80))
    done, _ = _cpu(quota * MS, 1.0, [span * MS for span in work], [at * MS for at in arrivals])
    assert [end / MS for end in done] == pytest.approx(_fluid(quota, work, arrivals), abs=1.0)


def test_a_pod_that_died_runs_nothing() -> None:
    engine = make()
    service = add_service(engine, handler={"service": fixed(SECOND)}, pod={"cpu": CpuSpec(share=1.0, quota=10 * MS)})
    add_requests(engine, service.flow, [0, 1])
    engine.set_pod_state(service.pods[0], PodState.DEAD, at=300 * MS)
    engine.set_pod_state(service.pods[0], PodState.READY, at=400 * MS)
    engine.run_until(SECOND)
    before = engine.pod_cpu(service.pods[0])
    engine.run_until(2 * SECOND)
    assert engine.pod_cpu(service.pods[0]) == before
    assert check_invariants(engine.tables) == []


def test_handlers_fail_in_several_ways() -> None:
    engine = make()
    service = add_service(engine, handler={"error_rate": 0.1, "error_status": 503, "errors": ((0.2, 404), (0.3, 500))})
    add_requests(engine, service.flow, range(3_000))
    engine.run_until(SECOND)
    found = Counter(engine.drain()["status"].tolist())
    for status, share in ((404, 0.2), (500, 0.3), (503, 0.1), (200, 0.4)):
        assert abs(found[status] / 3_000 - share) < 4 * math.sqrt(share * (1 - share) / 3_000)


def test_a_call_has_errors_of_its_own() -> None:
    engine = make()
    callee = add_service(engine)
    service = caller(engine, [{"error_rate": 0.5, "error_status": 409}, {}], callee)
    add_requests(engine, service.flow, range(2_000))
    engine.run_until(SECOND)
    rows = engine.drain()
    first, second = (rows[rows["call"] == call]["status"] for call in (0, 1))
    assert set(second.tolist()) == {200}
    assert abs((first == 409).mean() - 0.5) < 4 * 0.5 / math.sqrt(2_000)


def test_code_makes_failed_calls_again() -> None:
    engine = make()
    callee = add_service(engine, handler={"error_rate": 0.5, "error_status": 503})
    service = caller(engine, [{"retries": 2, "backoff": fixed(7 * MS)}], callee)
    add_requests(engine, service.flow, range(2_000))
    engine.run_until(SECOND)
    rows = engine.drain()
    roots = rows[rows["call"] < 0]
    assert abs((roots["status"] == 500).mean() - 0.125) < 4 * math.sqrt(0.125 * 0.875 / 2_000)
    made = Counter(Counter(rows[rows["call"] >= 0]["parent"].tolist()).values())
    assert set(made) == {1, 2, 3}
    assert abs(made[1] / 2_000 - 0.5) < 4 * 0.5 / math.sqrt(2_000)
    assert {int(span) for span in roots["end"] - roots["start"]} == {0, 7 * MS, 14 * MS}
    assert check_invariants(engine.tables) == []


def test_a_call_that_waits_to_be_made_again_dies_with_its_pod() -> None:
    engine = make()
    callee = add_service(engine, handler={"error_rate": 1.0})
    service = caller(engine, [{"retries": 3, "backoff": fixed(50 * MS)}], callee)
    add_requests(engine, service.flow, [0])
    engine.set_pod_state(service.pods[0], PodState.DEAD, at=70 * MS)
    engine.run_until(SECOND)
    rows = engine.drain()
    calls = np.sort(rows[rows["call"] >= 0], order="start")
    assert calls["start"].tolist() == [0, 50 * MS, 50 * MS]
    assert calls["end"].tolist() == [0, 50 * MS, 70 * MS]
    assert (engine.counters.in_flight, check_invariants(engine.tables)) == (0, [])


def test_code_waits_only_so_long() -> None:
    engine = make()
    callee = add_service(engine, handler={"service": fixed(50 * MS)})
    service = caller(engine, [{"timeout": 20 * MS, "retries": 1, "backoff": fixed(5 * MS)}], callee)
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    rows = engine.drain()
    calls = np.sort(rows[rows["call"] >= 0], order="start")
    assert calls["start"].tolist() == [0, 25 * MS]
    assert calls["end"].tolist() == [20 * MS, 45 * MS]
    assert {(row["status"], row["flags"]) for row in calls} == {(0, Flag.DC)}
    (root,) = rows[rows["call"] < 0]
    assert (root["status"], root["end"]) == (500, 45 * MS)
    assert check_invariants(engine.tables) == []


def test_branches_run_beside_calls() -> None:
    """[A, then A] beside B beside [A three times, then B]; A takes 10 ms, B 25 ms; afterwards A once more."""
    engine = make()
    slow = add_service(engine, handler={"service": fixed(10 * MS)})
    service = caller(engine, [{}], slow)
    a = 0
    two = engine.add_handler(replace(HANDLER, steps=(StepSpec(0, a), StepSpec(1, a))))
    inner = engine.add_handler(replace(HANDLER, steps=(StepSpec(0, a), StepSpec(0, a))))
    three = engine.add_handler(replace(HANDLER, steps=(StepSpec(0, a), StepSpec(1, branch=inner), StepSpec(2, a))))
    steps = (StepSpec(0, branch=two), StepSpec(0, a), StepSpec(0, branch=three), StepSpec(1, a))
    again = add_service(engine, handler={"steps": steps})
    spec = FlowSpec(proxy=-1, workload=0, pod=again.pods[0], call=a)
    engine.add_flow(spec, replace(ROUTE, clusters=((slow.cluster, 1),)))
    add_requests(engine, again.flow, [0])
    engine.run_until(25 * MS)
    assert check_invariants(engine.tables) == []
    engine.run_until(SECOND)
    rows = engine.drain()
    starts = sorted(rows[rows["call"] >= 0]["start"].tolist())
    assert starts == [0, 0, 0, 10 * MS, 10 * MS, 10 * MS, 20 * MS, 30 * MS]
    (root,) = rows[rows["call"] < 0]
    assert (root["status"], root["end"]) == (200, 40 * MS)
    assert {row["parent"] for row in rows if row["call"] >= 0} == {root["request"]}
    del service


def test_a_failing_branch_stops_and_fails_its_parent() -> None:
    engine = make()
    bad = add_service(engine, handler={"error_rate": 1.0, "error_status": 500, "service": fixed(5 * MS)})
    numbers = [engine.add_call(CallSpec(group=0, probability=1.0, fail_parent=True)) for _ in range(2)]
    branch = engine.add_handler(replace(HANDLER, steps=(StepSpec(0, numbers[0]), StepSpec(1, numbers[1]))))
    service = add_service(engine, handler={"steps": (StepSpec(0, branch=branch), StepSpec(1, numbers[1]))})
    for number in numbers:
        spec = FlowSpec(proxy=-1, workload=0, pod=service.pods[0], call=number)
        engine.add_flow(spec, replace(ROUTE, clusters=((bad.cluster, 1),)))
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    rows = engine.drain()
    assert rows["call"].tolist() == [numbers[0], -1]
    assert rows[-1]["status"] == 500


def test_messages_take_their_size_over_a_link() -> None:
    """8,000 ps a byte is 1 Gbit/s: 125 kB take a millisecond."""
    engine = make()
    service = add_service(
        engine,
        host={"wire": 8_000, "latency": MS},
        flow={"size": 250_000},
        handler={"size": 1_250_000, "service": fixed(3 * MS)},
    )
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    (row,) = engine.drain()
    assert (row["arrived"], row["end"]) == (3 * MS, 3 * MS + 3 * MS + 11 * MS)


def test_sessions_keep_to_the_host_of_their_key() -> None:
    for changes in ({"rate": 400.0, "sessions": 6}, {"users": 6, "arrivals": Arrivals.CLOSED}):
        engine = make()
        service = add_service(
            engine,
            pods=4,
            cluster={"policy": LbPolicy.MAGLEV},
            route={"session": True, "session_keys": tuple(4 * core.mix(key) for key in range(6))},
        )
        think = Distribution(Shape.EXPONENTIAL, 20 * MS)
        rate = float(changes.pop("rate", 0.0))
        add_traffic(engine, [service.flow], rate, **{"think": think, "stop": 2 * SECOND, **changes})
        engine.run_until(3 * SECOND)
        rows = engine.drain()
        drawn = np.array([core.below(core.draw(int(root), core.P_SESSION), 6) for root in rows["root"]])
        if "sessions" in changes:
            hosts = {(int(session), int(host)) for session, host in zip(drawn, rows["host"], strict=True)}
            assert len(hosts) == 6
        assert 1 < len(set(rows["host"].tolist())) <= 4


def test_sessions_without_keys_have_drawn_ones() -> None:
    engine = make()
    service = add_service(engine, pods=8, cluster={"policy": LbPolicy.MAGLEV}, route={"session": True})
    add_traffic(engine, [service.flow], 400.0, sessions=2, stop=2 * SECOND)
    engine.run_until(3 * SECOND)
    assert len(set(engine.drain()["host"].tolist())) <= 2


# -- active health checks ---

CHECKS = HealthCheckSpec(
    timeout=50 * MS,
    interval=100 * MS,
    healthy_edge_interval=100 * MS,
    unhealthy_interval=100 * MS,
    unhealthy_edge_interval=100 * MS,
    no_traffic_interval=200 * MS,
    no_traffic_healthy_interval=200 * MS,
    healthy_threshold=2,
    unhealthy_threshold=2,
)


def seen_usable(engine: Engine, service: Service, *times: Nanos) -> list[bool]:
    """Whether the first host of a service takes requests, at each of these times."""
    found = []
    for time in times:
        engine.run_until(time)
        found.append(engine.host_state(service.cluster, service.hosts[0][0]).usable)
    return found


def checked(**more: Any) -> tuple[Engine, Service]:
    engine = make()
    service = add_service(engine, pods=2, cluster={"health_check": replace(CHECKS, **more), "merge_window": 0})
    return engine, service


def test_a_dead_host_fails_its_checks_and_passes_them_again() -> None:
    """Network failures count up to the threshold; without traffic checks are 200 ms apart, with it 100 ms."""
    engine, service = checked()
    engine.set_pod_state(service.pods[0], PodState.DEAD, 150 * MS)
    engine.set_pod_state(service.pods[0], PodState.READY, 550 * MS)
    assert seen_usable(engine, service, 50 * MS, 390 * MS, 410 * MS) == [True, True, False]
    assert seen_usable(engine, service, 790 * MS, 810 * MS) == [False, True]
    stats = engine.health_stats(service.cluster)
    assert stats is not None
    assert (stats.attempts, stats.failures, stats.network) == (10, 2, 2)
    add_requests(engine, service.flow, [820 * MS])
    engine.run_until(1510 * MS)
    after = engine.health_stats(service.cluster)
    assert after is not None
    assert after.attempts == 10 + 2 * 6


def test_an_answer_that_says_no_is_enough() -> None:
    engine = make()
    cluster = {"health_check": replace(CHECKS, healthy_threshold=1), "merge_window": 0, "panic_threshold": 0}
    service = add_service(engine, sidecar=PROXY, cluster=cluster)
    engine.set_pod_state(service.pods[0], PodState.DRAINING, 150 * MS)
    assert seen_usable(engine, service, 190 * MS, 210 * MS) == [True, False]
    assert outcomes(send(engine, service, 250 * MS, until=300 * MS)) == [(503, Flag.UH)]


def test_a_retriable_answer_counts_up_to_the_threshold() -> None:
    engine = make()
    cluster = {"health_check": replace(CHECKS, retriable=((500, 600),)), "merge_window": 0}
    service = add_service(engine, sidecar=PROXY, cluster=cluster)
    engine.set_pod_state(service.pods[0], PodState.DRAINING, 150 * MS)
    assert seen_usable(engine, service, 390 * MS, 410 * MS) == [True, False]


def test_an_unreachable_host_times_out() -> None:
    engine, service = checked()
    engine.set_host_reachable(service.cluster, service.hosts[0][0], False, 150 * MS)
    assert seen_usable(engine, service, 490 * MS, 510 * MS) == [True, False]


def test_a_host_that_comes_later_needs_a_check_first() -> None:
    """It counts as failed until then; one check is enough, whatever the threshold."""
    engine, service = checked()
    late = add_service(engine)
    key, host = late.hosts[0]
    latency = 3 * MS
    hosts = [*service.hosts, (key, replace(host, latency=latency))]
    engine.set_hosts(service.cluster, hosts, 300 * MS)
    engine.run_until(300 * MS + 2 * latency)
    assert not engine.host_state(service.cluster, key).usable
    engine.run_until(300 * MS + 2 * latency + 1)
    assert engine.host_state(service.cluster, key).usable


@pytest.mark.parametrize("keeps", [False, True])
def test_a_healthy_host_may_outlive_its_assignment(keeps: bool) -> None:
    engine, service = checked(keeps_removed=keeps, no_traffic_interval=100 * MS, no_traffic_healthy_interval=100 * MS)
    times = [n * 10 * MS for n in range(20, 60)]
    engine.set_hosts(service.cluster, service.hosts[:1], 195 * MS)
    engine.set_pod_state(service.pods[1], PodState.DEAD, 395 * MS)
    rows = send(engine, service, *times, until=700 * MS)
    served = rows[rows["pod"] == service.pods[1]]["start"]
    assert (len(served) > 0) == keeps
    assert not keeps or 300 * MS < served.max() <= 500 * MS
    assert check_invariants(engine.tables) == []


def test_jitter_comes_on_top() -> None:
    engine, service = checked(interval_jitter=40 * MS, interval_jitter_percent=10)
    add_requests(engine, service.flow, [0])
    engine.run_until(100 * SECOND)
    stats = engine.health_stats(service.cluster)
    assert stats is not None
    checks = 100 / (0.1 + 0.0045 + 0.0195)
    assert abs(stats.attempts / 2 - checks) < 4 * math.sqrt(checks) * 0.12


def test_a_check_that_passes_ends_an_ejection() -> None:
    for unejects in (True, False):
        engine = make()
        outlier = replace(OUTLIER, consecutive_5xx=2, base_ejection=10 * SECOND, max_ejection_percent=100)
        cluster = {
            "health_check": replace(CHECKS, unejects=unejects),
            "outlier": outlier,
            "merge_window": 0,
        }
        service = add_service(engine, cluster=cluster, handler={"error_rate": 1.0})
        add_requests(engine, service.flow, [110 * MS, 120 * MS])
        ejected = []
        for time in (130 * MS, 250 * MS):
            engine.run_until(time)
            ejected.append(engine.host_state(service.cluster, service.hosts[0][0]).ejected)
        assert ejected == [True, not unejects]


# -- sessions of TCP proxies (measured on Envoy, tests/conformance/test_envoy_sessions.py) ---

SESSION = {"http2": False, "max_requests_per_connection": 1, "sessions": True}


def session_service(engine: Engine, *, tries: int = 1, **more: dict[str, Any]) -> Service:
    route = {"timeout_status": 0, "retries": tries - 1, "backoff_base": 0, **more.pop("route", {})}
    return add_service(engine, cluster={**SESSION, **more.pop("cluster", {})}, route=route, **more)


def test_each_session_has_a_connection_of_its_own() -> None:
    engine = make()
    service = session_service(engine, handler={"service": fixed(10 * MS)})
    rows = send(engine, service, 0, 5 * MS, 100 * MS)
    assert outcomes(rows) == [(200, Flag.NONE)] * 3
    found = {name: n for name, n in engine.count_clusters().of(service.cluster).items() if n and "upstream" in name}
    names = ("upstream_cx_total", "upstream_cx_destroy", "upstream_rq_total", "upstream_rq_pending_total")
    assert found == dict.fromkeys(names, 3)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"host": {"inbound": InboundKind.REFUSE}}, Flag.UF | Flag.URX),
        ({"host": {"inbound": InboundKind.RESET}}, Flag.NONE),
        ({"host": {"inbound": InboundKind.RESET, "inbound_flag": Flag.UR}}, Flag.UR),
        ({"pods": 0}, Flag.UH),
        ({"route": {"clusters": ((-1, 1),)}}, Flag.NC),
        ({"cluster": {"max_connections": 0}}, Flag.UO),
        ({"cluster": {"max_pending_requests": 0}}, Flag.URX),
        ({"handler": {"service": fixed(SECOND)}, "route": {"max_stream_duration": 100 * MS}}, Flag.DT),
        ({"handler": {"service": fixed(SECOND)}, "route": {"idle_timeout": 100 * MS}}, Flag.NONE),
    ],
)
def test_a_session_without_answer_has_no_status(more: dict[str, Any], expected: Flag) -> None:
    engine = make()
    assert outcomes(send(engine, session_service(engine, **more))) == [(0, expected)]


def test_each_attempt_to_connect_has_a_row_and_the_last_one_the_end() -> None:
    engine = make()
    service = session_service(engine, tries=3, host={"inbound": InboundKind.REFUSE})
    add_requests(engine, service.flow, (0,))
    engine.run_until(SECOND)
    rows = engine.drain()
    assert [(int(row["attempt"]), int(row["last"])) for row in rows] == [(1, 0), (2, 0), (3, 1)]
    found = engine.count_clusters().of(service.cluster)
    assert (found["upstream_cx_connect_fail"], found["upstream_cx_connect_attempts_exceeded"]) == (3, 1)
    assert (found["upstream_rq_retry"], found["upstream_rq_completed"]) == (0, 0)


def test_outlier_detection_hears_of_connections_not_of_what_is_said_in_them() -> None:
    engine = make()
    saying = session_service(engine, cluster={"outlier": OUTLIER}, handler={"error_rate": 1.0})
    refusing = session_service(engine, cluster={"outlier": OUTLIER}, host={"inbound": InboundKind.REFUSE})
    for service in (saying, refusing):
        add_requests(engine, service.flow, [at * MS for at in range(8)])
    engine.run_until(SECOND)
    ejected = [engine.count_clusters().of(s.cluster)["outlier_detection.ejections_active"] for s in (saying, refusing)]
    assert ejected == [0, 1]


def test_a_session_is_a_success_when_it_is_connected_not_when_it_ends() -> None:
    engine = make()
    cluster = {"outlier": replace(OUTLIER, consecutive_5xx=2)}
    service = session_service(engine, cluster=cluster, handler={"service": fixed(100 * MS)})
    [(key, host)] = service.hosts
    for at, inbound in ((0, InboundKind.REFUSE), (5 * MS, InboundKind.SERVE), (15 * MS, InboundKind.REFUSE)):
        engine.set_hosts(service.cluster, [(key, replace(host, inbound=inbound))], at)
    add_requests(engine, service.flow, [1 * MS, 10 * MS, 20 * MS, 200 * MS])
    ejected = []
    for until in (190 * MS, SECOND):
        engine.run_until(until)
        ejected.append(engine.count_clusters().of(service.cluster)["outlier_detection.ejections_active"])
    assert ejected == [0, 1]


def test_an_application_that_stops_listening_ends_sessions_without_answer() -> None:
    engine = make()
    service = session_service(engine, sidecar=PROXY, handler={"service": fixed(10 * MS)})
    engine.set_pod_state(service.pods[0], PodState.DRAINING, 5 * MS)
    assert outcomes(send(engine, service, 0, 8 * MS)) == [(200, Flag.NONE), (0, Flag.UR)]


def test_a_host_that_is_killed_closes_its_sessions() -> None:
    engine = make()
    service = session_service(engine, sidecar=PROXY, handler={"service": fixed(10 * MS)})
    engine.set_pod_state(service.pods[0], PodState.DEAD, 5 * MS)
    assert outcomes(send(engine, service, 0)) == [(0, Flag.NONE)]


FAR = {"latency": 30 * MS, "handshake_rtts": 1}


def test_idle_time_of_a_session_begins_anew_when_it_is_connected() -> None:
    engine = make()
    service = session_service(engine, host=FAR, handler={"service": fixed(SECOND)}, route={"idle_timeout": 100 * MS})
    (row,) = send(engine, service, 0)
    assert (int(row["end"]), engine.count_clusters().of(service.cluster)["tcp.idle_timeout"]) == (160 * MS, 1)


def test_a_session_may_be_idle_before_it_is_connected() -> None:
    engine = make()
    service = session_service(engine, host=FAR, route={"idle_timeout": 40 * MS}, cluster={"max_connections": 1})
    rows = send(engine, service, 0, 50 * MS)
    # The connection is given up with the session, so that there is room for the next one.
    assert [(int(row["status"]), int(row["flags"]), int(row["end"])) for row in rows] == [
        (0, 0, 40 * MS),
        (0, 0, 90 * MS),
    ]
    found = engine.count_clusters().of(service.cluster)
    names = ("upstream_cx_total", "upstream_cx_destroy", "upstream_rq_cancelled", "tcp.idle_timeout")
    assert [found[name] for name in names] == [2, 2, 2, 2]
    assert found["upstream_cx_connect_fail"] == 0


def test_a_failed_attempt_ends_the_idle_timer_of_a_session() -> None:
    engine = make()
    service = session_service(
        engine, tries=2, handler={"service": fixed(300 * MS)}, route={"idle_timeout": 100 * MS}, pods=1
    )
    [(key, host)] = service.hosts
    engine.set_hosts(service.cluster, [(key, replace(host, inbound=InboundKind.REFUSE, latency=5 * MS))], 0)
    engine.set_hosts(service.cluster, [(key, host)], 5 * MS)
    assert outcomes(send(engine, service, 0, 20 * MS)) == [(200, Flag.UF), (0, Flag.NONE)]


def test_a_session_that_connects_again_is_not_idle() -> None:
    engine = make()
    cluster = {"connect_timeout": 300 * MS}
    route = {"idle_timeout": 100 * MS, "backoff_base": 50 * MS, "backoff_max": 50 * MS}
    service = session_service(engine, tries=2, cluster=cluster, route=route)
    [(key, host)] = service.hosts
    engine.set_hosts(service.cluster, [(key, replace(host, inbound=InboundKind.REFUSE))], 0)
    engine.set_hosts(service.cluster, [(key, replace(host, reachable=False))], 1)
    (row,) = send(engine, service, 0)
    assert Flag(int(row["flags"])) == Flag.UF | Flag.URX
    assert 300 * MS < row["end"] < 350 * MS


@pytest.mark.parametrize(("fails", "ends"), [(False, 301), (True, 1000)])
def test_long_idle_times_of_sessions_are_kept_too(fails: bool, ends: int) -> None:
    engine = make()
    far = {"latency": SECOND // 2, "handshake_rtts": 1}
    route = {"idle_timeout": 300 * SECOND, "max_stream_duration": 1000 * SECOND}
    service = session_service(engine, tries=2, host=far, handler={"service": fixed(2000 * SECOND)}, route=route)
    [(key, host)] = service.hosts
    if fails:
        engine.set_hosts(service.cluster, [(key, replace(host, inbound=InboundKind.REFUSE))], 0)
        engine.set_hosts(service.cluster, [(key, host)], MS)
    (row,) = send(engine, service, 0, until=1500 * SECOND)
    assert int(row["end"]) == ends * SECOND


def test_the_back_off_of_sessions_grows_with_all_of_them() -> None:
    engine = make()
    route = {"backoff_base": 10 * MS, "backoff_max": 5 * SECOND}
    service = session_service(engine, tries=2, host={"inbound": InboundKind.REFUSE}, route=route)
    other = session_service(engine, tries=2, host={"inbound": InboundKind.REFUSE}, route=route)
    rows = send(engine, service, *(at * SECOND for at in range(12)))
    waits = [int(row["end"] - row["start"]) for row in rows]
    assert max(waits[:2]) < 20 * MS
    assert max(waits[8:]) > 500 * MS
    (row,) = send(engine, other, 150 * SECOND, until=200 * SECOND)
    assert row["end"] - row["start"] < 10 * MS


def test_a_session_that_lasts_too_long_between_attempts_is_over() -> None:
    engine = make()
    route = {"backoff_base": 10 * SECOND, "backoff_max": 10 * SECOND, "max_stream_duration": MS}
    service = session_service(engine, tries=2, host={"inbound": InboundKind.REFUSE}, route=route)
    assert outcomes(send(engine, service, 0)) == [(0, Flag.UF | Flag.DT)]
    assert engine.count_clusters().of(service.cluster)["tcp.max_downstream_connection_duration"] == 1


def test_each_attempt_of_a_session_draws_its_cluster() -> None:
    engine = make()
    refusing = session_service(engine, tries=40, host={"inbound": InboundKind.REFUSE})
    saying = session_service(engine)
    route = RouteSpec(
        kind=RouteKind.FORWARD,
        clusters=((refusing.cluster, 1), (saying.cluster, 1)),
        timeout_status=0,
        retries=39,
        backoff_base=0,
    )
    engine.set_route(refusing.flow, route)
    rows = send(engine, refusing, *(at * MS for at in range(40)))
    assert {int(row["status"]) for row in rows if row["last"]} == {200}
    flags = [Flag(int(row["flags"])) for row in rows if row["last"]]
    assert 8 < flags.count(Flag.UF) < 32


def test_a_host_that_goes_takes_connections_nobody_waits_for() -> None:
    """The first to time out fails all that wait in the pool, and the other connection goes with the host."""
    engine = make()
    service = session_service(engine, host={"reachable": False}, cluster={"connect_timeout": 100 * MS})
    engine.set_hosts(service.cluster, [], 120 * MS)
    add_requests(engine, service.flow, (0, 50 * MS))
    engine.run_until(130 * MS)
    found = engine.count_clusters().of(service.cluster)
    names = ("upstream_cx_active", "upstream_cx_connect_fail", "upstream_cx_connect_timeout")
    assert [found[name] for name in names] == [0, 2, 1]


def test_a_cluster_without_hosts_is_in_panic() -> None:
    engine = make()
    service = session_service(engine, pods=0, cluster={"panic_threshold": 50})
    calm = session_service(engine, pods=0, cluster={"panic_threshold": 0})
    for one in (service, calm):
        send(engine, one, 0)
    counts = engine.count_clusters()
    assert [counts.of(one.cluster)["lb_healthy_panic"] for one in (service, calm)] == [1, 0]


def test_sessions_are_the_same_interpreted_and_compiled() -> None:
    digests = set()
    for mode in (Mode.PLAIN, Mode.NUMBA):
        engine = Engine(7, mode=choose_mode(mode))
        service = session_service(
            engine,
            tries=2,
            pods=3,
            cluster={"max_connections": 4, "outlier": OUTLIER},
            handler={"service": fixed(10 * MS)},
            route={"max_stream_duration": 40 * MS},
        )
        hosts = [
            (key, replace(host, inbound=InboundKind.REFUSE if key == service.pods[0] else host.inbound))
            for key, host in service.hosts
        ]
        engine.set_hosts(service.cluster, hosts, 0)
        add_traffic(engine, [service.flow], 300.0)
        engine.run_until(3 * SECOND)
        digests.add((engine.digest, tuple(engine.count_clusters().of(service.cluster).values())))
    assert len(digests) == 1
