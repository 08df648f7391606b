"""Random small meshes with everything in them, and random timelines of changes: food for tests of the engine."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import (
    UNLIMITED,
    Arrivals,
    CallSpec,
    ClusterSpec,
    CpuSpec,
    Distribution,
    FlowSpec,
    HandlerSpec,
    HashingSpec,
    HealthCheckSpec,
    HostSpec,
    InboundKind,
    LbPolicy,
    LevelPiece,
    PeriodicSpec,
    PodSpec,
    PodState,
    ProxySpec,
    RateLimitSpec,
    ReportSpec,
    RetryOn,
    RouteKind,
    RouteSpec,
    Shape,
    SlowStartSpec,
    SourceSpec,
    StepSpec,
    WakeSpec,
)
from meshsim.testing.meshes import CLUSTER, HANDLER, HOST, OUTLIER, SOURCE
from meshsim.units import MICROSECOND, MILLISECOND, SECOND, Nanos

_LOCALITIES: Final = (("r", "a", ""), ("r", "b", ""), ("s", "c", ""))
_TOKENS: Final = (RetryOn.NONE, RetryOn.FIVE_XX, RetryOn.GATEWAY_ERROR | RetryOn.RETRIABLE_4XX, RetryOn.RESET)


@dataclass(slots=True)
class _Service:
    handler: int
    calls: tuple[int, ...]
    pods: list[int] = field(default_factory=list)
    proxies: list[int] = field(default_factory=list)


class RandomMesh:
    """A mesh made from a number; the same number makes the same mesh in any engine.

    `span` is how long its traffic lasts; `changes` how many configuration changes and failures happen meanwhile.
    """

    def __init__(self, engine: Engine, number: int, *, span: Nanos = SECOND, changes: int = 12) -> None:
        self.engine = engine
        self.span = span
        self._chance = random.Random(number)
        self._services: list[_Service] = []
        self._clusters: list[tuple[int, ClusterSpec, list[tuple[int, HostSpec]]]] = []
        self._flows: list[tuple[int, int]] = []
        self._sources: list[int] = []
        for _ in range(self._chance.randint(1, 4)):
            self._add_service()
        self._add_gateway()
        for at in sorted(self._chance.randrange(span) for _ in range(changes)):
            self._change(at)

    @property
    def clusters(self) -> int:
        """How many clusters there are, numbered from 0."""
        return len(self._clusters)

    def _some_time(self, scale: Nanos) -> Distribution:
        mean = self._chance.randint(1, scale)
        return self._chance.choice(
            (
                Distribution(Shape.FIXED, mean),
                Distribution(Shape.EXPONENTIAL, mean),
                Distribution(Shape.LOGNORMAL, mean, 0.7),
                Distribution(Shape.GAMMA, mean, self._chance.choice((0.5, 2.0))),
                Distribution(Shape.PARETO, mean, 2.5),
                Distribution(Shape.UNIFORM, mean, 2.0 * mean),
                Distribution(Shape.EMPIRICAL, 0, quantiles=((0.0, 0), (0.3, mean), (0.99, 2 * mean), (1.0, 9 * mean))),
                Distribution(Shape.FIXED, 0),
            )
        )

    def _some_waking(self) -> WakeSpec | None:
        if self._chance.random() < 0.5:
            return None
        most = self._chance.randint(0, MILLISECOND)
        return WakeSpec(least=100 * MICROSECOND, most=most, half=MILLISECOND, spread=self._chance.choice((0.0, 0.4)))

    def _add_proxy(self) -> int:
        chance = self._chance
        return self.engine.add_proxy(
            ProxySpec(
                workers=chance.randint(1, 3),
                outbound=self._some_time(300 * MICROSECOND),
                inbound=self._some_time(300 * MICROSECOND),
                handshake=self._some_time(MILLISECOND),
                wake=self._some_waking(),
                report=chance.choice((None, None, ReportSpec(answers=7, cost=self._some_time(MILLISECOND)))),
                flushed=chance.choice((0.0, 0.0, 0.4)),
            )
        )

    def _add_service(self) -> None:
        """A service that may call those made before it."""
        chance = self._chance
        callees = chance.choices(range(len(self._services)), k=chance.randint(0, 3)) if self._services else []
        calls = tuple(
            self.engine.add_call(
                CallSpec(
                    group=chance.randint(0, turn),
                    probability=chance.choice((1.0, 0.5)),
                    fail_parent=chance.random() < 0.5,
                    **self._caller_code(),
                )
            )
            for turn in range(len(callees))
        )
        handler = self.engine.add_handler(
            HandlerSpec(
                service=self._some_time(20 * MILLISECOND),
                error_rate=chance.choice((0.0, 0.1, 0.6)),
                error_status=chance.choice((500, 503, 409, 429)),
                calls=calls,
                steps=self._steps(calls),
                errors=((0.05, 404), (0.05, 429)) if chance.random() < 0.2 else (),
                size=chance.choice((0, 20_000)),
            )
        )
        service = _Service(handler, calls)
        for _ in range(chance.randint(1, 3)):
            proxy = self._add_proxy() if chance.random() < 0.8 else -1
            pod = self.engine.add_pod(
                PodSpec(
                    proxy=proxy,
                    workload=len(self._services),
                    workers=chance.randint(0, 3),
                    hold_while_calling=chance.random() < 0.5,
                    queue=chance.choice((None, None, 0, 3)),
                    full_status=chance.choice((503, 429)),
                    wake=self._some_waking(),
                    cpu=chance.choice((None, CpuSpec(share=1.0, quota=20 * MILLISECOND), CpuSpec(share=0.4))),
                    curve=((1, 1.0), (3, 2.0), (8, 2.5)) if chance.random() < 0.3 else (),
                )
            )
            service.pods.append(pod)
            service.proxies.append(proxy)
            for call, callee in zip(calls, callees, strict=True):
                self._add_flow(proxy, pod, call, self._services[callee])
        self._services.append(service)

    def _caller_code(self) -> dict[str, Any]:
        """What the caller's own code does about failing calls, now and then."""
        chance = self._chance
        if chance.random() < 0.6:
            return {}
        return {
            "error_rate": chance.choice((0.0, 0.3)),
            "error_status": chance.choice((404, 500)),
            "timeout": chance.choice((0, 30 * MILLISECOND)),
            "retries": chance.choice((0, 1, 3)),
            "backoff": self._some_time(10 * MILLISECOND),
        }

    def _steps(self, calls: tuple[int, ...]) -> tuple[StepSpec, ...]:
        """The calls of a handler with branches and repetitions, now and then."""
        chance = self._chance
        if not calls or chance.random() < 0.6:
            return ()
        twice = tuple(StepSpec(group, calls[0]) for group in range(2))
        branch = self.engine.add_handler(replace(HANDLER, steps=twice))
        return (StepSpec(0, branch=branch), *(StepSpec(chance.randint(0, 1), call) for call in calls))

    def _add_flow(self, proxy: int, pod: int, call: int, callee: _Service) -> int:
        flow = self.engine.add_flow(
            FlowSpec(
                proxy=proxy,
                workload=pod,
                pod=pod,
                call=call,
                grpc=self._chance.random() < 0.2,
                size=self._chance.choice((0, 5_000)),
            )
        )
        clusters = [self._add_cluster(proxy, callee) for _ in range(self._chance.randint(1, 2))]
        self._flows.append((flow, len(self._clusters)))
        self.engine.set_route(flow, self._route(clusters))
        return flow

    def _add_cluster(self, proxy: int, callee: _Service) -> int:
        hosts = [(pod, self._host(pod, callee.handler)) for pod in callee.pods]
        spec = self._cluster(proxy)
        cluster = self.engine.add_cluster(spec, hosts)
        self._clusters.append((cluster, spec, hosts))
        return cluster

    def _cluster(self, proxy: int) -> ClusterSpec:
        chance = self._chance

        def limit(low: int, high: int) -> int:
            return chance.randint(low, high) if chance.random() < 0.2 else UNLIMITED

        outlier = replace(
            OUTLIER,
            interval=100 * MILLISECOND,
            base_ejection=chance.choice((50, 200)) * MILLISECOND,
            max_ejection_percent=chance.choice((50, 100)),
            consecutive_5xx=chance.choice((0, 2, 5)),
            consecutive_gateway=chance.choice((0, 3)),
            split_local_errors=chance.random() < 0.3,
            enforcing_5xx=chance.choice((50, 100)),
            enforcing_success_rate=chance.choice((0, 100)),
            success_rate_hosts=2,
            success_rate_volume=3,
            success_rate_factor=chance.choice((500, 1900)),
            enforcing_failure_percentage=chance.choice((0, 70)),
            failure_percentage_hosts=1,
            failure_percentage_volume=3,
            failure_percentage=40,
            always_eject_one=chance.random() < 0.3,
            ejection_jitter=chance.choice((0, 80 * MILLISECOND)),
        )
        return replace(
            CLUSTER,
            proxy=proxy,
            policy=chance.choice(list(LbPolicy)),
            choice_count=chance.choice((1, 2, 3)),
            panic_threshold=chance.choice((0, 50)),
            max_connections=limit(1, 2),
            max_pending_requests=limit(0, 3),
            max_requests=limit(1, 5),
            max_retries=limit(0, 2),
            max_requests_per_connection=chance.choice((0, 0, 1, 3)),
            connect_timeout=chance.choice((5 * MILLISECOND, SECOND)),
            http2=chance.random() < 0.5,
            outlier=outlier if chance.random() < 0.6 else None,
            retry_budget=chance.choice((None, None, 20.0)),
            max_stream_duration=chance.choice((0, 0, 25 * MILLISECOND)),
            max_concurrent_streams=chance.choice((1024, 1, 3)),
            idle_timeout=chance.choice((0, 0, 10 * MILLISECOND)),
            max_connection_duration=chance.choice((0, 0, 40 * MILLISECOND)),
            **self._balancing(),
        )

    def _balancing(self) -> dict[str, Any]:
        """What balancers have beyond their kind, now and then."""
        chance = self._chance
        if chance.random() < 0.5:
            return {}
        slow = SlowStartSpec(window=chance.choice((20, 300)) * MILLISECOND, aggression=chance.choice((1.0, 2.0)))
        return {
            "locality": _LOCALITIES[0],
            "locality_weighted": chance.random() < 0.5,
            "overprovisioning": chance.choice((100, 140)),
            "weighted_health": chance.random() < 0.2,
            "fail_on_panic": chance.random() < 0.1,
            "active_request_bias": chance.choice((0.0, 0.5, 1.0, 2.0)),
            "full_scan": chance.random() < 0.2,
            "slow_start": slow if chance.random() < 0.3 else None,
            "hashing": HashingSpec(least_ring=16, table_size=101, balance_factor=chance.choice((0, 110))),
            "merge_window": chance.choice((0, 50 * MILLISECOND, SECOND)),
            "health_check": self._health_check() if chance.random() < 0.3 else None,
        }

    def _health_check(self) -> HealthCheckSpec:
        chance = self._chance
        spans: dict[str, Any] = {
            name: chance.choice((5, 20, 60)) * MILLISECOND
            for name in (
                *("timeout", "interval", "healthy_edge_interval", "unhealthy_interval", "unhealthy_edge_interval"),
                *("no_traffic_interval", "no_traffic_healthy_interval"),
            )
        }
        return HealthCheckSpec(
            **spans,
            healthy_threshold=chance.randint(1, 3),
            unhealthy_threshold=chance.randint(1, 3),
            initial_jitter=chance.choice((0, 10 * MILLISECOND)),
            interval_jitter=chance.choice((0, 10 * MILLISECOND)),
            interval_jitter_percent=chance.choice((0, 30)),
            reuse_connection=chance.random() < 0.5,
            connects_only=chance.random() < 0.3,
            retriable=chance.choice(((), ((500, 600),))),
            keeps_removed=chance.random() < 0.7,
            waits=chance.random() < 0.3,
            unejects=chance.random() < 0.7,
        )

    def _host(self, pod: int, handler: int) -> HostSpec:
        chance = self._chance
        return replace(
            HOST,
            pod=pod,
            handler=handler,
            weight=chance.choice((1, 1, 3)),
            healthy=chance.random() < 0.9,
            latency=chance.choice((0, 300 * MICROSECOND, 5 * MILLISECOND)),
            jitter=chance.choice((0, 100 * MICROSECOND)),
            handshake_rtts=chance.choice((0, 1, 2)),
            inbound=chance.choice((*[InboundKind.SERVE] * 8, *InboundKind)),
            inbound_status=403,
            reachable=chance.random() < 0.95,
            lost=chance.choice((0.0, 0.0, 0.1)),
            degraded=chance.random() < 0.05,
            excluded=chance.random() < 0.05,
            priority=chance.choice((0, 0, 0, 1, 2)),
            locality=chance.choice(_LOCALITIES),
            locality_weight=chance.randint(0, 3),
            wire=chance.choice((0, 0, 8_000)),
        )

    def _route(self, clusters: list[int]) -> RouteSpec:
        chance = self._chance
        if chance.random() < 0.05:
            return RouteSpec(kind=RouteKind.LOCAL_REPLY, status=301)
        faulty = chance.random() < 0.2
        return RouteSpec(
            kind=RouteKind.FORWARD,
            clusters=tuple((cluster, chance.randint(1, 100)) for cluster in clusters),
            timeout=chance.choice((0, 30 * MILLISECOND, 400 * MILLISECOND)),
            per_try_timeout=chance.choice((0, 15 * MILLISECOND, 100 * MILLISECOND)),
            retries=chance.randint(0, 4),
            retry_on=chance.choice(_TOKENS),
            backoff_base=chance.choice((1, 25)) * MILLISECOND,
            host_reselect_attempts=chance.choice((0, 5)),
            delay_ppm=500_000 if faulty else 0,
            delay=chance.choice((0, 20 * MILLISECOND)),
            abort_ppm=200_000 if faulty else 0,
            abort_status=555,
            mirrors=((clusters[0], 300_000),) if chance.random() < 0.2 else (),
            hash=chance.getrandbits(64) if chance.random() < 0.3 else None,
            session=chance.random() < 0.2,
            session_keys=chance.choice(((), tuple(chance.getrandbits(64) for _ in range(5)))),
            previous_priorities=chance.choice((0, 0, 1, 2)),
            **self._limits(),
        )

    def _limits(self) -> dict[str, Any]:
        """Limits of streams and of requests, now and then."""
        chance = self._chance
        tokens = RateLimitSpec(
            max_tokens=5,
            tokens_per_fill=3,
            fill_interval=20 * MILLISECOND,
            enabled_ppm=chance.choice((500_000, 1_000_000)),
            enforced_ppm=chance.choice((500_000, 1_000_000)),
        )
        return {
            "idle_timeout": chance.choice((0, 0, 60 * MILLISECOND)),
            "per_try_idle_timeout": chance.choice((0, 0, 20 * MILLISECOND)),
            "max_stream_duration": chance.choice((0, 0, 80 * MILLISECOND)),
            "limit": tokens if chance.random() < 0.2 else None,
            "hedge": chance.random() < 0.3,
            **self._bodies(),
        }

    def _bodies(self) -> dict[str, Any]:
        """Bodies that come later than their headers, or never, now and then."""
        chance = self._chance
        if chance.random() < 0.8:
            return {}
        return {
            "body": chance.choice((1, 12 * MILLISECOND, 50 * MILLISECOND, core.NEVER)),
            "request_timeout": chance.choice((0, 12 * MILLISECOND, 30 * MILLISECOND)),
            "holds": chance.random() < 0.3,
            "eager": chance.random() < 0.3,
            "large": chance.random() < 0.3,
        }

    def _add_gateway(self) -> None:
        chance = self._chance
        flows = []
        for _ in range(chance.randint(1, 2)):
            proxy = self._add_proxy() if chance.random() < 0.9 else -1
            flows.append(self._add_flow(proxy, -1, -1, self._services[-1]))
        for arrivals in Arrivals:
            if chance.random() < 0.6 or arrivals is Arrivals.POISSON:
                self._sources.append(self.engine.add_source(self._source(tuple(flows), arrivals)))

    def _source(self, flows: tuple[int, ...], arrivals: Arrivals) -> SourceSpec:
        chance = self._chance
        users = chance.randint(1, 4)
        top = float(users) if arrivals is Arrivals.CLOSED else 400.0
        turns = sorted(chance.sample(range(1, self.span), 3))
        levels = tuple(LevelPiece(at, chance.choice((0.0, top / 2, top)), chance.uniform(0, top)) for at in (0, *turns))
        start = chance.choice((0, self.span // 4))
        return SourceSpec(
            flows=flows,
            arrivals=arrivals,
            rate_per_s=chance.uniform(20, 300),
            users=users,
            think=Distribution(Shape.EXPONENTIAL, chance.randint(1, 30) * MILLISECOND),
            start=start,
            stop=self.span,
            latency=chance.choice((0, MILLISECOND)),
            levels=levels if arrivals < Arrivals.REPLAYED and chance.random() < 0.3 else (),
            sessions=chance.choice((0, 5)),
            instants=tuple(sorted(chance.randrange(self.span) for _ in range(20))),
            periodic=PeriodicSpec(
                length=self.span - start,
                jitter=chance.random() < 0.5,
                uniform=chance.random() < 0.5,
                catch_up=chance.random() < 0.5,
            ),
        )

    # -- changes -----------------------------------------------------------------------------------------------------

    def _change(self, at: Nanos) -> None:
        """Something happens at an instant."""
        kinds: tuple[Callable[[Nanos], None], ...] = (
            self._move_route,
            self._replace_cluster,
            self._lose_cluster,
            self._move_hosts,
            self._cut_or_heal,
            self._fell_or_raise_pod,
            self._turn_rate,
            self._add_late_traffic,
        )
        self._chance.choice(kinds)(at)

    def _move_route(self, at: Nanos) -> None:
        flow, last = self._chance.choice(self._flows)
        clusters = [self._clusters[last - 1][0]]
        self.engine.set_route(flow, None if self._chance.random() < 0.1 else self._route(clusters), at)

    def _replace_cluster(self, at: Nanos) -> None:
        cluster, spec, _ = self._chance.choice(self._clusters)
        self.engine.set_cluster(cluster, self._cluster(spec.proxy), at)

    def _lose_cluster(self, at: Nanos) -> None:
        cluster, spec, _ = self._chance.choice(self._clusters)
        self.engine.remove_cluster(cluster, at)
        self.engine.set_cluster(cluster, spec, at + 50 * MILLISECOND)

    def _move_hosts(self, at: Nanos) -> None:
        cluster, _, hosts = self._chance.choice(self._clusters)
        kept = [
            (key, replace(spec, healthy=self._chance.random() < 0.8, weight=self._chance.choice((1, 2))))
            for key, spec in hosts
            if self._chance.random() < 0.7
        ]
        self._chance.shuffle(kept)
        self.engine.set_hosts(cluster, kept, at)

    def _cut_or_heal(self, at: Nanos) -> None:
        cluster, _, hosts = self._chance.choice(self._clusters)
        for key, _ in hosts:
            self.engine.set_host_reachable(cluster, key, False, at)
            self.engine.set_host_reachable(cluster, key, True, at + self._chance.randint(0, 200) * MILLISECOND)

    def _fell_or_raise_pod(self, at: Nanos) -> None:
        pod = self._chance.choice(self._chance.choice(self._services).pods)
        self.engine.set_pod_state(pod, self._chance.choice((PodState.DRAINING, PodState.DEAD)), at)
        self.engine.set_pod_state(pod, PodState.READY, at + self._chance.randint(0, 200) * MILLISECOND)

    def _turn_rate(self, at: Nanos) -> None:
        source = self._chance.choice(self._sources)
        self.engine.set_rate(source, self._chance.choice((0.0, 50.0, 400.0)), at)

    def _add_late_traffic(self, at: Nanos) -> None:
        flow, _ = self._chance.choice(self._flows)
        self.engine.add_source(
            replace(SOURCE, flows=(flow,), arrivals=Arrivals.CONSTANT, rate_per_s=100.0, start=at, stop=self.span)
        )
