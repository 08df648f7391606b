"""How Envoy spreads load over priorities, zones and localities, as pure functions of counts and weights.

Source of every rule: Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc and locality_wrr.cc,
measured on 1.40 where the documentation says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from meshsim.dataplane import core
from meshsim.dataplane.specs import SlowStartSpec
from meshsim.units import MILLISECOND

OVERPROVISIONING: Final = 140
"""Percent, unless the assignment's policy says otherwise."""
_PARTS: Final = 10_000


class Availability(NamedTuple):
    """Hosts of one priority, or their weights where the policy weighs them."""

    total: int
    """Without the excluded ones."""
    healthy: int
    degraded: int
    hosts: int
    """Number of all, excluded or not."""
    panic_total: int
    """Number of all but the excluded ones."""
    usable: int
    """Number of healthy and degraded ones."""


class PriorityShare(NamedTuple):
    """What one priority gets."""

    healthy: int
    """Percent of the requests for its healthy hosts."""
    degraded: int
    panic: bool
    """Whether every host of it is used, healthy or not."""
    health: int
    """Availability of its healthy hosts in percent, overprovisioned and before it is normalised."""
    degraded_health: int


def share_load(levels: Sequence[Availability], threshold: float, factor: int) -> list[PriorityShare]:
    """Load and panic of each priority; `threshold` in percent (0 = never panic), `factor` is the overprovisioning.

    recalculatePerPriorityState, recalculatePerPriorityPanic and recalculateLoadInTotalPanic.
    """
    health = [_available(factor, x.healthy, x.total) for x in levels]
    degraded = [_available(factor, x.degraded, x.total) for x in levels]
    norm = min(100, sum(health) + sum(degraded))
    loads, degraded_loads = [0] * len(levels), [0] * len(levels)
    if norm:
        left = _distribute(loads, health, 100, norm)
        left = _distribute(degraded_loads, degraded, left, norm)
        first = _first(health)
        if first is not None:
            loads[first] += left
        elif left:
            degraded_loads[_first(degraded) or 0] += left
    threshold = min(threshold, 100)
    panic = [norm < 100 and _in_panic(x, threshold) for x in levels]
    if not threshold and not norm:
        loads[:1], panic = [100], [False] * len(levels)
    elif all(panic):
        loads, degraded_loads = _total_panic(levels), [0] * len(levels)
    return [PriorityShare(*share) for share in zip(loads, degraded_loads, panic, health, degraded, strict=True)]


def _available(factor: int, part: int, total: int) -> int:
    return min(100, factor * part // total) if total else 0


def _first(availability: Sequence[int]) -> int | None:
    return next((i for i, value in enumerate(availability) if value), None)


def _distribute(loads: list[int], availability: Sequence[int], left: int, norm: int) -> int:
    for i, value in enumerate(availability):
        loads[i] = min(left, value * 100 // norm)
        left -= loads[i]
    return left


def _in_panic(level: Availability, threshold: float) -> bool:
    usable = 100.0 * level.usable / level.panic_total if level.panic_total else 0.0
    return usable < threshold


def _total_panic(levels: Sequence[Availability]) -> list[int]:
    """By number of hosts; without any the first priority gets what nobody serves."""
    total = sum(level.hosts for level in levels)
    if not total:
        return [100 if i == 0 else 0 for i in range(len(levels))]
    loads = [100 * level.hosts // total for level in levels]
    loads[next(i for i, level in enumerate(levels) if level.hosts)] += 100 - sum(loads)
    return loads


def locality_weight(weight: int, eligible: int, total: int, factor: int) -> float:
    """Weight of a locality that has `eligible` of `total` hosts (without excluded ones): effectiveLocalityWeight."""
    return weight * min(1.0, factor / 100.0 * eligible / total) if total else 0.0


class ZoneState(IntEnum):
    """What zone aware routing does with the first priority."""

    OFF = core.ZONE_OFF
    DIRECT = core.ZONE_DIRECT
    """Everything stays in the own zone."""
    RESIDUAL = core.ZONE_RESIDUAL
    """What the own zone cannot take goes to the zones with capacity to spare."""
    UNKNOWN = core.ZONE_UNKNOWN
    """The callers' own cluster is in panic."""


class Zones(NamedTuple):
    """Zone aware routing of the first priority."""

    state: ZoneState
    own_share: int = 0
    """Parts in 10,000 that stay in the own zone."""
    residual: tuple[int, ...] = ()
    """Capacity left in this and all zones before it, zone by zone."""


class ZoneRule(NamedTuple):
    """The part of a cluster's configuration that decides."""

    min_cluster_size: int
    force_local: int
    """Healthy hosts in the own zone that keep everything there, 0 = not for that alone."""


def route_zones(
    upstream: Sequence[tuple[str, int]],
    local: Sequence[tuple[str, int, int]],
    own: str,
    rule: ZoneRule,
    threshold: float,
) -> Zones:
    """Zone aware routing from the healthy hosts of the cluster and of the callers' own cluster.

    `upstream`: (zone, healthy hosts), the own zone first if it has hosts; `local`: (zone, healthy, all but excluded
    hosts). earlyExitNonLocalityRouting, regenerateLocalityRoutingStructures.
    """
    if len(upstream) < 2 or (len(local) < 2 and not rule.force_local):
        return Zones(ZoneState.OFF)
    if not any(zone == own and total for zone, _, total in local):
        return Zones(ZoneState.OFF)
    if sum(healthy for _, healthy in upstream) < rule.min_cluster_size:
        return Zones(ZoneState.OFF)
    total = sum(all_ for *_, all_ in local)
    if (100.0 * sum(healthy for _, healthy, _ in local) / total if total else 0.0) < threshold:
        return Zones(ZoneState.UNKNOWN)
    here = {zone: healthy for zone, healthy, _ in local if healthy}
    callers, servers = sum(here.values()), sum(healthy for _, healthy in upstream)
    shares = [
        (_PARTS * here.get(zone, 0) // callers if callers and n else 0, _PARTS * n // servers if servers else 0)
        for zone, n in upstream
    ]
    has_own = upstream[0][0] == own
    local_share, own_share = shares[0]
    forced = rule.force_local and upstream[0][1] >= rule.force_local
    if has_own and ((own_share > 0 and own_share >= local_share) or forced):
        return Zones(ZoneState.DIRECT)
    routed = own_share * _PARTS // local_share if has_own and local_share else 0
    residual, left = [], 0
    for i, (local_part, part) in enumerate(shares):
        if i or not has_own:
            left += max(part - local_part, 0)
        residual.append(left)
    return Zones(ZoneState.RESIDUAL, routed, tuple(residual))


def slow_start_factor(age_ms: int, rule: SlowStartSpec) -> float:
    """What of its weight a host has `age_ms` after it became healthy (applySlowStartFactor)."""
    window_ms = rule.window // MILLISECOND
    if age_ms >= window_ms:
        return 1.0
    grown = math.pow(max(age_ms, 1) / window_ms, 1 / rule.aggression)
    return max(grown, rule.least_percent / 100)


class Deadline(NamedTuple):
    """Place of an entry in a weighted schedule."""

    time: int
    order: int


def start_schedule(steps: Sequence[int], picks: int, order: int) -> list[Deadline]:
    """A weighted schedule as if `picks` picks had been made, without the time that has passed by then.

    `steps`: distance of each entry's deadlines (1/weight); `order`: the last place given in the order of insertion.
    Envoy source/common/upstream/edf_scheduler.h, createWithPicks.
    """
    picks %= 429_496_729
    weights = [1.0 / step for step in steps]
    total = sum(weights)
    made = [int(picks * weight / total) for weight in weights]
    times = [(n + 1) * step for n, step in zip(made, steps, strict=True)]
    orders = [order + 1 + i for i in range(len(steps))]
    order += len(steps)
    for _ in range(picks - sum(made)):
        first = min(range(len(steps)), key=lambda i: (times[i], orders[i]))
        order += 1
        times[first] += steps[first]
        orders[first] = order
    base = min(times)
    return [Deadline(time - base, place) for time, place in zip(times, orders, strict=True)]
