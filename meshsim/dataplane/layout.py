"""From the plain values of `meshsim.dataplane.specs` to rows of the event core: scaling, interning, numbering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from meshsim.dataplane import core
from meshsim.dataplane.appending import Appender, ColumnAppender
from meshsim.dataplane.connections import connection_fields, peek_words, short_life
from meshsim.dataplane.hashing import SIGN
from meshsim.dataplane.host_health import LIMIT, outlier_fields, probe_fields
from meshsim.dataplane.limits import bucket_fields
from meshsim.dataplane.pacing import interval_of, periods_of, piece_rows
from meshsim.dataplane.row_parts import alike, classes_of, counts_alone, health_of, kind_of, shares_of, stream_fields
from meshsim.dataplane.specs import (
    Arrivals,
    CallSpec,
    ClusterSpec,
    CpuSpec,
    Distribution,
    FlowSpec,
    HandlerSpec,
    HealthCheckSpec,
    HostSpec,
    LevelPiece,
    PodSpec,
    ProxySpec,
    RateLimitSpec,
    RouteSpec,
    Shape,
    SlowStartSpec,
    SourceSpec,
    StepSpec,
    WakeSpec,
)
from meshsim.dataplane.storage import FIELDS, Tables
from meshsim.dataplane.ziggurat import heights, layer_words
from meshsim.units import MILLISECOND, SECOND, Nanos

Row = tuple[int, ...]
RING: Final = 64
"""First length of a timer class's ring, a power of two."""
USUAL_REST: Final = 3_600 * SECOND
"""How long connections may have no stream where nothing else is configured (Envoy 1.40)."""
CHOICES: Final = (1 << 15) - 1
"""The most hosts that a least request balancer compares; more than any cluster has change nothing that can be seen."""
_RUNNING: Final = frozenset(
    (
        *("ctl", "conn", "conn_age", "req", "att", "trace", "timer", "log", "tally", "cell", "kept", "series"),
        *("host_source", "pool_key", "own_bucket"),
    )
)
"""Tables that are filled while the core runs."""


def chance(probability: float) -> int:
    """A probability as a number of `core.WHOLE`."""
    return min(max(round(probability * core.WHOLE), 0), core.WHOLE)


def row_of(name: str, **values: int) -> Row:
    """A row of a table from named fields; the others are 0."""
    fields = FIELDS[name]
    unknown = values.keys() - set(fields)
    if unknown:
        raise TypeError(f"row '{name}' has no field {sorted(unknown)}")
    return tuple(int(values.get(f, 0)) for f in fields)


class Layout:
    """Turns specs into rows; holds what is shared between rows (distributions, routes, timer classes)."""

    def __init__(self) -> None:
        self.rows = {name: Appender(name) for name in FIELDS if name not in _RUNNING}
        self.columns = {
            name: ColumnAppender(name)
            for name in (
                *("free", "turn", "hosts", "seen", "cluster_row", "holder", "layer", "height"),
                *("handler_call", "source_flow", "code", "payload", "quantile", "instant", "outcome", "session_key"),
            )
        }
        self.columns["layer"].extend(layer_words())
        self.columns["height"].extend(heights())
        self._dists: dict[Distribution, int] = {}
        self._wakes: dict[WakeSpec, int] = {}
        self._routes: dict[tuple[RouteSpec, int, bool], int] = {}
        self._buckets: dict[tuple[RateLimitSpec, int], int] = {}
        self._holders: dict[tuple[str, int], int] = {}
        self._timers: dict[tuple[int, int], int] = {}
        self._links: dict[Row, int] = {}
        self._met: dict[tuple[Row, ...], int] = {}
        self._curves: dict[tuple[tuple[int, float], ...], int] = {}
        self._keys: dict[tuple[int, ...], int] = {}
        self._groups: list[int] = []
        self._chances: list[int] = []
        self._passages: list[tuple[int, int]] = []
        self.call_errors = False
        """Whether there are calls that fail by themselves."""
        self.by_connection = False
        """Whether there are buckets of tokens for each connection."""
        self.timer_ring = 0
        self.tried_width = 1
        self.hedge_width = 0
        self.late_width = 0
        self.looking = False
        """Whether anything may be idle for long and end by it."""

    def flush(self, tables: Tables) -> None:
        """Write everything that waits."""
        for appender in self.rows.values():
            appender.flush(tables)
        for column in self.columns.values():
            column.flush(tables)

    # -- distributions, timers ---------------------------------------------------------------------------------------

    def dist(self, dist: Distribution | None) -> int:
        """Row of a distribution, -1 for none or always 0."""
        if dist is None or (dist.shape is Shape.FIXED and dist.scale == 0):
            return -1
        found = self._dists.get(dist)
        if found is None:
            found = self._dists[dist] = self.rows["dist"].add((int(dist.shape), *self._parameters(dist)))
        return found

    def _parameters(self, dist: Distribution) -> tuple[int, int]:
        """Scale and spread of a distribution as its row has them."""
        if dist.shape is Shape.EMPIRICAL:
            points = [number for share, value in dist.quantiles for number in (chance(share), value)]
            return self.columns["quantile"].extend(points), len(dist.quantiles)
        if dist.shape in (Shape.LOGNORMAL, Shape.GAMMA, Shape.PARETO):
            return dist.scale, round(dist.spread * 1e9)
        return dist.scale, round(dist.spread)

    def timer_class(self, span: int, kind: int) -> int:
        """The class of timers of one duration, -1 for no timer."""
        if span <= 0:
            return -1
        key = (span, kind)
        found = self._timers.get(key)
        if found is None:
            found = self.rows["timer_class"].add(
                row_of("timer_class", span=span, kind=kind, first=self.timer_ring, mask=RING - 1)
            )
            self.timer_ring += RING
            self._timers[key] = found
        return found

    # -- one row a spec ----------------------------------------------------------------------------------------------

    def proxy(self, spec: ProxySpec, identity: int) -> int:
        turns = [row_of("turn_of", end=-1)] * (spec.workers if spec.flushed > 0 else 0)
        dists = (spec.outbound, spec.inbound, spec.handshake, spec.report.cost if spec.report else None)
        named = dict(zip(("outbound", "inbound", "crypto", "report"), map(self.dist, dists), strict=True))
        self._passages.append((named["outbound"], named["inbound"]))
        return self.rows["proxy"].add(
            row_of(
                "proxy",
                id=identity,
                workers=spec.workers,
                station=self.columns["free"].extend([0] * (1 + (spec.report is not None)) * spec.workers),
                reports=spec.report.answers if spec.report else 0,
                waking=self._wake(spec.wake),
                flushed=round(spec.flushed * core.MILLION),
                turn_at=self.rows["turn_of"].extend(turns),
                **named,
            )
        )

    def _wake(self, spec: WakeSpec | None) -> int:
        """Row of what waking costs, -1 for nothing; equal ones share theirs."""
        if spec is None:
            return -1
        found = self._wakes.get(spec)
        if found is None:
            noise = Distribution(Shape.LOGNORMAL, core.MILLION, spec.spread) if spec.spread > 0 else None
            found = self._wakes[spec] = self.rows["wake"].add(
                row_of("wake", least=spec.least, most=spec.most, half=max(spec.half, 1), noise=self.dist(noise))
            )
        return found

    def pod(self, spec: PodSpec, identity: int) -> int:
        return self.rows["pod"].add(
            row_of(
                "pod",
                id=identity,
                proxy=spec.proxy,
                inbound=self._passages[spec.proxy][1] if spec.proxy >= 0 else -1,
                workload=spec.workload,
                workers=spec.workers,
                hold=spec.hold_while_calling,
                head=-1,
                tail=-1,
                bound=self._bound(spec, identity),
                waking=self._wake(spec.wake),
            )
        )

    def _bound(self, spec: PodSpec, identity: int) -> int:
        """Row of what bounds a pod beside its workers, -1 for nothing."""
        if spec.queue is None and spec.cpu is None and not spec.curve:
            return -1
        cpu = spec.cpu or CpuSpec(share=0.0)
        return self.rows["bound"].add(
            row_of(
                "bound",
                share=round(cpu.share * core.MILLION),
                quota=cpu.quota,
                left=cpu.quota,
                phase=core.draw(identity, core.P_AGAIN) % core.PERIOD - core.PERIOD,
                queue_max=LIMIT if spec.queue is None else spec.queue,
                full_status=spec.full_status,
                curve=self._curve(spec.curve),
            )
        )

    def _curve(self, points: tuple[tuple[int, float], ...]) -> int:
        """Where a curve's number of points stands, followed by them."""
        if not points:
            return -1
        found = self._curves.get(points)
        if found is None:
            words = [len(points), *(word for busy, factor in points for word in (busy, round(factor * core.MILLION)))]
            found = self._curves[points] = self.columns["quantile"].extend(words)
        return found

    def handler(self, spec: HandlerSpec) -> int:
        steps = spec.steps or tuple(StepSpec(self._groups[call], call) for call in spec.calls)
        words = []
        for step in steps:
            what = core.BRANCH | step.branch if step.branch >= 0 else step.call
            words += [(step.group << core.GROUP_SHIFT) | what, 0 if step.branch >= 0 else self._chances[step.call]]
        share, outcomes = 0.0, []
        for rate, status in spec.errors:
            share += rate
            outcomes += [chance(share), status]
        share += spec.error_rate
        return self.rows["handler"].add(
            row_of(
                "handler",
                service=self.dist(spec.service),
                error=chance(share),
                error_status=spec.error_status,
                answers=1 + len(spec.errors),
                outcome_at=self.columns["outcome"].extend(outcomes),
                call_at=self.columns["handler_call"].extend(words),
                call_n=len(steps),
                size=spec.size,
            )
        )

    def call(self, spec: CallSpec) -> int:
        self._groups.append(spec.group)
        self._chances.append(chance(spec.probability))
        self.call_errors = self.call_errors or spec.error_rate > 0
        return self.rows["call"].add(
            row_of(
                "call",
                fail=spec.fail_parent,
                again=spec.retries,
                error=chance(spec.error_rate),
                error_status=spec.error_status,
                timeout_class=self.timer_class(spec.timeout, core.TIMER_CALL),
                wait=self.dist(spec.backoff),
            )
        )

    def flow(self, spec: FlowSpec, workers: int, edge: int) -> int:
        return self.rows["flow"].add(
            row_of(
                "flow",
                proxy=spec.proxy,
                workers=workers,
                pod=spec.pod,
                edge=edge,
                route=-1,
                cluster=-1,
                size=spec.size,
            )
        )

    def route(self, spec: RouteSpec, proxy: int = -1, grpc: bool = False) -> tuple[int, int, int]:
        """Row of a route of a proxy, the cluster of one that leads to a single one (else -1), and the class there.

        Routes that differ in that cluster alone share a row, unless they have tokens or a back-off of their proxy's.
        """
        shares = shares_of(spec)
        if len(shares) != 1:
            return self._route_row(spec, proxy, grpc), -1, 0
        cluster, _, kind = shares[0]
        return self._route_row(alike(spec), proxy, grpc), cluster, kind

    def _route_row(self, spec: RouteSpec, proxy: int, grpc: bool) -> int:
        key = (spec, proxy if counts_alone(spec) else -1, grpc)
        found = self._routes.get(key)
        if found is None and spec.ways:
            ways = [(weight, self._route_row(way, proxy, grpc), 0) for weight, way in spec.ways]
            first = self.rows["share"].extend(ways)
            whole = sum(weight for weight, _, _ in ways)
            drawn = row_of("route", kind=spec.kind, share_at=first, share_n=len(ways), weight=whole)
            found = self._routes[key] = self.rows["route"].add(drawn)
        if found is None:
            limit = -1 if spec.limit is None else self._bucket(spec.limit, proxy)
            found = self.rows["route"].add(self._route(spec, limit, grpc, self._faults(spec, proxy)))
            self._routes[key] = found
        return found

    def _bucket(self, spec: RateLimitSpec, proxy: int) -> int:
        key = (spec, proxy)
        found = self._buckets.get(key)
        if found is None:
            fields = bucket_fields(spec)
            if spec.then is not None:
                own, rest = self._bucket(replace(spec, then=None), proxy), self._bucket(spec.then, proxy)
                fields |= {"of": 1 + own, "then": 1 + rest}
            found = self.rows["bucket"].add(row_of("bucket", **fields))
            self._buckets[key] = found
            self.by_connection = self.by_connection or spec.by_connection
        return found

    def _faults(self, spec: RouteSpec, proxy: int) -> dict[str, int]:
        """Fields of a route's faults: their shares, what slows answers down, and where those under way are kept."""
        faults = spec.faults
        fields = {"delay_ppm": spec.delay_ppm, "most_faults": -1}
        if faults is None:
            return fields
        fields |= {"slow_ppm": faults.rate_ppm, "slow_rate": min(faults.rate, LIMIT)}
        if faults.most_active is not None and faults.most_active <= core.HOLDERS:
            key = (faults.counted_for, proxy)
            if key not in self._holders:
                self._holders[key] = self.columns["holder"].extend([0] * (1 + 2 * core.HOLDERS))
            fields |= {"most_faults": faults.most_active, "holder_at": self._holders[key]}
        fields["delay_ppm"] += core.MORE_FAULTS
        return fields

    def _route(self, spec: RouteSpec, limit: int, grpc: bool, faults: dict[str, int]) -> Row:
        shares = shares_of(spec)
        shadows = zip(spec.mirrors, classes_of(spec)[len(spec.clusters) :])
        if spec.host_reselect_attempts or spec.previous_priorities:
            self.tried_width = max(self.tried_width, spec.retries + 1)
        if spec.hedge:
            self.hedge_width = max(self.hedge_width, spec.retries + 2)
        slow = spec.body > 0
        if slow or spec.redirects:
            self.late_width = 2
        # Envoy ignores a per-try timeout that is not shorter than the route's (router.cc, finalTimeout).
        per_try = spec.per_try_timeout if not spec.timeout or spec.per_try_timeout < spec.timeout else 0
        base_ms = max(spec.backoff_base // MILLISECOND, 1)
        return row_of(
            "route",
            kind=spec.kind,
            status=spec.status,
            flag=spec.flag,
            share_at=self.rows["share"].extend([(weight, cluster, kind) for cluster, weight, kind in shares]),
            share_n=len(shares),
            weight=sum(weight for _, weight, _ in shares),
            timeout=0 if slow and not spec.holds else spec.timeout,
            timeout_class=self.timer_class(spec.timeout, core.TIMER_ROUTE),
            try_class=self.timer_class(per_try, core.TIMER_TRY),
            retries=spec.retries,
            retry_on=spec.retry_on,
            code_at=self.columns["code"].extend(spec.retriable_codes),
            code_n=len(spec.retriable_codes),
            base_ms=base_ms,
            max_ms=max(spec.backoff_max // MILLISECOND, base_ms),
            reselect=spec.host_reselect_attempts,
            delay=spec.delay,
            abort_ppm=spec.abort_ppm,
            abort_status=spec.abort_status,
            mirror_at=self.rows["share"].extend([(part, cluster, kind) for (cluster, part), kind in shadows]),
            mirror_n=len(spec.mirrors),
            idle_class=self.timer_class(self._short(spec.idle_timeout), core.TIMER_IDLE),
            try_idle_class=self.timer_class(spec.per_try_idle_timeout, core.TIMER_TRY_IDLE),
            duration_class=self.timer_class(spec.max_stream_duration, core.TIMER_DURATION),
            limit=limit,
            limit_late=spec.limit is not None and spec.limit.after_fault,
            hash=(spec.hash or 0) - SIGN if spec.hash is not None else 0,
            hashed=core.HASH_SESSION if spec.session else core.HASH_RANDOM if spec.hash is None else core.HASH_FIXED,
            priorities=spec.previous_priorities,
            revisits=spec.may_revisit,
            avoided=spec.avoided_marks,
            key_at=self._session_keys(spec.session_keys),
            key_n=len(spec.session_keys),
            grpc=grpc,
            hedge=spec.hedge,
            timeout_status=spec.timeout_status,
            request_class=self.timer_class(spec.request_timeout if slow else 0, core.TIMER_REQUEST),
            **faults,
            **stream_fields(spec),
            follow_at=self.rows["share"].extend([(1 + location, flow, 0) for location, flow in spec.redirects]),
            rest=spec.idle_timeout - self._short(spec.idle_timeout),
        )

    def _short(self, span: Nanos) -> Nanos:
        """A time that something may be idle, 0 if it is so long that now and then a look will do."""
        if span < 2 * core.LOOK:
            return span
        self.looking = True
        return 0

    def _session_keys(self, keys: tuple[int, ...]) -> int:
        """Place of the hashes of sessions; equal ones are shared."""
        found = self._keys.get(keys)
        if found is None:
            found = self._keys[keys] = self.columns["session_key"].extend([key - SIGN for key in keys])
        return found

    def cluster(self, spec: ClusterSpec, workers: int, identity: int, first_turns: Sequence[int], **more: int) -> int:
        """A new row for a cluster, without hosts; `more` are further fields."""
        outlier = spec.outlier
        unusual = spec.max_stream_duration or spec.idle_timeout not in (0, USUAL_REST) or spec.max_connection_duration
        unusual = unusual or spec.max_requests_per_connection or spec.sessions
        pools = more.get("pools", core.BY_CONNECTION if spec.by_connection else 0)
        unusual = unusual or pools
        limits: dict[str, int] = {"limits": bool(unusual) or spec.max_concurrent_streams < core.MANY_STREAMS}
        limits |= {"drops": core.SESSIONS * spec.sessions, **more, "pools": pools}
        if outlier is not None:
            limits |= outlier_fields(outlier)
        return self.rows["cluster"].add(
            row_of(
                "cluster",
                id=identity,
                proxy=spec.proxy,
                outbound=self._passages[spec.proxy][0] if spec.proxy >= 0 else -1,
                workers=workers,
                policy=spec.policy,
                choice=min(max(spec.choice_count, 1), CHOICES),
                panic=spec.panic_threshold,
                max_connections=min(spec.max_connections, LIMIT),
                max_pending=min(spec.max_pending_requests, LIMIT),
                max_requests=min(spec.max_requests, LIMIT),
                max_retries=min(spec.max_retries, LIMIT),
                connect_timeout=spec.connect_timeout,
                http2=spec.http2,
                rr=self.columns["turn"].extend(first_turns),
                outlier=outlier is not None,
                updated=-core.NEVER,
                budget=0 if spec.retry_budget is None else round(spec.retry_budget * 1000),
                duration_class=self.timer_class(spec.max_stream_duration, core.TIMER_UPSTREAM),
                plan=-1,
                merge=spec.merge_window,
                rest_class=self.timer_class(self._short(spec.idle_timeout), core.TIMER_REST),
                life_class=self.timer_class(short_life(spec), core.TIMER_LIFE),
                peek_at=self.columns["turn"].extend([0] * peek_words(spec, workers)) if spec.predict > 1 else 0,
                **connection_fields(spec),
                **limits,
            )
        )

    def plan(self, spec: ClusterSpec, cluster_row: int, levels: int) -> tuple[int, int]:
        """New rows for balancing a cluster with this many priorities: the plan and the first priority."""
        slow = spec.slow_start or SlowStartSpec(window=0)
        level = row_of("level", cluster=cluster_row, updated=-core.NEVER)
        first = self.rows["level"].extend([level] * levels)
        plan = row_of(
            "plan",
            level_at=first,
            level_n=levels,
            policy=spec.policy,
            full_scan=spec.full_scan,
            fail_on_panic=spec.fail_on_panic,
            routing_percent=spec.zone.routing_percent if spec.zone is not None else 0,
            balance_factor=spec.hashing.balance_factor,
            bias=round(spec.active_request_bias * 1e9),
            window=slow.window,
            exponent=round(1e9 / slow.aggression),
            floor=round(slow.least_percent * 1e7),
            factor=spec.overprovisioning,
        )
        return self.rows["plan"].add(plan), first

    def probe(self, spec: HealthCheckSpec) -> int:
        """A new row for the health checks of a cluster."""
        ranges = {}
        for name, found in (("expected", spec.expected), ("retriable", spec.retriable)):
            ranges[f"{name}_at"] = self.columns["code"].extend([edge for pair in found for edge in pair])
            ranges[f"{name}_n"] = len(found)
        return self.rows["probe"].add(row_of("probe", **probe_fields(spec), **ranges))

    def check(self, probe: int, identity: int) -> int:
        """A new row for the health checks of the host that is made next; 1 + its number, as the host keeps it."""
        host = self.rows["host"].count + len(self.rows["host"].rows)
        return 1 + self.rows["check"].add(row_of("check", host=host, probe=probe, id=identity))

    def host(self, cluster_row: int, workers: int, priority: int = 0, check: int = 0) -> int:
        """A new, still empty host of a cluster, with one pool for each event loop of the caller's proxy."""
        host = self.rows["host"].count + len(self.rows["host"].rows)
        pool = row_of("pool", host=host, conn=-1, head=-1, tail=-1)
        first = self.rows["pool"].extend([pool] * workers)
        return self.rows["host"].add(
            row_of(
                "host",
                cluster=cluster_row,
                pod=-1,
                pool=first,
                ready_0=-1,
                ready_1=-1,
                reachable=1,
                healthy=1,
                weight=1,
                removed=1,
                level=priority,
                check=check,
            )
        )

    def host_words(self, row: int, spec: HostSpec) -> Row:
        """The payload words of one host (`core.set_host`)."""
        return (
            row,
            spec.pod,
            spec.handler,
            self._link(spec),
            int(spec.reachable),
            self._inbounds(spec),
            1 + len(spec.by_class),
            max(spec.weight, 1),
            health_of(spec),
            spec.handshake_rtts,
            self.dist(spec.external),
            spec.locality_weight,
            spec.marks,
        )

    def _link(self, spec: HostSpec) -> int:
        """Row of the network to a host; equal ones share theirs."""
        key = (spec.latency, spec.jitter, chance(spec.lost), spec.wire)
        found = self._links.get(key)
        if found is None:
            found = self._links[key] = self.rows["link"].add(key)
        return found

    def _inbounds(self, spec: HostSpec) -> int:
        """First row of what each class of requests meets at a host; equal ones share theirs."""
        met = ((spec.inbound, spec.inbound_status, spec.inbound_flag), *spec.by_class)
        handlers = (spec.handler, *spec.handlers) if spec.handlers else (spec.handler,) * len(met)
        return self.met(
            tuple(
                row_of(
                    "inbound",
                    flag=int(flag),
                    status=status,
                    **kind_of(kind),
                    handler=1 + handler if handler != spec.handler else 0,
                )
                for (kind, status, flag), handler in zip(met, handlers, strict=True)
            )
        )

    def met(self, rows: tuple[Row, ...]) -> int:
        """First of these rows of `inbound`; equal ones are shared."""
        found = self._met.get(rows)
        if found is None:
            found = self._met[rows] = self.rows["inbound"].extend(rows)
        return found

    def source(self, spec: SourceSpec, identity: int, user_ids: Sequence[int]) -> int:
        users = self.rows["user"]
        source = self.rows["source"].count + len(self.rows["source"].rows)
        piece_at, piece_n = self._pieces(spec)
        interval = interval_of(spec.rate_per_s)
        if spec.arrivals is Arrivals.CLOSED or piece_n > 0:
            interval = bool(piece_n)
        manner = calls = 0
        if spec.arrivals is Arrivals.PERIODIC and spec.periodic is not None:
            interval, calls, manner = periods_of(spec.periodic, spec.rate_per_s / len(user_ids))
        return self.rows["source"].add(
            row_of(
                "source",
                id=identity,
                arrivals=spec.arrivals,
                interval=interval,
                stop=spec.stop,
                flow_at=self.columns["source_flow"].extend(spec.flows),
                flow_n=len(spec.flows),
                latency=spec.latency,
                think=self.dist(spec.think),
                user_at=users.extend([row_of("user", id=i, source=source) for i in user_ids]),
                user_n=len(user_ids),
                piece_at=piece_at,
                piece_n=piece_n,
                calls=calls,
                manner=manner,
                sessions=spec.sessions,
            )
        )

    def _pieces(self, spec: SourceSpec) -> tuple[int, int]:
        """First and number of a source's pieces, or of its instants."""
        if spec.arrivals is Arrivals.REPLAYED:
            return self.columns["instant"].extend(spec.instants), len(spec.instants)
        levels = spec.levels
        if not levels and spec.arrivals is Arrivals.JITTERED:
            levels = (LevelPiece(0, spec.rate_per_s, spec.rate_per_s),)
        rows = piece_rows(levels, max(spec.stop - spec.start, 1))
        return self.rows["piece"].extend(rows), len(rows)
