"""The benchmark's client and server in the engine, as many copies of as many cells as wanted in one run.

A fortio client holds its connections and sends on each at fixed times, all in phase; each connection of a client, and
each between proxies, belongs to one event loop by chance. A measurement is one such chance, so every cell is simulated
several times and its median stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import (
    Arrivals,
    ClusterSpec,
    Distribution,
    FlowSpec,
    HandlerSpec,
    HostSpec,
    InboundKind,
    LbPolicy,
    PeriodicSpec,
    PodSpec,
    ProxySpec,
    ReportSpec,
    RouteKind,
    RouteSpec,
    Shape,
    SourceSpec,
    WakeSpec,
)
from meshsim.units import MILLISECOND, SECOND, Nanos
from meshsim.world.calibrate.measured import Cell, Setup
from meshsim.world.calibrate.parameters import Parameters

_CORES: Final = 4
"""CPUs of the server's node (istio/tools perf/benchmark README, 2019: each node has at least 4)."""
WORKERS: Final = 2
"""Event loops of a sidecar (Istio 1.2, global.proxy.concurrency)."""
BATCH: Final = 100
"""Answers of one report (istio/proxy src/istio/mixerclient/options.h, ReportOptions.max_batch_entries)."""
_MOST_FLUSHED: Final = 0.9
WARM_UP: Final = SECOND // 5
"""What is sent before is not counted: connections are being opened."""


class Copies(NamedTuple):
    """A cell and how often it is simulated."""

    cell: Cell
    times: int


class Outcome(NamedTuple):
    """What a copy of a cell did."""

    latencies: npt.NDArray[np.float64]
    """Milliseconds."""
    client_cpu: float
    """CPU time of the sidecar in thousandths of a core, 0 without."""
    server_cpu: float


def simulate(
    parameters: Parameters,
    wanted: Sequence[Copies],
    length: Nanos,
    *,
    jitter: bool = False,
    seed: int = 1,
    mode: str | None = None,
) -> list[list[Outcome]]:
    """The outcomes of each cell's copies over `length` of simulated time after warming up.

    `jitter`: fortio's times are up to a tenth off (its ``-jitter``).
    """
    engine = Engine(seed, mode=mode, stations=True, sample_rate=1.0)
    beds = [[_Bed(engine, parameters, cell, length, jitter) for _ in range(times)] for cell, times in wanted]
    engine.run_until(WARM_UP)
    before = [[bed.cpu() for bed in copies] for copies in beds]
    engine.run_until(WARM_UP + length)
    rows = engine.drain()
    rows = rows[(rows["last"] == 1) & (rows["start"] >= WARM_UP) & (rows["status"] == 200)]
    spans = (rows["request_end"] - rows["start"]) / MILLISECOND
    order = np.argsort(rows["source"], kind="stable")
    edges = np.searchsorted(rows["source"][order], np.arange(sum(map(len, beds)) + 1))
    outcomes = []
    for copies, earlier in zip(beds, before, strict=True):
        of_cell = []
        for bed, (client, server) in zip(copies, earlier, strict=True):
            now = bed.cpu()
            mine = spans[order[edges[bed.source] : edges[bed.source + 1]]]
            of_cell.append(Outcome(mine, (now[0] - client) * 1e3 / length, (now[1] - server) * 1e3 / length))
        outcomes.append(of_cell)
    return outcomes


class _Bed:
    """One client and one server."""

    def __init__(self, engine: Engine, parameters: Parameters, cell: Cell, length: Nanos, jitter: bool) -> None:
        self._engine = engine
        self._parameters = parameters
        self.client = self.server = -1
        passes = parameters.passes.get(cell.telemetry)
        if passes is not None and cell.setup is Setup.BOTH:
            self.client = engine.add_proxy(self._proxy(passes.outbound, passes.report))
        if passes is not None and cell.setup is not Setup.NONE:
            tls = parameters.tls if cell.setup is Setup.BOTH else 0.0
            self.server = engine.add_proxy(self._proxy(passes.inbound + tls, passes.report))
        flow = engine.add_flow(FlowSpec(proxy=self.client, workload=0, pod=-1, call=-1), self._route())
        self.source = engine.add_source(
            SourceSpec(
                flows=(flow,),
                arrivals=Arrivals.PERIODIC,
                rate_per_s=float(cell.rate),
                users=cell.connections,
                think=None,
                start=0,
                stop=WARM_UP + length,
                latency=0,
                periodic=PeriodicSpec(length=max(WARM_UP + length, _whole_run(cell)), jitter=jitter),
            )
        )

    def cpu(self) -> tuple[Nanos, Nanos]:
        """CPU time so far of the client's and the server's sidecar."""
        usage = self._engine.proxy_usage
        return (
            usage(self.client).busy if self.client >= 0 else 0,
            usage(self.server).busy if self.server >= 0 else 0,
        )

    def _proxy(self, span: float, report: float) -> ProxySpec:
        p = self._parameters
        batch = ReportSpec(answers=BATCH, cost=Distribution(Shape.FIXED, round(report))) if report else None
        return ProxySpec(
            workers=WORKERS,
            outbound=_lognormal(span, p.spread),
            inbound=_lognormal(span, p.spread),
            wake=WakeSpec(least=round(p.wake_least), most=round(p.cold * span), half=round(p.half)),
            report=batch,
            flushed=min(p.flushed, _MOST_FLUSHED),
        )

    def _route(self) -> RouteSpec:
        p = self._parameters
        engine = self._engine
        handler = engine.add_handler(
            HandlerSpec(service=_lognormal(p.service, p.service_spread), error_rate=0.0, error_status=500, calls=())
        )
        wake = WakeSpec(least=0, most=round(p.server_wake), half=round(p.half), spread=p.server_wake_spread)
        pod = engine.add_pod(
            PodSpec(proxy=self.server, workload=1, workers=_CORES, hold_while_calling=False, wake=wake)
        )
        host = HostSpec(
            pod=pod,
            weight=1,
            healthy=True,
            handler=handler,
            latency=round(p.latency),
            jitter=round(p.jitter),
            handshake_rtts=1,
            inbound=InboundKind.SERVE,
        )
        return RouteSpec(kind=RouteKind.FORWARD, clusters=((engine.add_cluster(self._cluster(), [(0, host)]), 1),))

    def _cluster(self) -> ClusterSpec:
        return ClusterSpec(proxy=self.client, policy=LbPolicy.ROUND_ROBIN)


def _whole_run(cell: Cell) -> Nanos:
    """A length with two requests of each connection at least, which fortio always sends."""
    return 2 * SECOND * cell.connections // cell.rate


def _lognormal(median: float, sigma: float) -> Distribution:
    return Distribution(Shape.LOGNORMAL, max(round(median), 1), sigma)
