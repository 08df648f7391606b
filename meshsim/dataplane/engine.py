"""The engine: the event core with names, growth and time, as the world above uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.dataplane import core
from meshsim.dataplane.contexts import Book, Contexts, HostKey, SubsetSpec, own_balancer
from meshsim.dataplane.counters import ClusterCounts, count_clusters, grow_rare
from meshsim.dataplane.cpu import ProxyUsage, settled
from meshsim.dataplane.host_health import HealthStats as HealthStats
from meshsim.dataplane.layout import Layout, Row, chance, row_of
from meshsim.dataplane.pacing import interval_of
from meshsim.dataplane.planner import HostFacts, PlannedCluster, PlannedLevel, Planner, needs_plan
from meshsim.dataplane.readings import ClusterStats as ClusterStats
from meshsim.dataplane.readings import Counters as Counters
from meshsim.dataplane.readings import CpuUse as CpuUse
from meshsim.dataplane.readings import HostState as HostState
from meshsim.dataplane.readings import PodLoad as PodLoad
from meshsim.dataplane.row_parts import counts_alone
from meshsim.dataplane.specs import (
    Arrivals,
    CallSpec,
    ClusterSpec,
    FlowSpec,
    HandlerSpec,
    HostSpec,
    PodSpec,
    PodState,
    ProxySpec,
    RouteSpec,
    SourceSpec,
)
from meshsim.dataplane.storage import Mode, Tables
from meshsim.dataplane.tables import Notice, choose_mode, make_tables
from meshsim.errors import InternalError, LimitError
from meshsim.kernel import draw
from meshsim.units import Nanos

_FIRST_ROWS: Final = 256
_LOG_ROWS: Final = 16_384
"""Two megabytes: what is full is still close to the processors when it is taken apart."""
_CELLS: Final = 32_768
_NEAR_HOSTS: Final = 2_000
"""Hosts that a processor has at hand with all that belongs to them (measured): memory need not be asked ahead."""
_HEAP: Final = 2 * core.NEAR_ROOM + 2 * core.HEAP_ROOM
_SHIFT: Final = 15
"""First width of the wheel's buckets, in bits of nanoseconds; the core fits it to the load."""
_FIXED: Final = {
    **dict.fromkeys(("tally", "rare", "noted"), 1_024),
    "wheel": core.EVENT_WORDS * core.WHEEL_ROOM,
    "bucket_first": core.BUCKETS,
    "work": 4_096,
    "ahead": core.AHEAD * core.AHEAD_WORDS,
    "heap": _HEAP,
}
"""First lengths of what the core writes as it runs."""


class Edge(NamedTuple):
    """A group of the series: who calls, and the call or the caller's own number for it."""

    workload: int
    call: int
    edge: int


class Engine:
    """The data plane at run time.

    ``add_*`` return the number of the new thing; changes take effect at their instant ``at`` (default: now), before
    everything else that happens then. Equal seed and calls give an equal `digest`, in every mode, however the time is
    cut into `run_until` calls, and at every sampling rate.
    """

    def __init__(
        self,
        seed: int,
        *,
        mode: str | None = None,
        stations: bool = True,
        sample_rate: float = 0.01,
        notice: Notice | None = None,
        tables: Tables | None = None,
    ) -> None:
        """An empty mesh at time 0.

        `stations`: proxies queue as event loops; otherwise the same CPU time is a plain delay. `sample_rate`: share of
        traces whose rows are kept. `notice` hears the one line about compiling. `tables` are empty ones of another kind
        than `mode` names.
        """
        self.seed = seed
        self._tables: Tables = make_tables(choose_mode(mode), notice) if tables is None else tables
        self._layout = Layout()
        self._books: list[Book] = []
        self._cluster_of: list[int] = []
        """The cluster of each row, also of replaced ones."""
        self._host_names: list[tuple[int, HostKey]] = []
        self._facts: list[HostFacts] = []
        self._planner = Planner(self._tables, self._facts)
        self._workers: list[int] = []
        self._edges: dict[Edge, int] = {}
        self._flow_keys: list[tuple[int, int]] = []
        self._flow_kinds: list[tuple[int, bool]] = []
        self._flow_index_stale = False
        self.on_rows: Callable[[npt.NDArray[np.void]], None] | None = None
        """Gets log rows as soon as many have come, in order; without it they wait for `drain`."""
        self._logs: list[npt.NDArray[np.void]] = []
        self._injected = 0
        self._contexts = Contexts(self._tables, self._layout, self._planner, self._change, self._cluster_of)
        self._now: Nanos = 0
        self._next: Nanos = core.NEVER
        self._set_up(stations, sample_rate)

    def _set_up(self, stations: bool, sample_rate: float) -> None:
        t = self._tables
        ctl = row_of("ctl", stations=stations, sample=chance(sample_rate), tried_width=1, shift=_SHIFT)
        t.write_rows("ctl", 0, [ctl])
        for name, first in (("req", 0), ("att", 0), ("conn", 0)):
            t.set("ctl", 0, f"{name}_free", first)
            self._grow_pool(name, _FIRST_ROWS)
        t.reserve("log", _LOG_ROWS if t.mode is not Mode.PLAIN else 4_096)
        t.reserve("cell", _CELLS if t.mode is not Mode.PLAIN else 4_096)
        t.reserve("cell_at", 2 * t.length("cell"))
        for name, size in _FIXED.items():
            t.reserve(name, size)

    # -- what there is -----------------------------------------------------------------------------------------------

    def add_proxy(self, spec: ProxySpec) -> int:
        """A sidecar or gateway."""
        self._workers.append(spec.workers)
        return self._layout.proxy(spec, self._identity("proxy", self._count("proxy")))

    def add_pod(self, spec: PodSpec) -> int:
        """An application instance, ready."""
        return self._layout.pod(spec, self._identity("pod", self._count("pod")))

    def add_handler(self, spec: HandlerSpec) -> int:
        """What a workload does with one kind of request."""
        return self._layout.handler(spec)

    def add_call(self, spec: CallSpec) -> int:
        """One call of a handler."""
        return self._layout.call(spec)

    def add_flow(self, spec: FlowSpec, route: RouteSpec | None = None) -> int:
        """One kind of request at one proxy; without a route it is answered 404 NR."""
        edge = Edge(spec.workload, spec.call, spec.edge)
        number = self._edges.setdefault(edge, len(self._edges))
        flow = self._layout.flow(spec, self._workers_of(spec.proxy), number)
        self._flow_keys.append((spec.pod, spec.call))
        self._flow_kinds.append((spec.proxy, spec.grpc))
        self._flow_index_stale = self._flow_index_stale or spec.pod >= 0
        if route is not None:
            self.set_route(flow, route)
        return flow

    def add_cluster(self, spec: ClusterSpec, hosts: Sequence[tuple[HostKey, HostSpec]] = ()) -> int:
        """A cluster of a proxy."""
        cluster = len(self._books)
        self._books.append(self._new_book(cluster, spec))
        self._layout.columns["cluster_row"].extend([-1])
        self._change(core.CH_CLUSTER, cluster, self._now, value=self._books[cluster].row)
        if hosts:
            self.set_hosts(cluster, hosts)
        return cluster

    def add_context(self, cluster: int, *, high: bool = False) -> int:
        """Requests that ask more of a cluster than a host (`contexts`), as another number that routes may lead to."""
        number = len(self._books)
        self._books.append(self._books[cluster])
        self._layout.columns["cluster_row"].extend([-1])
        self._contexts.add(self._books[cluster], number, high)
        return number

    def add_source(self, spec: SourceSpec) -> int:
        """A traffic source; it sends from ``spec.start`` (or now, when that has passed) to ``spec.stop``."""
        number = self._count("source")
        users = spec.users if spec.arrivals in (Arrivals.CLOSED, Arrivals.PERIODIC) else 0
        ids = [self._identity("user", number, user) for user in range(users)]
        source = self._layout.source(spec, self._identity("source", number), ids)
        self._change(core.CH_SOURCE, source, spec.start)
        return source

    # -- what changes ------------------------------------------------------------------------------------------------

    def set_route(self, flow: int, route: RouteSpec | None, at: Nanos | None = None) -> None:
        """A proxy's configuration for a flow takes effect; requests under way keep the route they started with."""
        self.set_routes(((flow, route),), at)

    def set_routes(self, routes: Iterable[tuple[int, RouteSpec | None]], at: Nanos | None = None) -> None:
        """`set_route` for many flows at one instant; a spec that proxies have in common is looked up once."""
        known: dict[tuple[int, bool], tuple[RouteSpec | None, tuple[int, int, int]]] = {}
        for flow, route in routes:
            proxy, grpc = self._flow_kinds[flow]
            _, place = known.get((id(route), grpc), (None, None))
            if place is None:
                place = (-1, -1, 0) if route is None else self._layout.route(route, proxy, grpc)
                if route is None or not counts_alone(route):
                    known[id(route), grpc] = route, place
            self._change(core.CH_ROUTE, flow, at, value=place[0], place=place[1], n=place[2])

    def set_cluster(self, cluster: int, spec: ClusterSpec, at: Nanos | None = None) -> None:
        """Replace a cluster: new connections, counters and outlier state, the same hosts (Envoy: a cluster update)."""
        old = self._books[cluster]
        hosts, drop = old.hosts, old.drop
        new = self._new_book(cluster, spec)
        self._books = [new if book is old else book for book in self._books]
        self._change(core.CH_CLUSTER, cluster, at, value=self._books[cluster].row)
        self.set_policy(cluster, drop, at=at)
        if hosts:
            self.set_hosts(cluster, hosts, at)
        self._contexts.renew(new, at)

    def remove_cluster(self, cluster: int, at: Nanos | None = None) -> None:
        """A proxy loses a cluster: new requests 503 NC, retries 503 UH; `set_cluster` brings it back."""
        self._change(core.CH_CLUSTER, cluster, at, value=-1)
        self._contexts.remove(self._books[cluster], at)

    def set_policy(self, cluster: int, drop: int, overprovisioning: int | None = None, at: Nanos | None = None) -> None:
        """What an assignment says beside endpoints, given before them: parts per million of the requests that it drops
        from the next change of hosts or their health on, and percent of overprovisioning (None = as before)."""
        book = self._books[cluster]
        if self._contexts.set_policy(book, drop, overprovisioning, at):
            self._plan(book, [spec for _, spec in book.hosts], at)

    def set_subsets(self, cluster: int, subsets: Mapping[str, SubsetSpec], at: Nanos | None = None) -> None:
        """The subsets of a cluster, anew after each change of its hosts."""
        self._contexts.set_subsets(self._books[cluster], subsets, at)

    def set_chain(self, context: int, names: Sequence[str], at: Nanos | None = None) -> None:
        """The subsets that are asked for a host of a context's requests, one after the other."""
        self._contexts.set_chain(self._books[context], context, names, at)

    def set_hosts(self, cluster: int, hosts: Sequence[tuple[HostKey, HostSpec]], at: Nanos | None = None) -> None:
        """The endpoints of a cluster, in their order; equal keys keep their state, the first of doubled keys counts."""
        book = self._books[cluster]
        ordered = book.ordered(hosts)
        words: list[int] = []
        rows: dict[HostKey, int] = {}
        for key, spec in ordered:
            row = book.rows.get(key)
            facts = HostFacts(spec.priority, spec.locality, spec.hash_key or str(key))
            if row is None or self._facts[row] != facts:
                row = self._new_host(book, key, spec)
                self._facts.append(facts)
            rows[key] = row
            words.extend(self._layout.host_words(row, spec))
        checked = book.probe >= 0
        # Hosts that are found healthy may outlive their assignment, and come back to it.
        book.rows = {**book.rows, **rows} if checked else rows
        book.hosts = ordered
        most = book.ever if checked else len(ordered)
        if most > book.capacity or checked:
            book.capacity = max(4, 1 << (max(most, 1) - 1).bit_length())
            book.base = self._layout.columns["hosts"].extend([0] * book.capacity)
            self._layout.columns["seen"].extend([0] * book.capacity)
        self._plan(book, [spec for _, spec in ordered], at)
        place = self._layout.columns["payload"].extend(words)
        self._change(core.CH_HOSTS, book.row, at, value=book.base, place=place, n=len(ordered))

    def set_host_reachable(self, cluster: int, key: HostKey, reachable: bool, at: Nanos | None = None) -> None:
        """Break or heal the network between a proxy and one endpoint."""
        row = self._books[cluster].rows.get(key)
        if row is not None:
            self._change(core.CH_REACH, row, at, value=int(reachable))

    def set_rate(self, source: int, rate_per_s: float, at: Nanos | None = None) -> None:
        """An open-loop source sends at another rate; users, connections and changing rates can only be ended (0)."""
        self._change(core.CH_RATE, source, at, value=interval_of(rate_per_s))

    def set_source_flows(self, source: int, flows: Sequence[int], at: Nanos | None = None) -> None:
        """A source sends to other entry proxies."""
        if not flows:
            raise InternalError("a traffic source needs at least one flow", None, "give it one without a route instead")
        place = self._layout.columns["source_flow"].extend(flows)
        self._change(core.CH_FLOWS, source, at, place=place, n=len(flows))

    def set_pod_state(self, pod: int, state: PodState, at: Nanos | None = None) -> None:
        """An instance becomes ready, drains or dies (its sidecar with it)."""
        self._change(core.CH_POD, pod, at, value=int(state))

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> Nanos:
        """Everything strictly before this instant has happened."""
        return self._now

    @property
    def mode(self) -> Mode:
        """How the core is executed."""
        return self._tables.mode

    def run_until(self, until: Nanos) -> None:
        """Process everything strictly before `until`."""
        self._flush()
        while self._next < until:
            answer = self._tables.run(until)
            if answer == core.FULL:
                self._grow()
            elif answer == core.LOGFULL:
                self._keep_rows(self._tables.take_log())
            elif answer == core.CELLFULL:
                self._tables.keep_cells()
            else:
                self._next = answer
        self._now = max(self._now, until)

    # -- what came of it ---------------------------------------------------------------------------------------------

    def drain(self) -> npt.NDArray[np.void]:
        """The log rows since the last call (`storage.LOG_DTYPE`), in the order in which they were written."""
        parts = [*self._logs, self._tables.take_log()]
        self._logs = []
        return np.concatenate(parts)

    def hand_rows(self) -> None:
        """Give `on_rows` the log rows that it has not got yet."""
        self._keep_rows(self._tables.take_log())

    def reuse_rows(self, rows: npt.NDArray[np.void]) -> None:
        """Whoever got these rows needs them no longer: others may take their place."""
        self._tables.reuse_log(rows)

    def _keep_rows(self, rows: npt.NDArray[np.void]) -> None:
        if self.on_rows is None:
            self._logs.append(rows)
        elif len(rows):
            self.on_rows(rows)

    def drain_series(self) -> npt.NDArray[np.void]:
        """Finished requests since the last call (`series.SERIES_DTYPE`), one row a second, edge, destination workload,
        outcome and latency bucket. A second that is not over goes on in the next call's rows; until then these stay."""
        return self._tables.take_series()

    @property
    def digest(self) -> int:
        """One number over every finished request: identity, status, time."""
        return self._tables.get("ctl", 0, "digest")

    @property
    def counters(self) -> Counters:
        """What the engine has done so far."""
        read = self._tables.get
        return Counters(self._now, *(read("ctl", 0, f) for f in ("events", "started", "finished", "attempts")))

    @property
    def edges(self) -> list[Edge]:
        """The groups of the series, by their number."""
        return list(self._edges)

    def host_name(self, row: int) -> tuple[int, HostKey]:
        """Cluster and key of a host row as it stands in log rows."""
        return self._host_names[row]

    def cluster_stats(self, cluster: int) -> ClusterStats:
        """Statistics of a cluster since its last replacement."""
        self._flush()
        row = self._books[cluster].row
        return ClusterStats(*(self._tables.get("cluster", row, f) for f in ClusterStats._fields))

    def count_clusters(self) -> ClusterCounts:
        """Statistics of all clusters since their first row: as in Envoy, a replaced cluster goes on counting."""
        self._flush()
        return count_clusters(self._tables, self._cluster_of, len(self._books))

    def host_state(self, cluster: int, key: HostKey) -> HostState:
        """One endpoint of a cluster; raises `KeyError` for an unknown key."""
        self._flush()
        row = self._books[cluster].rows[key]
        read = self._tables.get
        return HostState(
            read("host", row, "active"),
            bool(read("host", row, "ejected")),
            read("host", row, "multiplier"),
            bool(read("host", row, "reachable")),
            core.usable(read("host", row, "healthy")),
        )

    def health_stats(self, cluster: int) -> HealthStats | None:
        """Statistics of a cluster's health checks since its last replacement, None without checks."""
        self._flush()
        probe = self._books[cluster].probe
        if probe < 0:
            return None
        return HealthStats(*(self._tables.get("probe", probe, f) for f in HealthStats._fields))

    def pod_load(self, pod: int) -> PodLoad:
        """What an instance has to do now."""
        self._flush()
        read = self._tables.get
        numbers = (read("pod", pod, name) for name in ("busy", "queued", "begun"))
        return PodLoad(PodState(read("pod", pod, "state")), *numbers)

    def pod_cpu(self, pod: int) -> CpuUse | None:
        """What an instance has used of its CPU, None where that is not told from other service time."""
        self._flush()
        row = self._tables.get("pod", pod, "bound")
        if row < 0 or self._tables.get("bound", row, "share") == 0:
            return None
        return CpuUse(*settled(self._tables.read_rows("bound", row, 1)[0], self._now))

    def proxy_usage(self, proxy: int) -> ProxyUsage:
        """What the event loops of a proxy have taken on so far, as stations whose waking costs something."""
        self._flush()
        read = self._tables.get
        return ProxyUsage(read("proxy", proxy, "busy"), read("proxy", proxy, "wakes"))

    def met_rows(self, rows: tuple[Row, ...]) -> int:
        """First of these rows of `inbound`, written at once: answers of scripted hosts (`scripted`)."""
        found = self._layout.met(rows)
        self._layout.rows["inbound"].flush(self._tables)
        return found

    @property
    def tables(self) -> Tables:
        """The tables themselves, for checks and measurements."""
        self._flush()
        return self._tables

    # -- inside ------------------------------------------------------------------------------------------------------

    def _identity(self, *key: str | int) -> int:
        return draw(self.seed, *key)

    def _count(self, name: str) -> int:
        appender = self._layout.rows[name]
        return appender.count + len(appender.rows)

    def _workers_of(self, proxy: int) -> int:
        return self._workers[proxy] if proxy >= 0 else 1

    def _new_book(self, cluster: int, spec: ClusterSpec) -> Book:
        workers = self._workers_of(spec.proxy)
        identity = self._identity("cluster", cluster)
        turns = [self._identity("turn", cluster, worker) & 0xFFFFFFFF for worker in range(workers)]
        self._cluster_of.append(cluster)
        row = self._layout.cluster(spec, workers, identity, turns)
        probe = -1 if spec.health_check is None else self._layout.probe(spec.health_check)
        return Book(cluster, spec, row, workers, identity, probe)

    def _new_host(self, book: Book, key: HostKey, spec: HostSpec) -> int:
        check = 0
        if book.probe >= 0 and spec.checked:
            check = self._layout.check(book.probe, self._identity("check", book.number, book.ever))
        book.ever += 1
        self._host_names.append((book.number, key))
        return self._layout.host(book.row, book.workers, spec.priority, check)

    def _plan(self, book: Book, hosts: Sequence[HostSpec], at: Nanos | None) -> None:
        """Have a cluster planned as soon as one list of equal hosts does not do for it."""
        priorities = 1 + max((spec.priority for spec in hosts), default=-1)
        if priorities <= book.levels or not (book.levels or needs_plan(book.spec, hosts)):
            return
        book.levels = max(priorities, 2 * book.levels)
        spec = own_balancer(book.spec)
        plan, first = self._layout.plan(spec, book.row, book.levels)
        levels = [PlannedLevel() for _ in range(book.levels)]
        planned = PlannedCluster(
            book.number, book.row, spec, book.workers, book.identity, plan, first, levels, self._now
        )
        self._planner.add(planned)
        self._change(core.CH_PLAN, book.row, at, value=plan)
        self._contexts.plan(book, at)

    def _change(self, kind: int, target: int, at: Nanos | None, *, value: int = 0, place: int = 0, n: int = 0) -> None:
        time = self._now if at is None else max(at, self._now)
        row: Row = (time, kind, target, value, place, n)
        self._layout.rows["change"].add(row)
        self._next = min(self._next, time)

    def _flush(self) -> None:
        """Write what waits into the tables and put new changes into the core's queue."""
        changes = self._layout.rows["change"]
        self._layout.flush(self._tables)
        if self._layout.looking and not self._tables.get("ctl", 0, "looking"):
            self._tables.set("ctl", 0, "looking", 1)
        if self._layout.call_errors:
            self._tables.set("ctl", 0, "call_errors", 1)
        if self._flow_index_stale:
            self._index_flows()
        new = changes.count - self._injected
        if new:
            self._fit_columns()
            self._tables.reserve("heap", 2 * (self._waiting() + new) + _HEAP)
            self._tables.inject(self._injected, new)
            self._injected = changes.count

    def _fit_columns(self) -> None:
        """Fit what depends on other tables: timer rings, the lists of tried hosts, whether to look ahead."""
        t = self._tables
        if t.mode is not Mode.PLAIN and self._layout.rows["host"].count > _NEAR_HOSTS:
            t.set("ctl", 0, "looks", 1)
        t.reserve("timer", self._layout.timer_ring)
        self._widen("tried", "tried_width", self._layout.tried_width)
        self._widen("hedged", "hedge_width", self._layout.hedge_width)
        self._widen("late", "late_width", self._layout.late_width)
        self._contexts.fit()

    def _widen(self, column: str, name: str, needed: int) -> None:
        """Give each request more places in a column that has some for each try."""
        t = self._tables
        width = t.get("ctl", 0, name)
        if needed > width:
            requests = t.length("req")
            new = np.zeros((requests, needed), np.int64)
            if width:
                new[:, :width] = t.column(column).reshape(requests, width)
            t.write(column, 0, new.reshape(-1).tolist())
            t.set("ctl", 0, name, needed)

    def _index_flows(self) -> None:
        """Put the flows of each pod side by side, by call (`core.find_flow`)."""
        of_pod: dict[int, dict[int, int]] = {}
        for flow, (pod, call) in enumerate(self._flow_keys):
            if pod >= 0:
                of_pod.setdefault(pod, {})[call] = flow
        places: list[int] = []
        for pod, flows in of_pod.items():
            first, last = min(flows), max(flows)
            values = (("call_first", first), ("call_n", last - first + 1), ("flow_at", len(places)))
            for name, value in values:
                self._tables.set("pod", pod, name, value)
            places.extend(flows.get(call, -1) for call in range(first, last + 1))
        self._tables.write("call_flow", 0, places)
        self._flow_index_stale = False

    def _waiting(self) -> int:
        """Events that wait, but for the few of the current bucket."""
        return self._tables.get("ctl", 0, "far_n") + self._tables.get("ctl", 0, "wheel_n")

    def _grow(self) -> None:
        """Make room where the core lacked it."""
        t = self._tables
        read = t.get
        for name in ("req", "att", "conn"):
            if read("ctl", 0, f"{name}_free_n") < (core.DIALS if name == "conn" else 2 * core.TOGETHER):
                self._grow_pool(name, 2 * t.length(name))
        stale = read("ctl", 0, "stale")
        if stale:
            self._planner.refresh(stale - 1)
            t.set("ctl", 0, "stale", 0)
        if read("ctl", 0, "rare_full"):
            grow_rare(t)
        if read("ctl", 0, "pools_short"):
            self._contexts.grow()
        self._contexts.fit()
        full = read("ctl", 0, "timer_full")
        if full:
            self._grow_ring(full - 1)
            t.set("ctl", 0, "timer_full", 0)
        if read("ctl", 0, "work_n") + core.WORK_ROOM > t.length("work"):
            t.reserve("work", 2 * t.length("work"))
        if 2 * self._waiting() + _HEAP > t.length("heap"):
            t.reserve("heap", 2 * t.length("heap"))

    def _grow_pool(self, name: str, size: int) -> None:
        """Lengthen a table whose free rows form a list."""
        if size > core.SLOTS:
            raise LimitError(
                f"more than {core.SLOTS} rows '{name}' at once", None, "the mesh is overloaded: lower the load"
            )
        t = self._tables
        old = t.length(name)
        first = t.get("ctl", 0, f"{name}_free")
        free = t.get("ctl", 0, f"{name}_free_n")
        t.reserve(name, size)
        t.fill(name, "next", old, [*range(old + 1, size), first if free else -1])
        t.set("ctl", 0, f"{name}_free", old)
        t.set("ctl", 0, f"{name}_free_n", free + size - old)
        if name == "att":
            t.fill(name, "phase", old, [core.OVER] * (size - old))
            t.reserve("trace", size)
            t.reserve("att_gen", size)
        if name == "conn":
            t.reserve("conn_age", size)
        if name == "req":
            t.reserve("tried", size * t.get("ctl", 0, "tried_width"))
            t.reserve("hedged", size * t.get("ctl", 0, "hedge_width"))
            t.reserve("late", size * t.get("ctl", 0, "late_width"))

    def _grow_ring(self, number: int) -> None:
        """Give a timer class a ring of twice the length at the end of the timer table."""
        t = self._tables
        first, mask, head, tail = (t.get("timer_class", number, name) for name in ("first", "mask", "head", "tail"))
        rows = t.read_rows("timer", first, mask + 1)
        kept = [rows[at & mask] for at in range(head, tail)]
        size = 2 * (mask + 1)
        base = self._layout.timer_ring
        self._layout.timer_ring += size
        t.reserve("timer", self._layout.timer_ring)
        t.write_rows("timer", base, kept)
        for name, value in (("first", base), ("mask", size - 1), ("head", 0), ("tail", len(kept))):
            t.set("timer_class", number, name, value)
