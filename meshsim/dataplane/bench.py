"""How fast the engine is: Istio's published load test as a mesh of layers, beside a calibrator of the standard library.

The mesh (Istio documentation, "Performance and Scalability": 1,000 services, 2,000 sidecars, 70,000 requests/s): three
layers of services in the ratio 1:2:4 with two pods each, every service with four callees in the next layer, each called
with probability one half after the service's own work. Gateways send what gives each service 70 first tries a second.
12 % of the answers are 503, 8 % of the tries are lost, both are retried, so that retries, timeouts, breakers and
outlier detection all have something to do.

Absolute rates depend on the machine and on what else it does; the ratio to the calibrator, an M/M/1 queue on `heapq`
run in turn with the mesh, does not.
"""

from __future__ import annotations

import heapq
import multiprocessing
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import (
    Arrivals,
    CallSpec,
    ClusterSpec,
    Distribution,
    FlowSpec,
    HandlerSpec,
    HostSpec,
    InboundKind,
    LbPolicy,
    OutlierSpec,
    PodSpec,
    ProxySpec,
    RetryOn,
    RouteKind,
    RouteSpec,
    Shape,
    SourceSpec,
)
from meshsim.errors import UsageError
from meshsim.units import MICROSECOND, MILLISECOND, SECOND, Nanos

_RATE: Final = 70.0
"""First tries a second at each service."""
_PODS: Final = 2
_CALLEES: Final = 4
_TRY_TIMEOUTS: Final = (1500 * MILLISECOND, 500 * MILLISECOND, 120 * MILLISECOND)
"""Per-try timeout of a call into each layer."""


class BenchCase(TypedDict):
    """What one case gave."""

    name: str
    requests_per_s: float
    """Finished requests, calls included, a second of wall clock."""
    times_real_time: float
    calibrator_events_per_s: float
    requests_per_event: float
    """Finished requests for each event of the calibrator: this depends least on the machine."""
    rss_mb: float
    compile_s: float
    """Time to the first event that the mesh itself does not explain: compiling, or loading what was compiled before."""


@dataclass(frozen=True, slots=True)
class Case:
    """A mesh to measure."""

    name: str
    services: int
    stations: bool


CASES: Final = (
    Case("mesh-50", 50, stations=False),
    Case("mesh-1000", 1000, stations=False),
    Case("mesh-1000-stations", 1000, stations=True),
    Case("mesh-5000", 5000, stations=False),
)


def layers_of(services: int) -> tuple[range, range, range]:
    """Numbers of the services of each layer, in the ratio 1:2:4."""
    first = max(round(services / 7), 1)
    second = max(round(2 * services / 7), 1)
    return range(first), range(first, first + second), range(first + second, services)


class _Builder:
    """Puts the load-test mesh into an engine."""

    def __init__(self, engine: Engine, services: int) -> None:
        self.engine = engine
        self.layers = layers_of(services)
        self._proxy = ProxySpec(
            workers=2,
            outbound=Distribution(Shape.EXPONENTIAL, 80 * MICROSECOND),
            inbound=Distribution(Shape.EXPONENTIAL, 60 * MICROSECOND),
            handshake=Distribution(Shape.FIXED, 500 * MICROSECOND),
        )
        self._handlers: list[int] = []
        self._calls: list[list[int]] = []
        self._pods: list[list[tuple[int, int]]] = []

    def build(self) -> None:
        """Services, their calls, and the gateways that send."""
        for layer in self.layers:
            for service in layer:
                self._add_service(service, calls=layer is not self.layers[2])
        for caller_layer, callee_layer in zip(self.layers, self.layers[1:], strict=False):
            for at, service in enumerate(caller_layer):
                for proxy, pod in self._pods[service]:
                    for turn, call in enumerate(self._calls[service]):
                        callee = callee_layer[(at * _CALLEES + turn) % len(callee_layer)]
                        flow = FlowSpec(proxy=proxy, workload=service, pod=pod, call=call)
                        self.engine.add_flow(flow, self._route(proxy, callee))
        self._add_gateways(min(4, len(self.layers[0])))

    def _add_service(self, service: int, calls: bool) -> None:
        engine = self.engine
        own = [
            engine.add_call(CallSpec(group=turn, probability=0.5, fail_parent=False))
            for turn in range(_CALLEES if calls else 0)
        ]
        self._calls.append(own)
        work = Distribution(Shape.EXPONENTIAL, 10 * MILLISECOND)
        self._handlers.append(
            engine.add_handler(HandlerSpec(service=work, error_rate=0.12, error_status=503, calls=tuple(own)))
        )
        pods = []
        for _ in range(_PODS):
            proxy = engine.add_proxy(self._proxy)
            pod = PodSpec(proxy=proxy, workload=service, workers=2, hold_while_calling=False)
            pods.append((proxy, engine.add_pod(pod)))
        self._pods.append(pods)

    def _add_gateways(self, gateways: int) -> None:
        entry = len(self._handlers)
        for _ in range(gateways):
            proxy = self.engine.add_proxy(self._proxy)
            flows = tuple(
                self.engine.add_flow(
                    FlowSpec(proxy=proxy, workload=entry, pod=-1, call=-1, edge=service), self._route(proxy, service)
                )
                for service in self.layers[0]
            )
            self.engine.add_source(
                SourceSpec(
                    flows=flows,
                    arrivals=Arrivals.POISSON,
                    rate_per_s=_RATE * len(self.layers[0]) / gateways,
                    users=0,
                    think=None,
                    start=0,
                    stop=1 << 60,
                    latency=500 * MICROSECOND,
                )
            )

    def _route(self, proxy: int, callee: int) -> RouteSpec:
        """One cluster over the callee's pods, or for every tenth service a 90/10 split over two subsets."""
        pods = range(len(self._pods[callee]))
        if callee % 10 == 0:
            clusters = tuple((self._cluster(proxy, callee, [pod]), weight) for pod, weight in zip(pods, (90, 10)))
        else:
            clusters = ((self._cluster(proxy, callee, pods), 1),)
        layer = next(number for number, members in enumerate(self.layers) if callee in members)
        return RouteSpec(
            kind=RouteKind.FORWARD,
            clusters=clusters,
            per_try_timeout=_TRY_TIMEOUTS[layer],
            retries=2,
            retry_on=RetryOn.FIVE_XX,
            host_reselect_attempts=5,
        )

    def _cluster(self, proxy: int, callee: int, pods: Sequence[int]) -> int:
        hosts = [
            (
                self._pods[callee][pod][1],
                HostSpec(
                    pod=self._pods[callee][pod][1],
                    weight=1,
                    healthy=True,
                    handler=self._handlers[callee],
                    latency=250 * MICROSECOND,
                    jitter=50 * MICROSECOND,
                    handshake_rtts=2,
                    inbound=InboundKind.SERVE,
                    lost=0.08,
                ),
            )
            for pod in pods
        ]
        return self.engine.add_cluster(
            ClusterSpec(
                proxy=proxy,
                policy=LbPolicy.LEAST_REQUEST,
                panic_threshold=50,
                max_requests=1024,
                max_retries=1024,
                http2=True,
                outlier=OutlierSpec(
                    interval=10 * SECOND,
                    base_ejection=30 * SECOND,
                    max_ejection=300 * SECOND,
                    max_ejection_percent=50,
                    consecutive_5xx=5,
                    consecutive_gateway=0,
                    consecutive_local=5,
                    split_local_errors=False,
                ),
            ),
            hosts,
        )


def build_mesh(engine: Engine, services: int) -> None:
    """Put the load-test mesh of this many services into an engine."""
    _Builder(engine, services).build()


def calibrate(arrivals: int, seed: int = 1) -> float:
    """Events a second of an M/M/1 queue (utilisation 0.75) on `heapq`, in plain Python."""
    chance = random.Random(seed)
    heap: list[tuple[float, int]] = [(chance.expovariate(0.75), 0)]
    queue: deque[float] = deque()
    events = 0
    begin = time.perf_counter()
    while events < arrivals:
        now, kind = heapq.heappop(heap)
        events += 1
        if kind == 0:
            heapq.heappush(heap, (now + chance.expovariate(0.75), 0))
            queue.append(now)
            if len(queue) == 1:
                heapq.heappush(heap, (now + chance.expovariate(1.0), 1))
        else:
            queue.popleft()
            if queue:
                heapq.heappush(heap, (now + chance.expovariate(1.0), 1))
    return events / (time.perf_counter() - begin)


def resident_mb() -> float:
    """Largest resident memory of this process so far, in MB.

    Linux counts into `ru_maxrss` what the parent had when it forked, so its own high-water mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "")
        if mark:
            return int(mark.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def find_cases(names: Sequence[str]) -> list[Case]:
    """The cases of these names, all without names; raises `UsageError` for an unknown one."""
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            raise UsageError(f"'{name}' is not a bench case", None, f"known: {', '.join(known)}", name)
    return [known[name] for name in names or known]


def compile_core(mode: str | None) -> float:
    """Seconds until the first engine of this process can run."""
    begin = time.perf_counter()
    Engine(1, mode=mode).run_until(1)
    return round(time.perf_counter() - begin, 3)


def run_case(
    case: Case, *, mode: str | None = None, rounds: int = 10, span: Nanos | None = None, seed: int = 1
) -> BenchCase:
    """Measure one case: the best of `rounds` stretches of `span` simulated time, each after a run of the calibrator.

    The default span is a fifth of a second of wall clock compiled, and about a second interpreted.
    """
    compile_s = compile_core(mode)
    engine = Engine(seed, mode=mode, stations=case.stations, sample_rate=0.01)
    build_mesh(engine, case.services)
    requests_per_s = _RATE * case.services
    if span is None:
        wall = 20_000 if engine.mode == "plain" else 200_000
        span = round(wall / requests_per_s * SECOND)
    engine.run_until(span)
    calibrator = best = real = 0.0
    for _ in range(rounds):
        calibrator = max(calibrator, calibrate(200_000))
        finished, start = engine.counters.finished, engine.now
        begin = time.perf_counter()
        engine.run_until(start + span)
        engine.drain()
        engine.drain_series()
        wall_s = time.perf_counter() - begin
        best = max(best, (engine.counters.finished - finished) / wall_s)
        real = max(real, span / SECOND / wall_s)
    return BenchCase(
        name=case.name,
        requests_per_s=round(best, 1),
        times_real_time=round(real, 3),
        calibrator_events_per_s=round(calibrator, 1),
        requests_per_event=round(best / calibrator, 3),
        rss_mb=round(resident_mb(), 1),
        compile_s=compile_s,
    )


def run_bench(
    names: Sequence[str] = (),
    *,
    mode: str | None = None,
    rounds: int = 10,
    progress: Callable[[BenchCase], None] | None = None,
) -> list[BenchCase]:
    """Measure the cases of these names (all without names), in order; `progress` hears of each when it is done.

    Each case runs in a process of its own, so that its memory is its own, after one that compiles the core where that
    is needed; the first case's `compile_s` tells of it.
    """
    cases = find_cases(names)
    context = multiprocessing.get_context("spawn")
    results: list[BenchCase] = []
    with ProcessPoolExecutor(max_workers=1, mp_context=context, max_tasks_per_child=1) as pool:
        compiled = pool.submit(compile_core, mode).result()
        for case in cases:
            result = pool.submit(run_case, case, mode=mode, rounds=rounds).result()
            if not results:
                result["compile_s"] = max(compiled, result["compile_s"])
            if progress is not None:
                progress(result)
            results.append(result)
    return results
