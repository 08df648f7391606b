"""Shares, retries, back-off and timeouts against binomial, geometric and exponential laws, with exact variances."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import Flag, LbPolicy, RetryOn
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.testing.meshes import Service, add_service, add_traffic, exponential
from meshsim.testing.queueing import binomial_deviation
from meshsim.units import MILLISECOND, SECOND

SEEDS = (1, 2, 3)
LIMIT = 4.0
REQUESTS = 2_000 if choose_mode() is Mode.PLAIN else 20_000


def run(engine: Engine, flow: int, requests: int = REQUESTS) -> np.ndarray:
    """Log rows of about `requests` requests of a flow, all finished."""
    add_traffic(engine, [flow], 1000.0, stop=requests * MILLISECOND)
    engine.run_until(requests * MILLISECOND + 100 * SECOND)
    assert engine.counters.in_flight == 0
    return engine.drain()


def split(engine: Engine, weights: tuple[int, ...]) -> tuple[Service, list[int]]:
    """A flow over clusters with these weights."""
    services = [add_service(engine) for _ in weights]
    clusters = tuple((one.cluster, weight) for one, weight in zip(services, weights, strict=True))
    return add_service(engine, route={"clusters": clusters}), [one.cluster for one in services]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weights", [(90, 10), (99, 1), (1, 1, 1), (25, 75)])
def test_weighted_clusters_get_their_shares(seed: int, weights: tuple[int, ...]) -> None:
    engine = Engine(seed, sample_rate=1.0)
    service, clusters = split(engine, weights)
    rows = run(engine, service.flow)
    hits = Counter(rows["cluster"].tolist())
    for cluster, weight in zip(clusters, weights, strict=True):
        assert abs(binomial_deviation(hits[cluster], len(rows), weight / sum(weights))) < LIMIT


def test_a_biased_share_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A modulus taken of too few bits of the random number (here: 7) shows in a 90/10 split."""
    honest = core.draw
    monkeypatch.setattr(
        core, "draw", lambda i, purpose: honest(i, purpose) & 127 if purpose == core.P_STREAM else honest(i, purpose)
    )
    engine = Engine(1, mode="plain", sample_rate=1.0)
    service, clusters = split(engine, (90, 10))
    rows = run(engine, service.flow, 6_000)
    hits = Counter(rows["cluster"].tolist())
    assert abs(binomial_deviation(hits[clusters[0]], len(rows), 0.9)) > LIMIT


@pytest.mark.parametrize("seed", SEEDS)
def test_mirror_and_split_share_one_random_number(seed: int) -> None:
    """A 50 % mirror beside a 50/50 split copies exactly what the split sends to its first cluster."""
    engine = Engine(seed, sample_rate=1.0)
    shadow = add_service(engine)
    first, second = add_service(engine), add_service(engine)
    service = add_service(
        engine,
        route={
            "clusters": ((first.cluster, 500_000), (second.cluster, 500_000)),
            "mirrors": ((shadow.cluster, 500_000),),
        },
    )
    rows = run(engine, service.flow)
    mirrored = {int(parent) for parent in rows["parent"][rows["mirror"] == 1]}
    to_first = {int(i) for i in rows["request"][(rows["mirror"] == 0) & (rows["cluster"] == first.cluster)]}
    assert mirrored == to_first
    assert abs(binomial_deviation(len(mirrored), int((rows["mirror"] == 0).sum()), 0.5)) < LIMIT


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("error_rate", "retries"), [(0.3, 2), (0.5, 4), (0.1, 1)])
def test_tries_are_geometric(seed: int, error_rate: float, retries: int) -> None:
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(
        engine,
        pods=3,
        handler={"error_rate": error_rate},
        route={"retries": retries, "retry_on": RetryOn.FIVE_XX},
    )
    rows = run(engine, service.flow)
    last = rows[rows["last"] == 1]
    tries = Counter(last["attempt"].tolist())
    total = len(last)
    for number in range(1, retries + 2):
        law = error_rate ** (number - 1) * (1 if number == retries + 1 else 1 - error_rate)
        assert abs(binomial_deviation(tries[number], total, law)) < LIMIT
    failed = last[last["status"] == 503]
    assert abs(binomial_deviation(len(failed), total, error_rate ** (retries + 1))) < LIMIT
    assert set(failed["flags"].tolist()) <= {int(Flag.URX)}
    assert set(failed["attempt"].tolist()) <= {retries + 1}


@pytest.mark.parametrize("seed", SEEDS)
def test_back_off_is_uniform_below_envoys_caps(seed: int) -> None:
    """Means measured on Envoy 1.40: 12.3, 27, 48, 102, 124, 128 ms, that is whole milliseconds in [0, cap)."""
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(engine, handler={"error_rate": 1.0}, route={"retries": 6, "retry_on": RetryOn.GATEWAY_ERROR})
    rows = run(engine, service.flow, 2_000)
    order = np.lexsort((rows["attempt"], rows["request"]))
    rows = rows[order]
    for number, cap in enumerate((25, 50, 100, 200, 250, 250), 1):
        waits = rows["attempt_start"][rows["attempt"] == number + 1] - rows["end"][rows["attempt"] == number]
        whole, rest = np.divmod(waits, MILLISECOND)
        assert not rest.any()
        assert whole.min() >= 0
        assert whole.max() < cap
        spread = math.sqrt((cap * cap - 1) / 12 / len(whole))
        assert abs(whole.mean() - (cap - 1) / 2) < LIMIT * spread


@pytest.mark.parametrize("seed", SEEDS)
def test_route_timeout_cuts_the_exponential_tail(seed: int) -> None:
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(
        engine, handler={"service": exponential(10 * MILLISECOND)}, route={"timeout": 15 * MILLISECOND}
    )
    rows = run(engine, service.flow)
    late = rows[rows["status"] == 504]
    assert abs(binomial_deviation(len(late), len(rows), math.exp(-1.5))) < LIMIT
    assert set(late["flags"].tolist()) == {int(Flag.UT)}
    assert set((late["end"] - late["start"]).tolist()) == {15 * MILLISECOND}


@pytest.mark.parametrize("seed", SEEDS)
def test_per_try_timeouts_are_retried_by_the_same_law(seed: int) -> None:
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(
        engine,
        pods=2,
        handler={"service": exponential(10 * MILLISECOND)},
        route={"per_try_timeout": 10 * MILLISECOND, "retries": 2, "retry_on": RetryOn.RESET},
    )
    rows = run(engine, service.flow)
    last = rows[rows["last"] == 1]
    late = math.exp(-1.0)
    failed = last[last["status"] == 504]
    assert abs(binomial_deviation(len(failed), len(last), late**3)) < LIMIT
    assert set(failed["flags"].tolist()) == {int(Flag.URX | Flag.UT)}
    tries = Counter(last["attempt"].tolist())
    for number, law in ((1, 1 - late), (2, late * (1 - late)), (3, late * late)):
        assert abs(binomial_deviation(tries[number], len(last), law)) < LIMIT


@pytest.mark.parametrize("seed", SEEDS)
def test_least_request_takes_the_busier_of_two_once_in_four(seed: int) -> None:
    """Two uniform picks with replacement, the second only if strictly less loaded: the busier beats only itself."""
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(engine, pods=2)
    (busy, busy_host), (idle, idle_host) = service.hosts
    stuck = [(busy, busy_host), (idle, idle_host)]
    stuck[0] = (busy, replace(busy_host, lost=1.0))
    engine.set_hosts(service.cluster, stuck)
    add_traffic(engine, [service.flow], 100.0, stop=40 * SECOND)
    engine.run_until(50 * SECOND)
    state = engine.host_state(service.cluster, busy)
    total = engine.cluster_stats(service.cluster).rq_total
    # Until the first request hangs both are idle, ties keep the first pick: one request more or less.
    assert abs(binomial_deviation(state.active, total, 0.25)) < LIMIT


@pytest.mark.parametrize("seed", SEEDS)
def test_random_and_round_robin(seed: int) -> None:
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(engine, pods=4, cluster={"policy": LbPolicy.RANDOM})
    hits = Counter(run(engine, service.flow)["pod"].tolist())
    total = sum(hits.values())
    for pod in service.pods:
        assert abs(binomial_deviation(hits[pod], total, 0.25)) < LIMIT
    engine = Engine(seed, sample_rate=1.0)
    service = add_service(engine, pods=4, cluster={"policy": LbPolicy.ROUND_ROBIN})
    turns = run(engine, service.flow, 1_000)["pod"].tolist()
    assert all(after == (before + 1) % 4 for before, after in pairwise(turns))
