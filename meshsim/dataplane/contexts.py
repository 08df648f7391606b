"""Requests that ask more of a cluster than a host: one of a subset, at a priority, over a pool of their own connection.

A context has a number that routes lead to, as they lead to clusters. It shares the hosts of its cluster, with all that
outlier detection and health checks find out about them, and differs in who chooses among them (a chain of subsets, each
with a balancer, of which the first that finds one counts) and in whose limits and pools its requests use.

Envoy source/extensions/load_balancing_policies/subset/subset_lb.cc, source/common/upstream/cluster_manager_impl.cc.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

from meshsim.dataplane import core
from meshsim.dataplane.layout import Layout, row_of
from meshsim.dataplane.planner import PlannedCluster, PlannedLevel, Planner
from meshsim.dataplane.specs import ClusterSpec, HostSpec, LbPolicy
from meshsim.dataplane.storage import Tables
from meshsim.errors import InternalError
from meshsim.units import Nanos

HostKey = Hashable

POOLS: Final = 16 * core.TOGETHER
"""How many pools are made at once."""
BUCKETS: Final = 1024
"""First number of places for buckets of single connections, a power of two."""


class SubsetSpec(NamedTuple):
    """Hosts of a cluster that a balancer of their own chooses among, in the order of the cluster."""

    hosts: tuple[HostKey, ...]
    single: bool = False
    """Whether the first host is taken, whatever its health (single_host_per_subset)."""
    locality_weighted: bool = False
    """Whether localities have their weights where the cluster's balancer looks at them (locality_weight_aware)."""
    scaled: bool = False
    """Whether these are scaled by the share of a locality's hosts that it has (scale_locality_weight)."""


@dataclass(slots=True)
class Book:
    """What Python knows of a cluster: its row, and its hosts as the last scheduled change leaves them."""

    number: int
    spec: ClusterSpec
    row: int
    workers: int
    identity: int = 0
    probe: int = -1
    """Row of its health checks, -1 without."""
    ever: int = 0
    """How many host rows it has had."""
    drop: int = 0
    """Parts per million of its requests that it drops."""
    levels: int = 0
    """Priorities of its plan, 0 = it is not planned."""
    rows: dict[HostKey, int] = field(default_factory=dict)
    hosts: tuple[tuple[HostKey, HostSpec], ...] = ()
    base: int = 0
    capacity: int = 0

    def ordered(self, hosts: Sequence[tuple[HostKey, HostSpec]]) -> tuple[tuple[HostKey, HostSpec], ...]:
        """New hosts in their order, the first of doubled keys; those it has where only their order is another.

        Envoy source/common/upstream/upstream_impl.cc, updateDynamicHostList: that is no change.
        """
        unique = dict(reversed(hosts))
        found = tuple((key, unique[key]) for key in dict.fromkeys(key for key, _ in hosts))
        alike = len(found) == len(self.hosts) and found != self.hosts and unique == dict(self.hosts)
        return self.hosts if alike else found


@dataclass(slots=True)
class _Subset:
    row: int
    spec: SubsetSpec
    levels: int = 0
    base: int = 0
    capacity: int = 0


@dataclass(slots=True)
class _Context:
    high: bool
    row: int = -1
    chain: tuple[str, ...] = ()


@dataclass(slots=True)
class _Family:
    """A cluster with its contexts and subsets."""

    high: int = -1
    """Row of its limits for high priority."""
    contexts: dict[int, _Context] = field(default_factory=dict)
    subsets: dict[str, _Subset] = field(default_factory=dict)


class Changes(Protocol):
    """How a change of the core is scheduled (`Engine`)."""

    def __call__(
        self, kind: int, target: int, at: Nanos | None, *, value: int = 0, place: int = 0, n: int = 0
    ) -> None: ...


def own_balancer(spec: ClusterSpec) -> ClusterSpec:
    """The cluster as its own balancer has it: one whose subsets alone are asked for hosts makes nothing of them."""
    return replace(spec, policy=LbPolicy.RANDOM) if spec.subsets else spec


class Contexts:
    """The contexts of an engine's clusters."""

    def __init__(self, tables: Tables, layout: Layout, planner: Planner, change: Changes, owners: list[int]) -> None:
        """`owners`: the cluster of each row of the cluster table, which is added to."""
        self._tables = tables
        self._layout = layout
        self._planner = planner
        self._change = change
        self._owners = owners
        self._families: dict[int, _Family] = {}
        self.pools = False
        """Whether pools may be told from others than by event loop."""

    def add(self, book: Book, number: int, high: bool) -> None:
        """A new context of a cluster; unless it is given a chain, the cluster's own balancer chooses."""
        family = self._families.setdefault(book.number, _Family())
        context = family.contexts[number] = _Context(high)
        self._place(book, number, None)
        self._chain(book, family, context, None)

    def set_subsets(self, book: Book, subsets: Mapping[str, SubsetSpec], at: Nanos | None) -> None:
        """The subsets of a cluster after a change of its hosts; those that are not named have none any more."""
        family = self._families.setdefault(book.number, _Family())
        for name in dict.fromkeys([*family.subsets, *subsets]):
            self._give_hosts(book, family, name, subsets.get(name, SubsetSpec(())), at)
        for context in family.contexts.values():
            self._chain(book, family, context, at)

    def set_chain(self, book: Book, number: int, names: Sequence[str], at: Nanos | None) -> None:
        """The subsets that are asked for a host of a context's requests, one after the other."""
        family = self._families[book.number]
        context = family.contexts[number]
        context.chain = tuple(names)
        self._chain(book, family, context, at)

    def renew(self, book: Book, at: Nanos | None) -> None:
        """A cluster was replaced: its contexts lead to the new one, whose subsets have its hosts."""
        family = self._families.get(book.number)
        if family is None:
            return
        kept = {name: subset.spec for name, subset in family.subsets.items()}
        family.high = -1
        family.subsets = {}
        for number in family.contexts:
            self._place(book, number, at)
        self.set_subsets(book, kept, at)

    def remove(self, book: Book, at: Nanos | None) -> None:
        """A proxy loses a cluster, and with it its contexts."""
        for number in self._families.get(book.number, _Family()).contexts:
            self._change(core.CH_CLUSTER, number, at, value=-1)

    def set_policy(self, book: Book, drop: int, overprovisioning: int | None, at: Nanos | None) -> bool:
        """Write what an assignment says beside its endpoints; returns whether it overprovisions by another factor.

        What a cluster drops, it drops of the requests in its contexts too.
        """
        if book.drop != drop:
            book.drop = drop
            contexts = self._families.get(book.number, _Family()).contexts.values()
            for row in (book.row, *(context.row for context in contexts)):
                self._change(core.CH_DROP, row, at, value=drop)
        if overprovisioning is None or book.spec.overprovisioning == overprovisioning:
            return False
        book.spec = replace(book.spec, overprovisioning=overprovisioning)
        self._change(core.CH_FACTOR, book.row, at, value=overprovisioning)
        return True

    def plan(self, book: Book, at: Nanos | None) -> None:
        """Subsets have as many priorities as their cluster."""
        for subset in self._families.get(book.number, _Family()).subsets.values():
            self._plan(book, subset, at)

    def fit(self) -> None:
        """Keep what stands beside other tables as long as they are."""
        t = self._tables
        if self.pools:
            t.reserve("pool_key", t.length("pool"))
            if not t.get("ctl", 0, "pool_free_n"):
                self._grow_pools()
        if self.pools or self._layout.by_connection:
            t.reserve("lines", 2 * t.length("req"))
        if self._layout.by_connection and not t.length("own_bucket"):
            t.reserve("own_bucket", BUCKETS)

    def grow(self) -> None:
        """Make room where the core lacked it."""
        short = self._tables.get("ctl", 0, "pools_short")
        self._tables.set("ctl", 0, "pools_short", 0)
        if short & 1:
            self._grow_pools()
        if short & 2:
            self._grow_buckets()

    def _grow_buckets(self) -> None:
        """More places for buckets of single connections, without those that are full again."""
        t = self._tables
        now, size = t.get("ctl", 0, "now"), t.length("own_bucket")
        full = t.field("bucket", "full")
        kept = [row for row in t.read_rows("own_bucket", 0, size) if row[0] and now - row[1] < full[row[2]]]
        while 4 * (len(kept) + 4 * core.TOGETHER) > size:
            size *= 2
        t.reserve("own_bucket", size)
        places: dict[int, tuple[int, ...]] = {}
        for row in kept:
            at = core.mix(row[0]) & (size - 1)
            while at in places:
                at = (at + 1) & (size - 1)
            places[at] = row
        t.write_rows("own_bucket", 0, [places.get(at, (0, 0, 0)) for at in range(size)])
        t.set("ctl", 0, "own_n", len(kept))

    def _grow_pools(self) -> None:
        """Make more pools that are nobody's."""
        t = self._tables
        pool = row_of("pool", conn=-1, head=-1, tail=-1)
        first = self._layout.rows["pool"].extend([pool] * POOLS)
        self._layout.rows["pool"].flush(t)
        t.reserve("pool_key", first + POOLS)
        last = t.get("ctl", 0, "pool_free") + 1 if t.get("ctl", 0, "pool_free_n") else 0
        t.fill("pool_key", "next", first, [*range(first + 2, first + POOLS + 1), last])
        t.set("ctl", 0, "pool_free", first)
        t.set("ctl", 0, "pool_free_n", t.get("ctl", 0, "pool_free_n") + POOLS)

    # -- rows --------------------------------------------------------------------------------------------------------

    def _place(self, book: Book, number: int, at: Nanos | None) -> None:
        """Make the row of a context, whose number then leads there."""
        family = self._families[book.number]
        context = family.contexts[number]
        if context.high and family.high < 0:
            family.high = self._high(book)
        counts = family.high if context.high else book.row
        self.pools = self.pools or context.high or book.spec.by_connection
        self._owners.append(book.number)
        context.row = self._layout.rows["cluster"].add(
            row_of("cluster", owner=book.row + 1, counts=counts, drops=core.IN_CONTEXT, plan=-1, workers=book.workers)
        )
        self._change(core.CH_CLUSTER, number, at, value=context.row)
        if book.drop:
            self._change(core.CH_DROP, context.row, at, value=book.drop)

    def _high(self, book: Book) -> int:
        """A row for the limits of a cluster for high priority."""
        high = book.spec.high
        spec = replace(
            book.spec,
            max_connections=high.max_connections,
            max_pending_requests=high.max_pending_requests,
            max_requests=high.max_requests,
            max_retries=high.max_retries,
            retry_budget=high.retry_budget,
            host_connections=high.host_connections,
            max_pools=high.max_pools,
        )
        pools = core.BY_PRIORITY | (core.BY_CONNECTION if spec.by_connection else 0)
        row = self._row(book, spec, pools=pools)
        self._set(book.row, "high", row + 1)
        return row

    def _row(self, book: Book, spec: ClusterSpec, **more: int) -> int:
        turns = [0] * book.workers
        self._owners.append(book.number)
        return self._layout.cluster(spec, book.workers, book.identity, turns, owner=book.row + 1, **more)

    def _set(self, row: int, name: str, value: int) -> None:
        self._layout.rows["cluster"].flush(self._tables)
        self._tables.set("cluster", row, name, value)

    def _chain(self, book: Book, family: _Family, context: _Context, at: Nanos | None) -> None:
        words = [] if book.spec.subsets else [book.row]
        for name in context.chain:
            subset = family.subsets.get(name)
            if subset is None:
                raise InternalError(f"no subset '{name}'", None, "set it before the chain that names it")
            if subset.spec.single:
                words += [-1 - book.rows[key] for key in subset.spec.hosts[:1] if key in book.rows]
            else:
                words.append(subset.row)
        place = self._layout.columns["payload"].extend(words)
        self._change(core.CH_CHAIN, context.row, at, place=place, n=len(words))

    # -- subsets -----------------------------------------------------------------------------------------------------

    def _give_hosts(self, book: Book, family: _Family, name: str, spec: SubsetSpec, at: Nanos | None) -> None:
        subset = family.subsets.get(name)
        if subset is None or (subset.spec.locality_weighted, subset.spec.scaled) != (
            spec.locality_weighted,
            spec.scaled,
        ):
            subset = family.subsets[name] = self._subset(book, spec)
        subset.spec = spec
        self._plan(book, subset, at)
        rows = [book.rows[key] for key in spec.hosts if key in book.rows]
        if len(rows) > subset.capacity:
            subset.capacity = max(4, 1 << (len(rows) - 1).bit_length())
            subset.base = self._layout.columns["hosts"].extend([0] * subset.capacity)
            self._layout.columns["seen"].extend([0] * subset.capacity)
        place = self._layout.columns["payload"].extend(rows)
        self._change(core.CH_SUBSET, subset.row, at, value=subset.base, place=place, n=len(rows))

    def _subset(self, book: Book, spec: SubsetSpec) -> _Subset:
        self._layout.rows["cluster"].flush(self._tables)
        before = self._tables.get("cluster", book.row, "kin")
        own = replace(self._balancer(book, spec), outlier=None, health_check=None)
        row = self._row(book, own, kin=before, pools=0)
        self._set(book.row, "kin", row + 1)
        return _Subset(row, spec)

    def _balancer(self, book: Book, spec: SubsetSpec) -> ClusterSpec:
        return replace(
            book.spec, subsets=False, locality_weighted=book.spec.locality_weighted and spec.locality_weighted
        )

    def _plan(self, book: Book, subset: _Subset, at: Nanos | None) -> None:
        if book.levels <= subset.levels:
            return
        subset.levels = book.levels
        spec = self._balancer(book, subset.spec)
        plan, first = self._layout.plan(spec, subset.row, subset.levels)
        levels = [PlannedLevel() for _ in range(subset.levels)]
        self._planner.add(
            PlannedCluster(
                *(-1, subset.row, spec, book.workers, book.identity + subset.row, plan, first, levels),
                started=self._tables.get("ctl", 0, "now"),
                whole=book.row,
                scaled=subset.spec.scaled,
            )
        )
        self._change(core.CH_PLAN, subset.row, at, value=plan)
