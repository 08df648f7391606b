"""Shares of priorities, zones and localities: the tables of Envoy's documentation, corrected by what 1.40 does."""

from __future__ import annotations

import heapq
import random

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.balancing import (
    Availability,
    ZoneRule,
    ZoneState,
    locality_weight,
    route_zones,
    share_load,
    slow_start_factor,
    start_schedule,
)
from meshsim.dataplane.specs import SlowStartSpec
from meshsim.units import SECOND

ANY = ZoneRule(min_cluster_size=6, force_local=0)


def level(total: int, healthy: int, degraded: int = 0, excluded: int = 0) -> Availability:
    return Availability(
        total - excluded, healthy, degraded, hosts=total, panic_total=total - excluded, usable=healthy + degraded
    )


@pytest.mark.parametrize(
    ("levels", "threshold", "healthy", "degraded", "panic"),
    [
        # docs/root/intro/arch_overview/upstream/load_balancing/priority.rst and panic_threshold.rst
        ([level(100, 72), level(100, 100)], 50, [100, 0], [0, 0], [False, False]),
        ([level(100, 71), level(100, 71)], 50, [99, 1], [0, 0], [False, False]),
        ([level(100, 50), level(100, 60)], 50, [70, 30], [0, 0], [False, False]),
        ([level(100, 25), level(100, 100)], 50, [35, 65], [0, 0], [False, False]),
        ([level(100, 25), level(100, 25)], 50, [50, 50], [0, 0], [True, True]),
        # The page says 7/93: the rest of the rounding goes to the first priority.
        ([level(100, 5), level(100, 65)], 50, [8, 92], [0, 0], [True, False]),
        ([level(100, 0), level(100, 100)], 50, [0, 100], [0, 0], [False, False]),
        # The page says 36/36/28. Measured 37.0/35.3/27.7.
        ([level(100, 25), level(100, 25), level(100, 20)], 0, [37, 35, 28], [0, 0, 0], [False] * 3),
        # All in panic: by number of hosts. Measured on 4, 4 and 5 hosts.
        ([level(4, 1), level(4, 1), level(5, 1)], 50, [32, 30, 38], [0, 0, 0], [True] * 3),
        # The example in the comment of recalculatePerPriorityState; 2 % of rounding to the first.
        (
            [level(140, 10, 20), level(140, 20, 10), level(140, 10, 0)],
            0,
            [16, 28, 14],
            [28, 14, 0],
            [False] * 3,
        ),
        # Measured: one healthy and three degraded hosts 35/65.
        ([level(4, 1, 3)], 50, [35], [65], [False]),
        ([level(4, 3, 1)], 50, [100], [0], [False]),
        ([level(4, 0, 4)], 50, [0], [100], [False]),
        # Nothing at all: the first priority, where nobody serves.
        ([level(4, 0), level(4, 0)], 0, [100, 0], [0, 0], [False, False]),
        ([level(0, 0), level(0, 0)], 50, [100, 0], [0, 0], [True, True]),
        # Draining hosts do not count.
        ([level(4, 2, excluded=2), level(4, 4)], 50, [100, 0], [0, 0], [False, False]),
    ],
)
def test_priorities(
    levels: list[Availability], threshold: float, healthy: list[int], degraded: list[int], panic: list[bool]
) -> None:
    found = share_load(levels, threshold, 140)
    assert [share.healthy for share in found] == healthy
    assert [share.degraded for share in found] == degraded
    assert [share.panic for share in found] == panic


@pytest.mark.parametrize(("factor", "first"), [(100, 50), (140, 70), (200, 100)])
def test_overprovisioning(factor: int, first: int) -> None:
    assert share_load([level(10, 5), level(10, 10)], 50, factor)[0].healthy == first


def test_loads_are_all_of_the_load() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        levels = []
        for _ in range(chance.randint(1, 4)):
            total = chance.randint(0, 10)
            healthy = chance.randint(0, total)
            levels.append(level(total, healthy, chance.randint(0, total - healthy)))
        found = share_load(levels, chance.choice((0, 20, 50, 100)), chance.choice((100, 140, 200)))
        assert sum(share.healthy + share.degraded for share in found) == 100


def test_localities_weigh_less_once_too_few_of_their_hosts_are_left() -> None:
    assert locality_weight(3, 2, 2, 140) == 3
    assert locality_weight(1, 2, 4, 140) == pytest.approx(0.7)
    assert locality_weight(1, 3, 4, 140) == 1
    assert locality_weight(9, 0, 4, 140) == 0
    assert locality_weight(9, 0, 0, 140) == 0


def zones(*counts: int) -> list[tuple[str, int]]:
    return [(name, n) for name, n in zip("abc", counts, strict=False) if n]


def local(*counts: int) -> list[tuple[str, int, int]]:
    return [(name, n, n) for name, n in zip("abc", counts, strict=False) if n]


def test_zones_share_what_the_own_one_cannot_take() -> None:
    """Measured: local 40/40/20 %, upstream 25/50/25 %: 62.5 % stay, the rest 10:5."""
    found = route_zones(zones(2, 4, 2), local(4, 4, 2), "a", ANY, 50)
    assert found == (ZoneState.RESIDUAL, 6250, (0, 1000, 1500))


def test_an_own_zone_with_enough_takes_all() -> None:
    assert route_zones(zones(4, 3, 1), local(4, 4, 2), "a", ANY, 50).state is ZoneState.DIRECT


def test_without_own_hosts_everything_goes_to_those_with_room() -> None:
    found = route_zones([("b", 4), ("c", 4)], local(3, 3), "a", ANY, 50)
    assert found == (ZoneState.RESIDUAL, 0, (0, 5000))


@pytest.mark.parametrize(
    ("upstream", "own", "rule", "state"),
    [
        (zones(2, 3), local(4, 4, 2), ANY, ZoneState.OFF),  # too small
        (zones(1, 4), local(4, 4, 2), ZoneRule(5, 0), ZoneState.RESIDUAL),
        (zones(8), local(4, 4), ANY, ZoneState.OFF),  # one zone upstream
        (zones(4, 4), local(4), ANY, ZoneState.OFF),  # one zone here
        (zones(1, 7), local(4, 0), ZoneRule(6, 1), ZoneState.DIRECT),  # forced
        (zones(1, 7), local(4, 4), ZoneRule(6, 2), ZoneState.RESIDUAL),  # forced from two on
        (zones(4, 4), [("b", 4, 4), ("c", 4, 4)], ANY, ZoneState.OFF),  # none of us here
        (zones(4, 4), [("a", 1, 4), ("b", 1, 4)], ANY, ZoneState.UNKNOWN),  # most of us are ill
    ],
)
def test_when_zones_count(
    upstream: list[tuple[str, int]], own: list[tuple[str, int, int]], rule: ZoneRule, state: ZoneState
) -> None:
    assert route_zones(upstream, own, "a", rule, 50).state is state


def test_a_schedule_that_starts_in_the_middle_gives_each_its_share() -> None:
    """The picks of a whole turn are the weights, up to one in hand, and nobody waits longer than its own step."""
    chance = random.Random(3)
    for _ in range(50):
        weights = [chance.choice((1, 2, 3, 5, 8)) for _ in range(chance.randint(2, 6))]
        steps = [core.EDF_UNIT // weight for weight in weights]
        found = start_schedule(steps, chance.getrandbits(32), 10)
        assert all(0 <= d.time <= step for d, step in zip(found, steps, strict=True))
        assert min(d.time for d in found) == 0
        assert len({d.order for d in found}) == len(found)
        queue = [(*d, i) for i, d in enumerate(found)]
        heapq.heapify(queue)
        order, picks = 1000, [0] * len(weights)
        for _ in range(sum(weights)):
            time, _, i = heapq.heappop(queue)
            picks[i] += 1
            order += 1
            heapq.heappush(queue, (time + steps[i], order, i))
        assert all(abs(n - weight) <= 1 for n, weight in zip(picks, weights, strict=True))
        assert sum(picks) == sum(weights)


def test_a_new_host_grows_into_its_weight() -> None:
    rule = SlowStartSpec(window=8 * SECOND)
    assert slow_start_factor(0, rule) == 0.1
    assert slow_start_factor(4000, rule) == 0.5
    assert slow_start_factor(8000, rule) == 1
    quick = SlowStartSpec(window=8 * SECOND, aggression=2.0, least_percent=50)
    assert slow_start_factor(1000, quick) == 0.5
    assert slow_start_factor(4000, quick) == pytest.approx(0.5**0.5)
