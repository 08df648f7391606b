"""Plans of clusters whose hosts are more than one list of equals: what the event core picks from, made when it changes.

The core notes which priorities of which cluster changed for its balancer and stops; the planner reads how their hosts
are now, and writes loads, lists, schedules and hash tables. State that outlives a change stays where it is: a turn of
the round robin belongs to a list of hosts, and the schedules of priorities that did not change go on.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.dataplane import core
from meshsim.dataplane.balancing import (
    OVERPROVISIONING,
    Availability,
    ZoneRule,
    Zones,
    ZoneState,
    locality_weight,
    route_zones,
    share_load,
    slow_start_factor,
    start_schedule,
)
from meshsim.dataplane.hashing import SIGN, WeightedKey, build_maglev, build_ring
from meshsim.dataplane.specs import ClusterSpec, HostSpec, LbPolicy, Locality
from meshsim.dataplane.storage import Tables
from meshsim.errors import LimitError
from meshsim.kernel import draw

_MOST_LEVELS: Final = 62
"""Priorities the core keeps apart; Istio makes at most one for each step from the same sub-zone to another region."""
_TABLES: Final = (LbPolicy.RING_HASH, LbPolicy.MAGLEV)


class HostFacts(NamedTuple):
    """What never changes about a host row; a host that moves to another priority or locality is another host."""

    priority: int
    locality: Locality
    hash_key: str


class _Host(NamedTuple):
    row: int
    health: int
    weight: int
    locality_weight: int
    facts: HostFacts


@dataclass(slots=True)
class _Region:
    """A stretch of a table or column that belongs to one priority."""

    at: int = 0
    size: int = 0


@dataclass(slots=True)
class PlannedLevel:
    """What is remembered of one priority of one cluster."""

    hosts: list[_Host] = field(default_factory=list)
    planned: bool = False
    regions: dict[str, _Region] = field(default_factory=dict)
    turns: dict[tuple[int, Locality | None], int] = field(default_factory=dict)
    """First place of the turns of a list, by its kind and locality."""


@dataclass(slots=True)
class PlannedCluster:
    """A planned cluster: its rows, and its priorities as its balancer knows them."""

    number: int
    """The engine's."""
    cluster: int
    """Row in the core."""
    spec: ClusterSpec
    workers: int
    identity: int
    plan: int
    level_at: int
    levels: list[PlannedLevel]
    started: int
    """When its balancer was made."""
    newest: int = 0
    """When its newest host came."""
    updates: int = 0
    whole: int = -1
    """Row of the cluster that it is a subset of, -1 = none."""
    scaled: bool = False
    """Whether its localities weigh less by the hosts that it lacks."""


def needs_plan(spec: ClusterSpec, hosts: Sequence[HostSpec]) -> bool:
    """Whether a cluster is more to its balancer than one list of equal hosts."""
    if spec.policy is LbPolicy.ORIGINAL_DST:
        return False
    if spec.health_check is not None:
        return True
    ruled = spec.policy in _TABLES or spec.local or spec.zone is not None or spec.slow_start is not None
    if ruled or spec.subsets or spec.full_scan or spec.fail_on_panic or spec.weighted_health:
        return True
    if spec.overprovisioning != OVERPROVISIONING or any(h.priority or h.degraded or h.excluded for h in hosts):
        return True
    if spec.policy is not LbPolicy.RANDOM and len({host.weight for host in hosts}) > 1:
        return True
    return spec.locality_weighted and len({host.locality for host in hosts}) > 1


class Planner:
    """Writes plans into the tables of one engine."""

    def __init__(self, tables: Tables, facts: Sequence[HostFacts]) -> None:
        self._tables = tables
        self._facts = facts
        self._books: dict[int, PlannedCluster] = {}
        """By plan."""
        self._latest: dict[int, PlannedCluster] = {}
        """By row of the cluster."""
        self._followers: dict[int, dict[int, None]] = {}
        """Rows of the clusters whose zone aware routing looks at a cluster, by its number."""
        self._subsets: dict[int, list[int]] = {}
        """Rows of the subsets of a cluster."""
        self._ends = dict.fromkeys(("host_source", "member", "due", "table"), 0)
        self._tables_of: dict[Hashable, tuple[int, int]] = {}
        """Place and length of each hash table, which equal lists of hosts share."""
        tables.reserve("twister", core.TWISTER)

    def add(self, book: PlannedCluster) -> None:
        """A cluster, or one that has more priorities than before."""
        if len(book.levels) > _MOST_LEVELS:
            raise LimitError(f"more than {_MOST_LEVELS} priorities in a cluster", None, "merge some of them")
        known = self._latest.get(book.cluster)
        if known is not None:
            for level, old in zip(book.levels, known.levels, strict=False):
                level.turns = old.turns
            book.started, book.newest = known.started, known.newest
        self._latest[book.cluster] = self._books[book.plan] = book
        if book.spec.zone is not None:
            self._followers.setdefault(book.spec.zone.local, {})[book.cluster] = None
        if book.whole >= 0 and known is None:
            self._subsets.setdefault(book.whole, []).append(book.cluster)

    def refresh(self, cluster: int) -> None:
        """Plan the stale priorities of a cluster and of its subsets, and what depends on them."""
        book = self._latest.get(cluster)
        whole = cluster if book is None or book.whole < 0 else book.whole
        for row in (whole, *self._subsets.get(whole, ())):
            self._refresh(row)

    def _refresh(self, cluster: int) -> None:
        t = self._tables
        book = self._books.get(t.get("cluster", cluster, "plan"))
        if book is None:
            return
        now = t.get("ctl", 0, "now")
        rows = t.read("hosts", t.get("cluster", cluster, "host_at"), t.get("cluster", cluster, "host_n"))
        stale = [n for n, level in enumerate(book.levels) if self._is_stale(book, n, level)]
        if book.whole >= 0 and not stale:
            return
        for n in stale:
            book.levels[n].hosts = [self._host(row) for row in rows if self._facts[row].priority == n]
        book.updates += 1
        for n in stale:
            self._note_starts(book, book.levels[n], now)
        panic = self._write_shares(book)
        for n in stale if book.spec.policy not in _TABLES else range(len(book.levels)):
            self._write_level(book, n, panic[n])
        self._write_zones(book)
        for row in self._followers.get(book.number, ()):
            follower = self._books.get(t.get("cluster", row, "plan"))
            if follower is not None and follower.levels[0].planned:
                self._write_zones(follower)

    def _planned(self, number: int) -> PlannedCluster | None:
        """The plan that a cluster of the engine has now."""
        row = self._tables.read("cluster_row", number, 1)[0]
        return self._books.get(self._tables.get("cluster", row, "plan")) if row >= 0 else None

    def _is_stale(self, book: PlannedCluster, n: int, level: PlannedLevel) -> bool:
        row = book.level_at + n
        stale = not level.planned or self._tables.get("level", row, "stale") == 1
        level.planned = True
        self._tables.set("level", row, "stale", 0)
        return stale

    def _host(self, row: int) -> _Host:
        read = self._tables.get
        health, weight = read("host", row, "shown"), read("host", row, "weight")
        return _Host(row, health, weight, read("host", row, "locality_weight"), self._facts[row])

    def _note_starts(self, book: PlannedCluster, level: PlannedLevel, now: int) -> None:
        """Begin the slow start of hosts that are healthy for the first time (recalculateHostsInSlowStart)."""
        if book.spec.slow_start is None:
            return
        for host in level.hosts:
            if host.health == core.HEALTHY and not self._tables.get("host", host.row, "since"):
                self._tables.set("host", host.row, "since", max(now, 1))
                book.newest = max(book.newest, now)

    # -- loads -------------------------------------------------------------------------------------------------------

    def _write_shares(self, book: PlannedCluster) -> list[bool]:
        spec = book.spec
        levels = [_availability(level.hosts, spec.weighted_health) for level in book.levels]
        shares = share_load(levels, spec.panic_threshold, self._factor(book))
        for n, share in enumerate(shares):
            values = {
                "share": share.healthy,
                "degraded_share": share.degraded,
                "panic": share.panic,
                "health": share.health,
                "degraded": share.degraded_health,
            }
            for name, value in values.items():
                self._tables.set("level", book.level_at + n, name, int(value))
        return [share.panic for share in shares]

    def _factor(self, book: PlannedCluster) -> int:
        return self._tables.get("plan", book.plan, "factor")

    # -- lists and schedules -----------------------------------------------------------------------------------------

    def _write_level(self, book: PlannedCluster, n: int, panic: bool) -> None:
        level, row = book.levels[n], book.level_at + n
        localities = self._localities(book, n)
        weights = self._weights(book, n) if book.spec.locality_weighted else {}
        if book.spec.policy in _TABLES:
            self._write_table(book, level, row, _normalised(level.hosts, localities, weights, panic))
            return
        lists: list[tuple[int, Locality | None, list[_Host]]] = [
            (core.ALL_HOSTS, None, level.hosts),
            (core.HEALTHY_HOSTS, None, _of(level.hosts, core.HEALTHY)),
            (core.DEGRADED_HOSTS, None, _of(level.hosts, core.DEGRADED)),
            (core.HASHED_HOSTS, None, []),
        ]
        apart = book.spec.locality_weighted or book.spec.zone is not None
        for kind, health in ((core.HEALTHY_HOSTS, core.HEALTHY), (core.DEGRADED_HOSTS, core.DEGRADED)):
            lists += [(kind, name, _of(hosts, health)) for name, hosts in localities.items() if apart]
        self._write_sources(book, level, row, lists)
        count = len(localities) if apart else 0
        self._tables.set("level", row, "localities", count)
        self._write_locality_schedules(book, level, row, localities if count else {}, weights)

    def _localities(self, book: PlannedCluster, n: int) -> dict[Locality, list[_Host]]:
        """Hosts of a priority by locality: a subset has all those of its cluster, some of them empty."""
        found = _by_locality(book.levels[n].hosts, book.spec)
        if book.whole < 0:
            return found
        return {name: found.get(name, []) for name in _by_locality(self._whole(book, n), book.spec)}

    def _whole(self, book: PlannedCluster, n: int) -> list[_Host]:
        """The hosts of a priority of the cluster that a subset belongs to."""
        whole = self._latest.get(book.whole)
        return whole.levels[n].hosts if whole is not None else book.levels[n].hosts

    def _weights(self, book: PlannedCluster, n: int) -> dict[Locality, int]:
        """The weights of the localities of a priority (determineLocalityWeights)."""
        own = _by_locality(book.levels[n].hosts, book.spec)
        whole = own if book.whole < 0 else _by_locality(self._whole(book, n), book.spec)
        weights = {name: hosts[0].locality_weight for name, hosts in whole.items()}
        if not book.scaled:
            return weights
        return {name: int(w * len(own.get(name, ())) / len(whole[name]) + 0.5) for name, w in weights.items()}

    def _write_sources(
        self,
        book: PlannedCluster,
        level: PlannedLevel,
        row: int,
        lists: Sequence[tuple[int, Locality | None, list[_Host]]],
    ) -> None:
        t = self._tables
        source_at = self._place(level, "host_source", len(lists))
        member_at = self._place(level, "member", sum(len(hosts) for *_, hosts in lists))
        weighted = [self._is_weighted(book, hosts) for *_, hosts in lists]
        width = sum(
            2 * book.workers * len(hosts) for (*_, hosts), uneven in zip(lists, weighted, strict=True) if uneven
        )
        due_at = self._place(level, "due", width)
        members: list[int] = []
        deadlines: list[int] = []
        for n, (kind, name, hosts) in enumerate(lists):
            values = {
                "at": member_at + len(members),
                "n": len(hosts),
                "turn": self._turn(book, level, (kind, name)),
                "weighted": int(weighted[n]),
                "due_at": due_at + len(deadlines),
            }
            for name_, value in values.items():
                t.set("host_source", source_at + n, name_, value)
            members += [host.row for host in hosts]
            if weighted[n]:
                steps = [self._step(book, host) for host in hosts]
                deadlines += self._start(book, steps, "due")
        t.write("member", member_at, members)
        t.write("due", due_at, deadlines)
        t.set("level", row, "source_at", source_at)

    def _is_weighted(self, book: PlannedCluster, hosts: Sequence[_Host]) -> bool:
        """Whether a list is picked from by a weighted schedule (EdfLoadBalancerBase::refresh)."""
        if len(hosts) < 2 or book.spec.policy not in (LbPolicy.ROUND_ROBIN, LbPolicy.LEAST_REQUEST):
            return False
        slow = book.spec.slow_start
        starting = False
        if slow is not None:
            age = self._tables.get("ctl", 0, "now") - max(book.newest, book.started)
            starting = age // core.MILLION <= slow.window // core.MILLION
        return starting or len({host.weight for host in hosts}) > 1

    def _step(self, book: PlannedCluster, host: _Host) -> int:
        slow, read = book.spec.slow_start, self._tables.get
        age, since = None, read("host", host.row, "since")
        if slow is not None and since and host.health == core.HEALTHY:
            age = (read("ctl", 0, "now") - since) // core.MILLION
        bias = book.spec.active_request_bias if book.spec.policy is LbPolicy.LEAST_REQUEST else 0.0
        load = (read("host", host.row, "active") + 1) ** bias
        factor = slow_start_factor(age, slow) if slow is not None and age is not None else 1.0
        return int(core.EDF_UNIT * load / host.weight / factor)

    def _start(self, book: PlannedCluster, steps: Sequence[int], purpose: str) -> list[int]:
        """Schedules for each worker, flat; a list of hosts begins where it did last time, localities anew."""
        found: list[int] = []
        for worker in range(book.workers):
            if purpose == "due":
                picks = draw(book.identity, purpose, worker)
            else:
                picks = draw(book.identity, purpose, worker, book.updates)
            schedule = start_schedule(steps, picks, self._tables.get("cluster", book.cluster, "order"))
            self._tables.set("cluster", book.cluster, "order", max(d.order for d in schedule))
            found += [value for deadline in schedule for value in deadline]
        return found

    def _turn(self, book: PlannedCluster, level: PlannedLevel, key: tuple[int, Locality | None]) -> int:
        found = level.turns.get(key)
        if found is None:
            seeds = [draw(book.identity, "turn", worker) & 0xFFFFFFFF for worker in range(book.workers)]
            found = level.turns[key] = self._ends["due"]
            self._ends["due"] += book.workers
            self._tables.write("due", found, seeds)
        return found

    def _write_locality_schedules(
        self,
        book: PlannedCluster,
        level: PlannedLevel,
        row: int,
        localities: Mapping[Locality, list[_Host]],
        own: Mapping[Locality, int],
    ) -> None:
        """The schedules of the localities (locality_wrr.cc); one without weight never comes up."""
        t = self._tables
        scheduled, values = 0, []
        if book.spec.locality_weighted and localities:
            source = t.get("level", row, "source_at") + core.FIRST_LOCALITY
            both = []
            for degraded, health in enumerate((core.HEALTHY, core.DEGRADED)):
                weights = [
                    _effective(own[name], hosts, health, self._factor(book)) for name, hosts in localities.items()
                ]
                steps = [round(core.EDF_UNIT / weight) if weight else 0 for weight in weights]
                scheduled |= any(steps) << degraded
                for n, step in enumerate(steps):
                    t.set("host_source", source + degraded * len(steps) + n, "step", step)
                both.append(self._start_some(book, steps))
            half = 2 * len(localities)
            for worker in range(book.workers):
                for part in both:
                    values += part[worker * half : (worker + 1) * half]
        t.write("due", (place := self._place(level, "due of localities", len(values))), values)
        t.set("level", row, "due_at", place)
        t.set("level", row, "scheduled", scheduled)

    def _start_some(self, book: PlannedCluster, steps: Sequence[int]) -> list[int]:
        """Schedules of those entries that have a step; the others are never due."""
        due = [n for n, step in enumerate(steps) if step]
        values = [core.NEVER, 0] * len(steps) * book.workers
        if due:
            started = self._start(book, [steps[n] for n in due], "localities")
            for worker in range(book.workers):
                for i, n in enumerate(due):
                    at, place = 2 * (worker * len(due) + i), 2 * (worker * len(steps) + n)
                    values[place : place + 2] = started[at : at + 2]
        return values

    # -- zones -------------------------------------------------------------------------------------------------------

    def _write_zones(self, book: PlannedCluster) -> None:
        spec = book.spec
        zones = Zones(ZoneState.OFF)
        own = self._planned(spec.zone.local) if spec.zone is not None else None
        if spec.zone is not None and own is not None and not spec.locality_weighted:
            upstream = self._localities(book, 0)
            local = _by_locality(own.levels[0].hosts, spec)
            zones = route_zones(
                [(_text(name), len(_of(hosts, core.HEALTHY))) for name, hosts in upstream.items()],
                [
                    (_text(name), len(_of(hosts, core.HEALTHY)), sum(h.health != core.EXCLUDED for h in hosts))
                    for name, hosts in local.items()
                ],
                _text(spec.locality),
                ZoneRule(spec.zone.min_cluster_size, spec.zone.force_local),
                spec.panic_threshold,
            )
        t = self._tables
        t.set("plan", book.plan, "zone", zones.state)
        t.set("plan", book.plan, "zone_share", zones.own_share)
        first = t.get("level", book.level_at, "source_at") + core.FIRST_LOCALITY
        for n, left in enumerate(zones.residual):
            t.set("host_source", first + n, "residual", left)

    # -- hashing -----------------------------------------------------------------------------------------------------

    def _write_table(
        self,
        book: PlannedCluster,
        level: PlannedLevel,
        row: int,
        hosts: Sequence[tuple[_Host, float]],
    ) -> None:
        none: list[tuple[int, Locality | None, list[_Host]]] = [
            (kind, None, []) for kind in (core.ALL_HOSTS, core.HEALTHY_HOSTS, core.DEGRADED_HOSTS)
        ]
        self._write_sources(book, level, row, [*none, (core.HASHED_HOSTS, None, [host for host, _ in hosts])])
        source = self._tables.get("level", row, "source_at") + core.HASHED_HOSTS
        place = self._place(level, "weights", len(hosts))
        self._tables.write("due", place, [round(weight * core.WHOLE) for _, weight in hosts])
        self._tables.set("host_source", source, "due_at", place)
        self._tables.reserve("twister", core.TWISTER + len(hosts))
        keys = tuple(WeightedKey(host.facts.hash_key, weight) for host, weight in hosts)
        at, n = self._table(book.spec, keys)
        self._tables.set("level", row, "table_at", at)
        self._tables.set("level", row, "table_n", n)

    def _table(self, spec: ClusterSpec, keys: tuple[WeightedKey, ...]) -> tuple[int, int]:
        """Place and length of the table over these hosts."""
        key = (spec.policy, spec.hashing, keys)
        found = self._tables_of.get(key)
        if found is None:
            hashing = spec.hashing
            if spec.policy is LbPolicy.MAGLEV:
                values = list(build_maglev(keys, hashing.table_size))
                length = len(values)
            else:
                ring = build_ring(keys, hashing.least_ring, hashing.most_ring, hashing.murmur)
                values = [hash_ - SIGN for hash_, _ in ring] + [number for _, number in ring]
                length = len(ring)
            at = self._ends["table"]
            self._tables.write("table", at, values)
            self._ends["table"] += len(values)
            found = self._tables_of[key] = (at, length)
        return found

    def _place(self, level: PlannedLevel, name: str, size: int) -> int:
        """Where a level's part of a table or column begins; it moves to the end when it has to grow."""
        region = level.regions.setdefault(name, _Region())
        if size > region.size:
            table = name if name in self._ends else "due"
            region.size = max(2 * region.size, size)
            region.at = self._ends[table]
            self._ends[table] += region.size
            self._tables.reserve(table, self._ends[table])
        return region.at


def _of(hosts: Sequence[_Host], health: int) -> list[_Host]:
    return [host for host in hosts if host.health == health]


def _effective(weight: int, hosts: Sequence[_Host], health: int, factor: int) -> float:
    """What a locality weighs with as many of its hosts as are of this health."""
    counted = sum(host.health != core.EXCLUDED for host in hosts)
    return locality_weight(weight, len(_of(hosts, health)), counted, factor)


def _text(locality: Locality) -> str:
    return "/".join(locality)


def _availability(hosts: Sequence[_Host], by_weight: bool) -> Availability:
    counted = [host for host in hosts if host.health != core.EXCLUDED]
    healthy, degraded = _of(hosts, core.HEALTHY), _of(hosts, core.DEGRADED)

    def measure(group: Sequence[_Host]) -> int:
        return sum(host.weight for host in group) if by_weight else len(group)

    usable = len(healthy) + len(degraded)
    return Availability(measure(counted), measure(healthy), measure(degraded), len(hosts), len(counted), usable)


def _by_locality(hosts: Sequence[_Host], spec: ClusterSpec) -> dict[Locality, list[_Host]]:
    """Hosts by locality, the caller's own first, the others in the order of their names (hostsPerLocality)."""
    groups: dict[Locality, list[_Host]] = {}
    for host in hosts:
        groups.setdefault(host.facts.locality, []).append(host)
    return {name: groups[name] for name in sorted(groups, key=lambda name: (name != spec.locality, name))}


def _normalised(
    hosts: Sequence[_Host],
    localities: Mapping[Locality, list[_Host]],
    weights: Mapping[Locality, int],
    panic: bool,
) -> list[tuple[_Host, float]]:
    """Hosts of a ring or table with weights that sum to 1 (thread_aware_lb_impl.cc, normalizeWeights); `weights` of
    localities, none where these do not count."""

    def eligible(group: Sequence[_Host]) -> list[_Host]:
        return list(group) if panic else _of(group, core.HEALTHY)

    def spread(group: Sequence[_Host], share: float) -> list[tuple[_Host, float]]:
        total = sum(host.weight for host in group)
        return [(host, host.weight * share / total) for host in group]

    if not weights:
        return spread(eligible(hosts), 1.0)
    total = sum(weights.values())
    return [
        pair
        for name, group in localities.items()
        if weights[name]
        for pair in spread(eligible(group), weights[name] / total)
    ]
