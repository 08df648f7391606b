"""Balancing of clusters beyond one list of equal hosts, in the engine, against what was measured on Envoy 1.40."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.hashing import xx_hash64
from meshsim.dataplane.planner import needs_plan
from meshsim.dataplane.specs import (
    Flag,
    FlowSpec,
    HashingSpec,
    HostSpec,
    InboundKind,
    LbPolicy,
    Mark,
    ProxySpec,
    RetryOn,
    RouteSpec,
    SlowStartSpec,
    ZoneSpec,
)
from meshsim.errors import LimitError
from meshsim.testing.meshes import CLUSTER, HOST, INSTANT, OUTLIER, ROUTE, Service, add_requests, add_service, fixed
from meshsim.units import MILLISECOND, SECOND, Nanos

MS = MILLISECOND
RR = LbPolicy.ROUND_ROBIN
HERE, THERE, FAR = ("r", "a", ""), ("r", "b", ""), ("s", "c", "")


def build(
    hosts: int,
    place: Callable[[int], dict[str, Any]],
    *,
    seed: int = 1,
    route: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Engine, Service]:
    """A service whose host `i` stands where `place` says."""
    engine = Engine(1, mode="plain", sample_rate=1.0)
    handler = more.pop("handler", None)
    caller = ProxySpec(workers=more.pop("workers", 1), outbound=INSTANT, inbound=INSTANT)
    service = add_service(
        engine, pods=hosts, cluster={"policy": RR, **more}, route=route, handler=handler, caller=caller
    )
    engine.set_hosts(service.cluster, [(key, replace(host, **place(key))) for key, host in service.hosts])
    return engine, service


def ends(engine: Engine, service: Service, *times: Nanos) -> np.ndarray:
    add_requests(engine, service.flow, times)
    engine.run_until(max(times) + 100 * SECOND)
    rows = engine.drain()
    last = rows[rows["last"] == 1]
    ordered: np.ndarray = last[np.lexsort((last["end"], last["start"]))]
    return ordered


def picks(engine: Engine, service: Service, count: int, *, begin: Nanos = 2 * SECOND, gap: Nanos = MS) -> list[int]:
    found: list[int] = ends(engine, service, *[begin + turn * gap for turn in range(count)])["pod"].tolist()
    return found


def shares(found: list[int], groups: Callable[[int], Any]) -> dict[Any, float]:
    counts = Counter(groups(pod) for pod in found)
    return {group: n / len(found) for group, n in counts.items()}


# -- priorities ----------------------------------------------------------------------------------------------------


def test_priorities_share_by_their_health() -> None:
    """Measured: P0 five of ten healthy, P1 all: 268 to 132 of 400."""
    engine, service = build(20, lambda i: {"priority": i // 10, "healthy": i >= 5})
    found = shares(picks(engine, service, 4000), lambda pod: pod // 10)
    assert found[0] == pytest.approx(0.7, abs=0.025)
    assert engine.cluster_stats(service.cluster).lb_panic == 0


def test_degraded_hosts_take_what_healthy_ones_cannot() -> None:
    """Measured: one healthy and three degraded hosts share 35/65."""
    engine, service = build(4, lambda i: {"degraded": i > 0})
    assert shares(picks(engine, service, 4000), bool)[False] == pytest.approx(0.35, abs=0.025)
    engine, service = build(4, lambda i: {"degraded": i == 3})
    assert set(picks(engine, service, 400)) == {0, 1, 2}


@pytest.mark.parametrize(("before", "after", "early", "late"), [(140, 300, 0.7, 1.0), (200, 100, 1.0, 0.5)])
def test_an_assignment_may_overprovision_anew(before: int, after: int, early: float, late: float) -> None:
    """Measured (eds-opf-*): two of four hosts healthy in the first of two priorities."""
    engine, service = build(6, lambda i: {"priority": i // 4, "healthy": i not in (0, 1)}, overprovisioning=before)
    engine.set_policy(service.cluster, 0, after, 4 * SECOND)
    found = [pod < 4 for pod in picks(engine, service, 2000, begin=SECOND, gap=3 * MS)]
    assert sum(found[:990]) / 990 == pytest.approx(early, abs=0.05)
    assert sum(found[1010:]) / 990 == pytest.approx(late, abs=0.05)


def test_draining_hosts_leave_the_count() -> None:
    engine, service = build(8, lambda i: {"priority": i // 4, "healthy": i not in (0, 1), "excluded": i in (0, 1)})
    assert set(picks(engine, service, 400)) == {2, 3}


def test_a_panicking_priority_uses_all_its_hosts() -> None:
    engine, service = build(20, lambda i: {"priority": i // 10, "healthy": i in (0, *range(10, 14))})
    found = picks(engine, service, 4000)
    assert set(found) == set(range(20))
    assert engine.cluster_stats(service.cluster).lb_panic == 4000
    engine, service = build(5, lambda i: {"healthy": i < 2}, fail_on_panic=True)
    assert ends(engine, service, 2 * SECOND)["flags"].tolist() == [Flag.UH]


def test_random_takes_one_number_for_priority_and_host() -> None:
    """Measured: P0 70 % healthy gets 98 of 100; the other two numbers fall on the last two of P1's ten hosts."""
    engine, service = build(20, lambda i: {"priority": i // 10, "healthy": i not in (7, 8, 9)}, policy=LbPolicy.RANDOM)
    found = Counter(picks(engine, service, 3000))
    assert {pod for pod in found if pod >= 10} == {18, 19}


def test_ejections_fail_over_to_the_next_priority() -> None:
    """P0 loses one of two hosts by outlier detection: 70 % of one half is 70, the rest goes to P1."""
    engine, service = build(
        4,
        lambda i: {
            "priority": i // 2,
            **({"inbound": InboundKind.REPLY, "inbound_status": 503} if i == 0 else {}),
        },
        outlier=replace(OUTLIER, consecutive_5xx=3, base_ejection=500 * SECOND),
    )
    found = picks(engine, service, 4000)
    after = found[100:]
    assert shares(after, lambda pod: pod // 2)[0] == pytest.approx(0.7, abs=0.03)
    assert 0 not in after


def test_an_ejection_holds_up_those_of_all_priorities() -> None:
    """Windows are kept by priority, and the first ejection opens all of them: whose health it is, does not count
    (upstream_impl.cc, reloadHealthyHostsHelper; measured)."""
    failing: dict[str, Any] = {"inbound": InboundKind.REPLY, "inbound_status": 503}
    engine, service = build(
        6,
        lambda i: {"priority": i // 3, **(failing if i in (0, 1, 3) else {})},
        outlier=replace(OUTLIER, consecutive_5xx=1, base_ejection=500 * SECOND),
    )
    rows = ends(engine, service, *[2 * SECOND + turn * 10 * MS for turn in range(400)])
    hits = {pod: rows["start"][rows["pod"] == pod] for pod in (0, 1, 3)}
    first, *others = sorted((0, 1, 3), key=lambda pod: int(hits[pod].min()))
    assert len(hits[first]) == 1
    ejected = int(hits[first].min())
    for pod in others:
        assert len(hits[pod]) > 1
        assert int(hits[pod].max()) - ejected <= SECOND
    assert int(max(hits[pod].max() for pod in others)) - ejected > SECOND - 50 * MS


def test_an_assignment_ends_the_waiting() -> None:
    """Measured: an ejection waits, a new weight half a second later brings both to the balancer at once."""
    failing: dict[str, Any] = {"inbound": InboundKind.REPLY, "inbound_status": 503}
    engine, service = build(
        4,
        lambda i: failing if i < 2 else {},
        panic_threshold=0,
        outlier=replace(OUTLIER, consecutive_5xx=1, base_ejection=500 * SECOND),
    )
    hosts = [(key, replace(host, **(failing if key < 2 else {}))) for key, host in service.hosts]
    heavy = [(key, replace(host, weight=1 + (key == 3))) for key, host in hosts]
    engine.set_hosts(service.cluster, heavy, 2500 * MS)
    rows = ends(engine, service, *[2 * SECOND + turn * 10 * MS for turn in range(300)])
    after = Counter(rows["pod"][rows["start"] >= 2500 * MS].tolist())
    assert set(after) == {2, 3}
    assert after[3] == pytest.approx(2 * after[2], abs=2)


def test_retries_avoid_canaries() -> None:
    engine, service = build(
        3,
        lambda i: {"inbound": InboundKind.REPLY, "inbound_status": 503, "marks": Mark.CANARY if i else Mark.NONE},
        route={
            "retries": 2,
            "retry_on": RetryOn.FIVE_XX,
            "host_reselect_attempts": 60,
            "may_revisit": True,
            "avoided_marks": Mark.CANARY,
        },
        policy=LbPolicy.RANDOM,
    )
    add_requests(engine, service.flow, [(2 + turn) * SECOND for turn in range(20)])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    assert set(rows["pod"][rows["attempt"] == 1].tolist()) == {0, 1, 2}
    assert set(rows["pod"][rows["attempt"] > 1].tolist()) == {0}


def test_a_retry_may_leave_the_priorities_tried() -> None:
    """Istio's retryRemoteLocalities: from the second retry on, P0 is avoided."""
    engine, service = build(
        4,
        lambda i: {"priority": i // 2, "inbound": InboundKind.REPLY, "inbound_status": 503},
        route={"retries": 4, "retry_on": RetryOn.FIVE_XX, "previous_priorities": 2},
    )
    add_requests(engine, service.flow, [(2 + turn) * SECOND for turn in range(20)])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    rows = rows[np.lexsort((rows["attempt"], rows["start"]))]
    levels = (rows["pod"] // 2).reshape(20, 5).tolist()
    # After four tries both priorities are used up and all are allowed again.
    assert levels == [[0, 0, 1, 1, 0]] * 20


# -- localities and zones ------------------------------------------------------------------------------------------


def test_localities_share_exactly_by_weight() -> None:
    """Measured: weights 1 and 3: exactly 100 of 400 and 300."""
    engine, service = build(
        4,
        lambda i: {"locality": (HERE, THERE)[i // 2], "locality_weight": (1, 3)[i // 2]},
        locality_weighted=True,
    )
    found = Counter(pod // 2 for pod in picks(engine, service, 400))
    assert abs(found[0] - 100) <= 1


def test_a_locality_half_down_weighs_seven_tenths() -> None:
    engine, service = build(
        8,
        lambda i: {"locality": (HERE, THERE)[i // 4], "locality_weight": 1, "healthy": i < 6},
        locality_weighted=True,
    )
    assert shares(picks(engine, service, 1700), lambda pod: pod // 4)[1] == pytest.approx(0.7 / 1.7, abs=0.01)


def test_weights_of_localities_count_only_when_configured() -> None:
    engine, service = build(4, lambda i: {"locality": (HERE, THERE)[i // 2], "locality_weight": (1, 3)[i // 2]})
    assert set(Counter(picks(engine, service, 400)).values()) == {100}


def test_a_locality_without_weight_gets_nothing() -> None:
    engine, service = build(
        4, lambda i: {"locality": (HERE, THERE)[i // 2], "locality_weight": i // 2}, locality_weighted=True
    )
    assert set(picks(engine, service, 100)) == {2, 3}


def zoned(upstream: tuple[int, ...], local: tuple[int, ...], **zone: Any) -> tuple[Engine, Service, list[int]]:
    """A service with so many hosts in each of three zones, called from the first one."""
    names = (HERE, THERE, FAR)
    where = [names[zone_] for zone_, n in enumerate(upstream) for _ in range(n)]
    engine = Engine(1, mode="plain", sample_rate=1.0)
    own = engine.add_cluster(replace(CLUSTER, local=True, locality=HERE, policy=RR))
    us = [names[zone_] for zone_, n in enumerate(local) for _ in range(n)]
    engine.set_hosts(own, [(i, replace(HOST, locality=name)) for i, name in enumerate(us)])
    spec = {"policy": RR, "locality": HERE, "zone": ZoneSpec(local=own, **zone)}
    service = add_service(engine, pods=len(where), cluster=spec)
    engine.set_hosts(service.cluster, [(key, replace(host, locality=where[key])) for key, host in service.hosts])
    return engine, service, [names.index(name) for name in where]


@pytest.mark.parametrize(
    ("upstream", "local", "expected"),
    [
        ((2, 4, 2), (4, 4, 2), (0.625, 0.25, 0.125)),  # measured 2496, 1020, 484 of 4000
        ((4, 3, 1), (4, 4, 2), (1.0, 0.0, 0.0)),
        ((1, 2, 2), (4, 4, 2), (0.2, 0.4, 0.4)),  # five hosts are too few
    ],
)
def test_zones(upstream: tuple[int, ...], local: tuple[int, ...], expected: tuple[float, ...]) -> None:
    engine, service, zone_of = zoned(upstream, local)
    found = shares(picks(engine, service, 4000), lambda pod: zone_of[pod])
    for zone, share in enumerate(expected):
        assert found.get(zone, 0.0) == pytest.approx(share, abs=0.025)


def test_zones_follow_the_callers_own_cluster() -> None:
    engine, service, zone_of = zoned((2, 4, 2), (4, 4, 2))
    engine.set_hosts(0, [(i, replace(HOST, locality=(HERE, THERE)[i % 4 > 0])) for i in range(4)], 3 * SECOND)
    found = picks(engine, service, 400, begin=4 * SECOND)
    assert {zone_of[pod] for pod in found} == {0}


# -- weights, least request, slow start ----------------------------------------------------------------------------


@pytest.mark.parametrize(("bias", "shares_of_two"), [(0.0, (0.2, 0.8)), (1.0, (1 / 3, 2 / 3))])
def test_active_request_bias(bias: float, shares_of_two: tuple[float, float]) -> None:
    """Weights 1 and 4 under steady load: rates go with weight / active^bias, and active with the rate."""
    engine, service = build(
        2,
        lambda i: {"weight": (1, 4)[i]},
        policy=LbPolicy.LEAST_REQUEST,
        active_request_bias=bias,
        handler={"service": fixed(300 * MS)},
    )
    assert shares(picks(engine, service, 3000), int)[0] == pytest.approx(shares_of_two[0], abs=0.01)


def test_full_scan_fills_hosts_evenly() -> None:
    """Measured: 20 requests of 300 ms, 5 ms apart, over 5 hosts."""
    engine, service = build(
        5, lambda _: {}, policy=LbPolicy.LEAST_REQUEST, full_scan=True, handler={"service": fixed(300 * MS)}
    )
    found = picks(engine, service, 20, gap=5 * MS)
    assert Counter(found) == dict.fromkeys(range(5), 4)
    assert len({*found[:5]}) == 5


def test_each_event_loop_has_a_turn_of_its_own_which_outlives_changes() -> None:
    engine, service = build(3, lambda i: {"priority": int(i == 2)}, workers=2)
    rows = ends(engine, service, *[2 * SECOND + turn * MS for turn in range(200)])
    for worker in range(2):
        own = rows[rows["worker"] == worker]["pod"].tolist()
        assert all(a != b for a, b in pairwise(own))
    changed = [(key, replace(host, priority=int(key == 2))) for key, host in service.hosts]
    engine.set_hosts(service.cluster, changed[:2])
    before = rows[rows["worker"] == 0]["pod"].tolist()[-1]
    again = ends(engine, service, *[engine.now + SECOND + turn * MS for turn in range(20)])
    assert again[again["worker"] == 0]["pod"].tolist()[0] != before


def test_a_new_host_starts_slowly() -> None:
    """Measured for two hosts and a window of 8 s, second by second."""
    engine, service = build(2, lambda _: {}, slow_start=SlowStartSpec(window=8 * SECOND))
    first, second = service.hosts
    engine.set_hosts(service.cluster, [first], 0)
    engine.set_hosts(service.cluster, [first, second], 20 * SECOND)
    times = [20 * SECOND + turn * MS for turn in range(10_000)]
    rows = ends(engine, service, *times)
    pods = rows["pod"].reshape(10, 1000)
    measured = (0.093, 0.158, 0.237, 0.304, 0.359, 0.407, 0.448, 0.484, 0.5, 0.5)
    assert (pods == second[0]).mean(axis=1).tolist() == pytest.approx(measured, abs=0.02)


# -- hashing -------------------------------------------------------------------------------------------------------

HASHES = (LbPolicy.RING_HASH, LbPolicy.MAGLEV)
SMALL = HashingSpec(table_size=1009)


def keyed(engine: Engine, service: Service, text: str, **route: Any) -> int:
    """A flow whose requests have the hash of a text."""
    flow = engine.add_flow(FlowSpec(proxy=service.proxy, workload=0, pod=-1, call=-1))
    spec = replace(_route(service), hash=xx_hash64(text.encode()), **route)
    engine.set_route(flow, spec)
    return flow


def _route(service: Service) -> RouteSpec:
    return replace(ROUTE, clusters=((service.cluster, 1),))


# Measured for header values over six equal hosts 127.77.0.1:18080 to .6 (numbers from 0).
PICKS = {
    LbPolicy.RING_HASH: {"user-0": 2, "user-1": 5, "user-2": 0, "user-3": 3, "user-7": 4, "user-12": 1},
}


def test_ring_picks_are_envoys() -> None:
    engine, service = build(6, lambda i: {"hash_key": f"127.77.0.{i + 1}:18080"}, policy=LbPolicy.RING_HASH)
    for turn, text in enumerate(PICKS[LbPolicy.RING_HASH]):
        add_requests(engine, keyed(engine, service, text), [(2 + turn) * SECOND])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    assert rows[np.argsort(rows["start"])]["pod"].tolist() == list(PICKS[LbPolicy.RING_HASH].values())


@pytest.mark.parametrize("policy", HASHES)
def test_one_key_one_host_until_that_host_goes(policy: LbPolicy) -> None:
    engine, service = build(5, lambda i: {"hash_key": f"10.0.0.{i}:80"}, policy=policy, hashing=SMALL)
    flows = [keyed(engine, service, f"k{i}") for i in range(40)]
    for flow in flows:
        add_requests(engine, flow, [2 * SECOND, 3 * SECOND, 6 * SECOND])
    without = [(key, replace(host, hash_key=f"10.0.0.{key}:80")) for key, host in service.hosts if key != 2]
    engine.set_hosts(service.cluster, without, 4 * SECOND)
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    found = {flow: rows[rows["flow"] == flow]["pod"].tolist() for flow in flows}
    assert all(first == second for first, second, _ in found.values())
    assert {first for first, *_ in found.values()} == set(range(5))
    moved = sum(second != third for _, second, third in found.values() if second != 2)
    # A ring of fewer hosts gets more places for each, so that some keys of the others move too.
    assert moved <= 12


@pytest.mark.parametrize("policy", HASHES)
def test_without_a_hash_every_request_falls_anywhere(policy: LbPolicy) -> None:
    engine, service = build(4, lambda _: {}, policy=policy, hashing=SMALL)
    found = Counter(picks(engine, service, 4000))
    assert max(found.values()) < 1300


@pytest.mark.parametrize("policy", HASHES)
def test_a_hash_chooses_the_priority_too(policy: LbPolicy) -> None:
    """The same number modulo 100 (thread_aware_lb_impl.cc): one key keeps its priority."""
    engine, service = build(20, lambda i: {"priority": i // 10, "healthy": i >= 5}, policy=policy, hashing=SMALL)
    flows = {text: keyed(engine, service, text) for text in (f"k{i}" for i in range(60))}
    for flow in flows.values():
        add_requests(engine, flow, [2 * SECOND])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    for text, flow in flows.items():
        expected = int(xx_hash64(text.encode()) % 100 + 1 > 70)
        assert rows[rows["flow"] == flow]["pod"].tolist()[0] // 10 == expected


@pytest.mark.parametrize("policy", HASHES)
def test_retries_go_on_from_the_hash(policy: LbPolicy) -> None:
    """The next place of a ring, or the table under another number: not the host that was tried."""
    engine, service = build(
        5,
        lambda i: {"inbound": InboundKind.REPLY, "inbound_status": 503, "hash_key": f"10.0.0.{i}:80"},
        policy=policy,
        hashing=SMALL,
    )
    flow = keyed(engine, service, "k", retries=2, retry_on=RetryOn.FIVE_XX, host_reselect_attempts=9)
    add_requests(engine, flow, [2 * SECOND, 3 * SECOND])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    rows = rows[np.lexsort((rows["attempt"], rows["start"]))]
    first, second = rows["pod"].reshape(2, 3).tolist()
    assert first == second
    assert len(set(first)) == 3


@pytest.mark.parametrize("policy", HASHES)
def test_bounded_load_moves_on_when_a_host_is_full(policy: LbPolicy) -> None:
    """One key, 16 requests at once over 4 hosts: no host above its slots (thread_aware_lb_impl.cc)."""
    engine, service = build(
        4,
        lambda i: {"hash_key": f"10.0.0.{i}:80"},
        policy=policy,
        hashing=replace(SMALL, balance_factor=125),
        handler={"service": fixed(SECOND)},
    )
    add_requests(engine, keyed(engine, service, "same"), [2 * SECOND + turn * MS for turn in range(16)])
    engine.run_until(100 * SECOND)
    rows = engine.drain()
    active = [0] * 4
    for turn, pod in enumerate(rows[np.argsort(rows["start"])]["pod"].tolist()):
        # A host takes a request while it has not more than its slots of 125 % of the mean.
        assert active[pod] <= max(-(-(((turn + 1) * 125 + 99) // 100) // 4), 1)
        active[pod] += 1
    assert max(active) <= 6


def test_sessions_keep_their_host() -> None:
    engine, service = build(5, lambda _: {}, policy=LbPolicy.MAGLEV, hashing=SMALL)
    flow = keyed(engine, service, "any")
    engine.set_route(flow, replace(_route(service), session=True))
    add_requests(engine, flow, [2 * SECOND + turn * MS for turn in range(200)])
    engine.run_until(100 * SECOND)
    assert len(set(engine.drain()["pod"].tolist())) == 5


def test_the_twister_is_the_standard_one() -> None:
    """std::mt19937 with seed 5489 gives 4123659995 as its 10,000th number (C++ standard, rand.predef)."""
    engine = Engine(1, mode="plain")
    state = engine.tables.state
    engine.tables.reserve("twister", core.TWISTER)
    core.seed_twister(state, 5489)
    found = [core.twist(state, turn) for turn in range(10_000)]
    assert found[0] == 3499211612
    assert found[-1] == 4123659995


# -- which clusters need all this ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "hosts", "expected"),
    [
        ({}, [{}, {}], False),
        ({"locality_weighted": True}, [{"locality": HERE}, {"locality": HERE}], False),
        ({"locality_weighted": True}, [{"locality": HERE}, {"locality": FAR}], True),
        ({}, [{"locality": HERE}, {"locality": FAR}], False),
        ({}, [{}, {"weight": 2}], True),
        ({"policy": LbPolicy.RANDOM}, [{}, {"weight": 2}], False),
        ({}, [{}, {"priority": 1}], True),
        ({"policy": LbPolicy.RING_HASH}, [{}], True),
        ({"policy": LbPolicy.ORIGINAL_DST}, [{"weight": 2}, {}], False),
    ],
)
def test_needs_plan(spec: dict[str, Any], hosts: list[dict[str, Any]], expected: bool) -> None:
    found: list[HostSpec] = [replace(HOST, **host) for host in hosts]
    assert needs_plan(replace(CLUSTER, **spec), found) is expected


def test_too_many_priorities_are_told() -> None:
    with pytest.raises(LimitError, match="priorities"):
        build(2, lambda i: {"priority": 100 * i})
