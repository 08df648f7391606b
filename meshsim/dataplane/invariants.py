"""What must be true of the event core's tables whenever no event is under way.

The core re-uses rows and keeps counters beside the rows they count, which nothing in Python protects. This checker
finds what went wrong in either mode; it reads whole tables and is meant for tests and for looking into a suspicion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from meshsim.dataplane import core
from meshsim.dataplane.storage import Ints, Tables

_LISTS: Final = {"req": "req_free", "att": "att_free", "conn": "conn_free"}


def check_invariants(tables: Tables) -> list[str]:
    """Everything that is not as it must be, as sentences; empty for sound tables."""
    check = _Check(tables)
    return [
        finding
        for part in (
            check.free_lists,
            check.queue_of_events,
            check.requests,
            check.streams,
            check.connections,
            check.pods,
            check.ejections,
            check.children,
        )
        for finding in part()
    ]


def _differ(what: str, kept: Ints, counted: Ints) -> Iterator[str]:
    for row in np.flatnonzero(kept != counted):
        yield f"{what} {row}: kept {kept[row]}, counted {counted[row]}"


class _Check:
    """One look at the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._free = {name: self._walk(name) for name in _LISTS}

    def _field(self, name: str, field: str) -> Ints:
        return self._tables.field(name, field)

    def _ctl(self, field: str) -> int:
        return self._tables.get("ctl", 0, field)

    def _count(self, values: Ints, size: int) -> Ints:
        return np.bincount(values, minlength=size).astype(np.int64)

    def _walk(self, name: str) -> Ints:
        """Rows of a free list, cut where it would run in a circle or out of the table."""
        following = self._field(name, "next")
        rows: dict[int, None] = {}
        at = self._ctl(_LISTS[name])
        while 0 <= at < len(following) and at not in rows and len(rows) < self._ctl(f"{_LISTS[name]}_n"):
            rows[at] = None
            at = int(following[at])
        return np.array(list(rows), np.int64)

    def _used(self, name: str) -> Ints:
        used = np.ones(self._tables.length(name), bool)
        used[self._free[name]] = False
        return np.flatnonzero(used)

    def free_lists(self) -> Iterator[str]:
        """Free rows are as many as counted, and nobody uses them; all others are in use."""
        in_use = {
            "req": (self._field("req", "live") == 1) | (self._field("req", "events") > 0),
            "att": (self._field("att", "open") == 1)
            | (self._field("att", "events") > 0)
            | (self._field("att", "listed") == 1)
            | (self._field("att", "phase") != core.OVER),
            "conn": (self._field("conn", "state") != core.CLOSED)
            | (self._field("conn", "streams") > 0)
            | (self._field("conn", "idle") == 1)
            | (self._field("conn", "events") > 0),
        }
        for name, used in in_use.items():
            free = self._free[name]
            if len(free) != self._ctl(f"{_LISTS[name]}_n"):
                yield f"free list of {name}: {len(free)} rows, {self._ctl(f'{_LISTS[name]}_n')} counted"
            for row in free[used[free]]:
                yield f"{name} {row} is free and in use"
            for row in np.flatnonzero(~used):
                if row not in free:
                    yield f"{name} {row} is lost: neither free nor in use"

    def queue_of_events(self) -> Iterator[str]:
        """Near list and far heap are in order, the wheel's events in the buckets of their times, nothing is past."""
        heap = self._tables.column("heap").reshape(-1, 2)
        near = heap[: self._ctl("near_n")][::-1]
        far = heap[core.NEAR_ROOM : core.NEAR_ROOM + self._ctl("far_n")]
        for name, events, degree in (("near list", near, 1), ("far heap", far, 2)):
            for at in range(1, len(events)):
                if tuple(events[(at - 1) // degree]) > tuple(events[at]):
                    yield f"{name} place {at} is earlier than what stands before it"
            if len(events) and events[0, 0] < self._ctl("now"):
                yield f"the next event at {events[0, 0]} is before now, {self._ctl('now')}"
        yield from self._wheel()
        if self._ctl("work_n"):
            yield f"work_n is {self._ctl('work_n')} between events"

    def _wheel(self) -> Iterator[str]:
        wheel = self._tables.column("wheel")
        first = self._tables.column("bucket_first")
        counted = 0
        for b in np.flatnonzero(first):
            events = self._chain(wheel, int(first[b]))
            counted += len(events)
            numbers = wheel[events] >> self._ctl("shift")
            ahead = numbers - self._ctl("bucket")
            if ((numbers & (core.BUCKETS - 1)) != b).any() or (ahead <= 0).any() or (ahead >= core.BUCKETS).any():
                yield f"bucket {b} holds events of other times"
        free = len(self._chain(wheel, self._ctl("wheel_free")))
        if counted != self._ctl("wheel_n"):
            yield f"{counted} events on the wheel, {self._ctl('wheel_n')} counted"
        if counted + free != self._ctl("wheel_top") // core.EVENT_WORDS:
            yield f"{counted} places of the wheel are taken and {free} free, of {self._ctl('wheel_top')} words"

    def _chain(self, wheel: Ints, at: int) -> list[int]:
        """Places of a bucket's events, or the free ones, cut where they would go in a circle."""
        places: list[int] = []
        while at > 0 and len(places) < core.WHEEL_ROOM:
            places.append(at)
            at = int(wheel[at + 2])
        return places

    def requests(self) -> Iterator[str]:
        """Requests begun and not ended are those in the table; those with a retry under way are counted."""
        live = np.flatnonzero(self._field("req", "live") == 1)
        if len(live) != self._ctl("started") - self._ctl("finished"):
            yield f"{len(live)} live requests, {self._ctl('started') - self._ctl('finished')} counted"
        retrying = self._field("req", "retrying")[live]
        clusters = self._tables.length("cluster")
        yield from _differ(
            "retries of cluster",
            self._field("cluster", "retrying"),
            self._count(retrying[retrying > 0] - 1, clusters),
        )

    def streams(self) -> Iterator[str]:
        """Active counts of clusters and hosts and references to hosts are those of the attempts."""
        attached = (self._field("att", "attached") == 1) & (self._field("att", "open") == 1)
        clusters, hosts = self._tables.length("cluster"), self._tables.length("host")
        yield from _differ(
            "active requests of cluster",
            self._field("cluster", "active"),
            self._count(self._field("att", "cluster")[attached], clusters),
        )
        yield from _differ(
            "active requests of host",
            self._field("host", "active"),
            self._count(self._field("att", "host")[attached], hosts),
        )
        waiting = (
            (self._field("att", "phase") == core.PENDING)
            & (self._field("att", "open") == 1)
            & (self._field("att", "listed") == 1)
        )
        yield from _differ(
            "pending requests of cluster",
            self._field("cluster", "pending"),
            self._count(self._field("att", "cluster")[waiting], clusters),
        )

    def connections(self) -> Iterator[str]:
        """Connections, by pool, by cluster and by what they carry."""
        state = self._field("conn", "state")
        pool = self._field("conn", "pool")
        pools = self._tables.length("pool")
        alive = state != core.CLOSED
        yield from _differ("connections of pool", self._field("pool", "count"), self._count(pool[alive], pools))
        yield from _differ(
            "connecting ones of pool",
            self._field("pool", "connecting"),
            self._count(pool[state == core.CONNECTING], pools),
        )
        owner = self._pool_rows()[pool[alive]]
        yield from _differ(
            "connections of cluster",
            self._field("cluster", "connections"),
            self._count(owner, self._tables.length("cluster")),
        )
        for worker, field in enumerate(("ready_0", "ready_1")):
            ready = self._field("host", field)
            known = np.flatnonzero(ready >= 0)
            first = self._field("pool", "conn")[self._field("host", "pool")[known] + worker]
            for row in known[(first != ready[known]) | (state[ready[known]] != core.READY)]:
                yield f"host {row} names connection {ready[row]} as ready, its pool does not"
        carried = self._field("att", "conn")[self._field("att", "open") == 1]
        yield from _differ(
            "streams of connection",
            self._field("conn", "streams"),
            self._count(carried[carried >= 0], self._tables.length("conn")),
        )

    def _pool_rows(self) -> Ints:
        """Whose limits the connections of each pool count against."""
        rows = self._field("host", "cluster")[self._field("pool", "host")]
        if self._tables.length("pool_key"):
            own = self._field("pool_key", "row")[: len(rows)]
            rows[: len(own)] = np.where(own > 0, own - 1, rows[: len(own)])
        return rows

    def pods(self) -> Iterator[str]:
        """Busy workers and queue of each instance."""
        pods = self._tables.length("pod")
        if not pods:
            return
        pod = self._field("att", "pod")
        phase = self._field("att", "phase")
        here = (pod >= 0) & (self._field("att", "killed") == 0) & (self._field("att", "number") >= 0)
        holding = self._field("pod", "hold")[np.maximum(pod, 0)] == 1
        serving = (phase == core.SERVING) | (phase == core.COMPUTING)
        busy = here & (serving | ((phase == core.CALLING) & holding))
        yield from _differ("busy workers of pod", self._field("pod", "busy"), self._count(pod[busy], pods))
        yield from self._cpus(pod[here & (phase == core.COMPUTING)])
        queued = here & (phase == core.QUEUED)
        yield from _differ("queue of pod", self._field("pod", "queued"), self._count(pod[queued], pods))
        called = (self._field("req", "live") == 1) & (self._field("req", "parent") >= 0)
        callers = self._field("flow", "pod")[self._field("req", "flow")[called]]
        yield from _differ("calls of pod", self._field("pod", "calling"), self._count(callers, pods))
        workers = self._field("pod", "workers")
        for row in np.flatnonzero((workers > 0) & (self._field("pod", "busy") > workers)):
            yield f"pod {row} has more busy workers than workers"

    def _cpus(self, computing: Ints) -> Iterator[str]:
        """What runs on each CPU."""
        rows = self._field("pod", "bound")
        has = rows >= 0
        if has.any():
            kept = self._field("bound", "running")[rows[has]]
            yield from _differ("requests on CPU", kept, self._count(computing, len(rows))[has])

    def ejections(self) -> Iterator[str]:
        """Ejected hosts are counted, and none of them is one that has left."""
        ejected = self._field("host", "ejected") == 1
        yield from _differ(
            "ejected hosts of cluster",
            self._field("cluster", "ejected"),
            self._count(self._field("host", "cluster")[ejected], self._tables.length("cluster")),
        )
        for row in np.flatnonzero(ejected & (self._field("host", "removed") == 1)):
            yield f"host {row} has left its cluster and is ejected"

    def children(self) -> Iterator[str]:
        """A handler waits for exactly the calls and branches it has out."""
        live = np.flatnonzero(self._field("req", "live") == 1)
        parent = self._field("req", "parent")[live]
        made = parent >= 0
        generation = self._tables.column("att_gen")[np.maximum(parent, 0)]
        known = made & (generation == self._field("req", "parent_gen")[live])
        calling = self._field("att", "phase") == core.CALLING
        out = self._count(parent[known], self._tables.length("att"))
        branches = np.flatnonzero(calling & (self._field("att", "number") < 0))
        above = self._field("att", "req")[branches]
        same = self._tables.column("att_gen")[above] == self._field("att", "cluster")[branches]
        out += self._count(above[same], self._tables.length("att"))
        yield from _differ(
            "calls of attempt", np.where(calling, self._field("att", "waiting"), 0), np.where(calling, out, 0)
        )
