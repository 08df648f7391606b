"""Contexts of a cluster in the engine: subsets that share their hosts, limits of a priority, pools of a connection."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.contexts import Book, SubsetSpec
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.invariants import check_invariants
from meshsim.dataplane.specs import Arrivals, FaultSpec, Flag, LbPolicy, LimitSpec, RateLimitSpec
from meshsim.testing.meshes import (
    CLUSTER,
    HANDLER,
    HOST,
    OUTLIER,
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


def build(pods: int, slow: Nanos = 0, mode: str = "plain", **cluster: Any) -> tuple[Engine, Service]:
    engine = Engine(1, mode=mode, sample_rate=1.0)
    handler = {"service": fixed(slow)}
    service = add_service(
        engine, pods=pods, handler=handler, cluster={"policy": LbPolicy.ROUND_ROBIN, "http2": False, **cluster}
    )
    return engine, service


def lead(engine: Engine, service: Service, context: int) -> None:
    """Have the requests of the service's flow led to a context."""
    engine.set_route(service.flow, replace(ROUTE, clusters=((context, 1),)))


def reached(engine: Engine) -> Counter[Any]:
    """Requests by the pod that they reached, -1 for none."""
    return Counter(row["pod"] for row in engine.drain() if row["last"])


def with_subsets(engine: Engine, service: Service, chain: dict[str, SubsetSpec]) -> int:
    context = engine.add_context(service.cluster)
    engine.set_subsets(service.cluster, chain)
    engine.set_chain(context, list(chain))
    lead(engine, service, context)
    return context


def test_requests_go_to_their_subset_alone() -> None:
    engine, service = build(4, subsets=True)
    with_subsets(engine, service, {"odd": SubsetSpec((1, 3))})
    add_requests(engine, service.flow, [n * MS for n in range(1, 9)])
    engine.run_until(SECOND)
    assert reached(engine) == {1: 4, 3: 4}
    assert check_invariants(engine.tables) == []


def test_the_next_subset_is_asked_where_one_finds_nothing() -> None:
    engine, service = build(3, subsets=True, panic_threshold=0)
    with_subsets(engine, service, {"bad": SubsetSpec((0,)), "rest": SubsetSpec((1, 2))})
    hosts = [(key, replace(host, healthy=key != 0)) for key, host in service.hosts]
    engine.set_hosts(service.cluster, hosts)
    engine.set_subsets(service.cluster, {"bad": SubsetSpec((0,)), "rest": SubsetSpec((1, 2))})
    add_requests(engine, service.flow, [n * MS for n in range(1, 5)])
    engine.run_until(SECOND)
    assert reached(engine) == {1: 2, 2: 2}


def test_a_single_host_is_taken_whatever_its_health() -> None:
    engine, service = build(2, subsets=True, panic_threshold=0)
    engine.set_hosts(service.cluster, [(key, replace(host, healthy=False)) for key, host in service.hosts])
    with_subsets(engine, service, {"one": SubsetSpec((1,), single=True)})
    add_requests(engine, service.flow, [MS, 2 * MS])
    engine.run_until(SECOND)
    assert reached(engine) == {1: 2}


def test_a_chain_without_a_host_ends_requests() -> None:
    engine, service = build(2, subsets=True)
    with_subsets(engine, service, {})
    add_requests(engine, service.flow, [MS])
    engine.run_until(SECOND)
    assert [(row["status"], row["flags"]) for row in engine.drain()] == [(503, Flag.UH)]
    counts = engine.count_clusters()
    assert counts.of(service.cluster)["upstream_cx_none_healthy"] == 1


def test_a_host_that_is_ejected_is_ejected_in_all_subsets_and_limits_are_those_of_the_cluster() -> None:
    outlier = replace(OUTLIER, consecutive_5xx=1, max_ejection_percent=34)
    engine, service = build(3, 50 * MS, subsets=True, outlier=outlier, max_requests=2, merge_window=0)
    context = with_subsets(engine, service, {"a": SubsetSpec((0, 1))})
    other = engine.add_context(service.cluster)
    engine.set_subsets(service.cluster, {"a": SubsetSpec((0, 1)), "b": SubsetSpec((0, 2))})
    engine.set_chain(other, ["b"])
    failing = engine.add_handler(replace(HANDLER, error_rate=1.0, error_status=503, service=fixed(MS)))
    hosts = [(key, replace(host, handler=failing if key == 0 else host.handler)) for key, host in service.hosts]
    engine.set_hosts(service.cluster, hosts)
    engine.set_subsets(service.cluster, {"a": SubsetSpec((0, 1)), "b": SubsetSpec((0, 2))})
    add_requests(engine, service.flow, [MS, 2 * MS])
    engine.run_until(100 * MS)
    assert engine.host_state(service.cluster, 0).ejected
    lead(engine, service, other)
    engine.drain()
    add_requests(engine, service.flow, [200 * MS, 201 * MS, 202 * MS])
    engine.run_until(SECOND)
    assert reached(engine) == {2: 3}
    assert engine.cluster_stats(service.cluster).rq_active_overflow == 1
    assert context != other


def test_high_priority_has_limits_and_pools_of_its_own() -> None:
    engine, service = build(1, 50 * MS, max_requests=1, high=LimitSpec(max_requests=3))
    high = engine.add_context(service.cluster, high=True)
    add_requests(engine, service.flow, [MS + n for n in range(3)])
    engine.run_until(20 * MS)
    lead(engine, service, high)
    add_requests(engine, service.flow, [20 * MS + n for n in range(5)])
    engine.run_until(40 * MS)
    assert check_invariants(engine.tables) == []
    counts = engine.count_clusters().of(service.cluster)
    assert counts["upstream_rq_active"] == 4
    assert counts["circuit_breakers.default.rq_open"] == counts["circuit_breakers.high.rq_open"] == 1
    engine.run_until(SECOND)
    counts = engine.count_clusters().of(service.cluster)
    assert (counts["upstream_rq_200"], counts["upstream_rq_active_overflow"]) == (4, 4)
    # Of each priority one for each request under way, and one more that those beyond the limit had one after another.
    assert counts["upstream_cx_total"] == (1 + 1) + (3 + 1)
    assert counts["membership_total"] == 1


def test_hosts_may_have_no_more_connections_than_allowed() -> None:
    engine, service = build(2, 50 * MS, host_connections=2)
    add_requests(engine, service.flow, [MS + n for n in range(10)])
    engine.run_until(SECOND)
    assert engine.cluster_stats(service.cluster).cx_total == 4
    assert sorted(row["end"] // MS for row in engine.drain()) == [51] * 4 + [101] * 4 + [151] * 2


@pytest.mark.parametrize(("ratio", "connections"), [(1.0, 1), (1.5, 2), (2.0, 2), (3.0, 3)])
def test_pools_connect_ahead_of_streams(ratio: float, connections: int) -> None:
    """Requests one after another: (streams) * ratio > free connections + streams asks for one more."""
    engine, service = build(1, MS, preconnect=ratio)
    lead(engine, service, engine.add_context(service.cluster))
    add_requests(engine, service.flow, [n * 10 * MS for n in range(1, 9)])
    engine.run_until(SECOND)
    assert engine.cluster_stats(service.cluster).cx_total == connections
    assert check_invariants(engine.tables) == []


def test_there_is_room_for_all_connections_that_one_instant_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 47 requests begins connections for itself and for others that may follow."""
    free: list[int] = []
    dial = core.dial

    def counted(state: core.State, pool: int) -> None:
        dial(state, pool)
        free.append(state.ctl[0].conn_free_n)

    monkeypatch.setattr(core, "dial", counted)
    engine = Engine(3, mode="plain", sample_rate=1.0)
    service = add_service(
        engine,
        pods=20,
        handler={"service": fixed(20 * MS)},
        caller=replace(PROXY, workers=250),
        cluster={
            "policy": LbPolicy.ROUND_ROBIN,
            "http2": False,
            "predict": 3.0,
            "preconnect": 3.0,
            **dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), 100_000),
        },
    )
    context = engine.add_context(service.cluster)
    engine.set_route(service.flow, replace(ROUTE, clusters=((context, 1),), delay=5 * MS, delay_ppm=1_000_000))
    add_requests(engine, service.flow, [MS] * 47)
    engine.run_until(200 * MS)
    assert min(free) >= 0
    assert len(free) > 100
    assert check_invariants(engine.tables) == []


def test_lives_of_connections_are_counted_however_long_they_are() -> None:
    """Envoy 1.40, conn_pool_base.cc, onConnectionDurationTimeout: 50 s pass between requests."""
    for life in (120 * SECOND, 240 * SECOND):
        engine, service = build(1, MS, max_connection_duration=life)
        add_requests(engine, service.flow, [MS + n * 50 * SECOND for n in range(12)])
        engine.run_until(700 * SECOND)
        counted = engine.count_clusters().of(service.cluster)
        assert counted["upstream_cx_max_duration_reached"] >= counted["upstream_cx_total"] - 1 > 0


def connections(engine: Engine, service: Service, starts: list[Nanos]) -> list[int]:
    """Connections that there have been after each request."""
    found = []
    for start in starts:
        add_requests(engine, service.flow, [start])
        engine.run_until(start + MS)
        found.append(engine.cluster_stats(service.cluster).cx_total)
    assert check_invariants(engine.tables) == []
    return found


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, [1, 2, 3, 4, 5]), (1.5, [3, 3, 3, 4, 5]), (2.0, [3, 3, 3, 4, 5]), (3.0, [4, 4, 4, 4, 5])],
)
def test_hosts_of_later_requests_are_connected_to_before(ratio: float, expected: list[int]) -> None:
    """One request after another to five hosts by turns: once its host is chosen and before its stream begins, the next
    hosts get connections while ratio * (streams + 1) is more than the streams that there are connections for (Envoy
    source/common/upstream/cluster_manager_impl.cc, maybePreconnect; source/common/conn_pool/conn_pool_base.cc,
    shouldConnect)."""
    engine, service = build(5, MS, predict=ratio)
    lead(engine, service, engine.add_context(service.cluster))
    assert connections(engine, service, [n * 20 * MS for n in range(1, 6)]) == expected
    engine.run_until(SECOND)
    assert sorted(reached(engine).items()) == [(pod, 1) for pod in range(5)]


def test_as_many_hosts_are_looked_ahead_for_as_there_are() -> None:
    """Requests to hosts a to e at once with ratio 3: the first connects to b, c, d and its own; the second, which has
    b, wants six, so to e and once more a; the third wants nine, so once more b and c, and then five hosts are waiting
    to be chosen (Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, tooManyPreconnects)."""
    engine, service = build(5, SECOND, predict=3.0)
    lead(engine, service, engine.add_context(service.cluster))
    assert connections(engine, service, [n * 20 * MS for n in range(1, 4)]) == [4, 6, 8]


def test_a_request_connects_to_three_later_hosts_at_most() -> None:
    """Two requests are under way, and the spare connections are gone with their hosts: nine are wanted for the third,
    two are there; it gets three and its own (maybePreconnect: three a time)."""
    engine, service = build(12, SECOND, predict=3.0)
    lead(engine, service, engine.add_context(service.cluster))
    assert connections(engine, service, [20 * MS, 40 * MS]) == [4, 6]
    busy = [key for key, _ in service.hosts if engine.host_state(service.cluster, key).active]
    kept = [*busy, *(key for key, _ in service.hosts if (key - busy[-1]) % 12 > 4)]
    engine.set_hosts(service.cluster, [host for host in service.hosts if host[0] in kept], 50 * MS)
    (total,) = connections(engine, service, [60 * MS])
    assert total == 6 + 3 + 1


def test_a_pool_without_connections_gets_one_beyond_the_limit_and_none_after() -> None:
    """Envoy source/common/conn_pool/conn_pool_base.cc, tryCreateNewConnection: the limit is counted, the connection
    made, and no more are made ahead; the request's own pool gets its own in the same way."""
    engine, service = build(5, MS, predict=3.0, max_connections=1)
    lead(engine, service, engine.add_context(service.cluster))
    assert connections(engine, service, [20 * MS]) == [3]
    assert engine.count_clusters().of(service.cluster)["upstream_cx_overflow"] == 2


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("most", [0, 1, 2])
def test_hosts_beyond_the_limit_have_no_pool(most: int, high: bool) -> None:
    """Envoy source/common/upstream/conn_pool_map_impl.h, getPool: to a request it is as if there was no host."""
    limits: dict[str, Any] = {"high": LimitSpec(max_pools=most)} if high else {"max_pools": most}
    engine, service = build(3, MS, **limits)
    lead(engine, service, engine.add_context(service.cluster, high=high))
    add_requests(engine, service.flow, [n * 20 * MS for n in range(1, 7)])
    engine.run_until(SECOND)
    rows = Counter((row["status"], row["flags"]) for row in engine.drain())
    expected = Counter({(200, Flag.NONE): 2 * most, (503, Flag.UH): 2 * (3 - most)})
    assert rows == +expected
    counts = engine.count_clusters().of(service.cluster)
    assert counts["upstream_cx_pool_overflow"] == 2 * (3 - most)
    assert counts["upstream_cx_total"] == most
    assert check_invariants(engine.tables) == []


def test_a_pool_whose_connections_are_closed_makes_room() -> None:
    """Each connection serves one request: no pool is left when the next host is asked."""
    engine, service = build(3, MS, max_pools=1, max_requests_per_connection=1)
    lead(engine, service, engine.add_context(service.cluster))
    add_requests(engine, service.flow, [n * 20 * MS for n in range(1, 7)])
    engine.run_until(SECOND)
    assert reached(engine) == {0: 2, 1: 2, 2: 2}


def test_modes_agree_on_connections_ahead_and_pools() -> None:
    assert len({_ahead(mode) for mode in ("plain", "numba")}) == 1


def _ahead(mode: str) -> tuple[int, int, int]:
    """Digest, connections and refusals of requests to hosts that change meanwhile, some of which answer nobody."""
    engine, service = build(
        6, 5 * MS, mode, policy=LbPolicy.RANDOM, predict=2.5, max_pools=4, max_connections=9, connect_timeout=20 * MS
    )
    lead(engine, service, engine.add_context(service.cluster))
    engine.set_host_reachable(service.cluster, service.hosts[0][0], False)
    add_traffic(engine, [service.flow], 400.0, stop=SECOND)
    engine.set_hosts(service.cluster, service.hosts[2:], 500 * MS)
    engine.run_until(2 * SECOND)
    assert check_invariants(engine.tables) == []
    counts = engine.count_clusters().of(service.cluster)
    assert counts["upstream_cx_pool_overflow"] > 0 < counts["upstream_cx_overflow"]
    return engine.digest, counts["upstream_cx_total"], counts["upstream_cx_pool_overflow"]


@pytest.mark.parametrize("high", [False, True])
def test_each_connection_has_its_pools(high: bool) -> None:
    """Five users, each with a connection of its own, over two hosts: no pool serves two of them, and none is left
    behind when it has no connection any more."""
    engine, service = build(2, MS, by_connection=True)
    lead(engine, service, engine.add_context(service.cluster, high=high))
    add_traffic(engine, [service.flow], 0.0, arrivals=Arrivals.CLOSED, users=5, think=fixed(MS), stop=SECOND)
    engine.run_until(900 * MS)
    assert check_invariants(engine.tables) == []
    assert engine.cluster_stats(service.cluster).ejected == 0
    assert engine.count_clusters().of(service.cluster)["upstream_cx_total"] == 10
    engine.set_hosts(service.cluster, service.hosts[:1])
    engine.run_until(2 * SECOND)
    tables = engine.tables
    own = sum(1 for row in tables.field("pool_key", "row") if row)
    assert own == 5
    assert check_invariants(tables) == []


def test_connections_that_fail_leave_no_pool_behind() -> None:
    engine, service = build(1, MS, by_connection=True, connect_timeout=5 * MS)
    lead(engine, service, engine.add_context(service.cluster))
    engine.set_host_reachable(service.cluster, 0, False)
    add_requests(engine, service.flow, [n * MS for n in range(1, 600)])
    engine.run_until(2 * SECOND)
    assert engine.cluster_stats(service.cluster).cx_connect_fail == 599
    assert not engine.tables.field("pool_key", "row").any()
    assert engine.tables.length("pool") < 599
    assert check_invariants(engine.tables) == []


def test_a_replaced_cluster_keeps_its_contexts() -> None:
    engine, service = build(3, 50 * MS, subsets=True, high=LimitSpec(max_requests=1))
    context = engine.add_context(service.cluster, high=True)
    engine.set_subsets(service.cluster, {"a": SubsetSpec((0, 1))})
    engine.set_chain(context, ["a"])
    lead(engine, service, context)
    add_requests(engine, service.flow, [MS, 2 * MS])
    engine.run_until(200 * MS)
    engine.set_cluster(
        service.cluster,
        replace(CLUSTER, proxy=service.proxy, http2=False, subsets=True, high=LimitSpec(max_requests=2)),
    )
    add_requests(engine, service.flow, [201 * MS, 202 * MS, 203 * MS])
    engine.run_until(SECOND)
    counts = engine.count_clusters().of(service.cluster)
    assert (counts["upstream_rq_200"], counts["upstream_rq_active_overflow"]) == (3, 2)
    assert set(reached(engine)) <= {0, 1}
    engine.remove_cluster(service.cluster)
    add_requests(engine, service.flow, [1100 * MS])
    engine.run_until(2 * SECOND)
    assert [(row["status"], row["flags"]) for row in engine.drain()] == [(503, Flag.NC)]


def test_what_a_cluster_drops_it_drops_in_contexts_too() -> None:
    engine, service = build(1, high=LimitSpec())
    lead(engine, service, engine.add_context(service.cluster, high=True))
    engine.set_policy(service.cluster, 1_000_000)
    engine.set_hosts(service.cluster, [*service.hosts, ("more", service.hosts[0][1])])
    add_requests(engine, service.flow, [MS])
    engine.run_until(SECOND)
    assert [row["flags"] for row in engine.drain()] == [Flag.UDO]


def test_each_connection_has_a_bucket_of_tokens() -> None:
    """Users have a connection each, requests of an open loop one of their own."""
    engine, service = build(1)
    limit = RateLimitSpec(max_tokens=2, tokens_per_fill=1, fill_interval=100 * SECOND, by_connection=True)
    engine.set_route(service.flow, replace(ROUTE, clusters=((service.cluster, 1),), limit=limit))
    users = add_traffic(engine, [service.flow], 0.0, arrivals=Arrivals.CLOSED, users=3, think=fixed(MS), stop=20 * MS)
    add_traffic(engine, [service.flow], 1000.0, arrivals=Arrivals.CONSTANT, stop=5 * SECOND)
    engine.run_until(6 * SECOND)
    passed = Counter((int(row["source"]) == users, int(row["status"])) for row in engine.drain())
    assert passed[True, 200] == 6
    assert passed[True, 429] > 10
    assert passed[False, 429] == 0
    assert passed[False, 200] > 4000


def test_modes_agree() -> None:
    """Interpreted and compiled: subsets, priorities and connections, whose hosts change meanwhile."""
    digests = {_digest(mode) for mode in ("plain", "numba")}
    assert len(digests) == 1


def _digest(mode: str) -> int:
    limits = {"max_requests": 3, "high": LimitSpec(max_requests=2)}
    engine, service = build(4, 5 * MS, mode, by_connection=True, subsets=True, **limits)
    specs = {"a": SubsetSpec((0, 1)), "b": SubsetSpec((2, 3)), "c": SubsetSpec((3,), single=True)}
    contexts = [engine.add_context(service.cluster, high=high) for high in (False, True, False)]
    engine.set_subsets(service.cluster, specs)
    for context, chain in zip(contexts, (["a"], ["b", "a"], ["c"]), strict=True):
        engine.set_chain(context, chain)
    limit = RateLimitSpec(max_tokens=20, tokens_per_fill=1, fill_interval=SECOND, by_connection=True)
    faults = FaultSpec(most_active=3, rate=20_000, rate_ppm=500_000)
    route = replace(ROUTE, clusters=tuple((c, 1) for c in contexts), limit=limit, faults=faults)
    engine.set_route(service.flow, replace(route, delay=2 * MS, delay_ppm=500_000, abort_ppm=100_000, abort_status=418))
    add_traffic(engine, [service.flow], 0.0, arrivals=Arrivals.CLOSED, users=8, think=fixed(MS), stop=SECOND)
    engine.set_hosts(service.cluster, service.hosts[1:], 500 * MS)
    engine.set_subsets(service.cluster, specs, 500 * MS)
    engine.run_until(2 * SECOND)
    assert check_invariants(engine.tables) == []
    return engine.digest


def test_another_order_alone_is_no_change_of_hosts() -> None:
    book = Book(0, CLUSTER, 0, 1, hosts=((1, HOST), (2, HOST)))
    assert book.ordered([(2, HOST), (1, HOST)]) == book.hosts
    assert book.ordered([(2, HOST), (1, HOST), (3, HOST)]) == ((2, HOST), (1, HOST), (3, HOST))
    heavy = replace(HOST, weight=2)
    assert book.ordered([(2, HOST), (1, heavy), (1, HOST)]) == ((2, HOST), (1, heavy))
