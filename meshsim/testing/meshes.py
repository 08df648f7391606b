"""Small meshes for tests of the engine: a source, its proxy, a cluster and the pods behind it, all of it adjustable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

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
    OutlierSpec,
    PodSpec,
    ProxySpec,
    RouteKind,
    RouteSpec,
    Shape,
    SourceSpec,
)
from meshsim.units import SECOND, Nanos

INSTANT: Final = Distribution(Shape.FIXED, 0)
FOREVER: Final = 1 << 60

CLUSTER: Final = ClusterSpec(proxy=-1, policy=LbPolicy.LEAST_REQUEST, panic_threshold=50, http2=True)
HOST: Final = HostSpec(
    pod=-1,
    weight=1,
    healthy=True,
    handler=-1,
    latency=0,
    jitter=0,
    handshake_rtts=0,
    inbound=InboundKind.SERVE,
)
ROUTE: Final = RouteSpec(kind=RouteKind.FORWARD)
PROXY: Final = ProxySpec(workers=1, outbound=INSTANT, inbound=INSTANT)
HANDLER: Final = HandlerSpec(service=INSTANT, error_rate=0.0, error_status=503, calls=())
POD: Final = PodSpec(proxy=-1, workload=0, workers=0, hold_while_calling=False)
SOURCE: Final = SourceSpec(
    flows=(),
    arrivals=Arrivals.POISSON,
    rate_per_s=0.0,
    users=0,
    think=None,
    start=0,
    stop=FOREVER,
    latency=0,
)
OUTLIER: Final = OutlierSpec(
    interval=10 * SECOND,
    base_ejection=30 * SECOND,
    max_ejection=300 * SECOND,
    max_ejection_percent=100,
    consecutive_5xx=5,
    consecutive_gateway=0,
    consecutive_local=5,
    split_local_errors=False,
)


def exponential(mean: Nanos) -> Distribution:
    """An exponential distribution."""
    return Distribution(Shape.EXPONENTIAL, mean)


def fixed(span: Nanos) -> Distribution:
    """Always the same time."""
    return Distribution(Shape.FIXED, span)


@dataclass(frozen=True, slots=True)
class Service:
    """Numbers of one service behind one caller."""

    proxy: int
    flow: int
    cluster: int
    handler: int
    pods: tuple[int, ...]
    hosts: tuple[tuple[int, HostSpec], ...]
    """Keys (the pods' numbers) and specs as the cluster got them."""


def add_service(
    engine: Engine,
    *,
    pods: int = 1,
    caller: ProxySpec | None = PROXY,
    sidecar: ProxySpec | None = None,
    cluster: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    route: dict[str, Any] | None = None,
    handler: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    flow: dict[str, Any] | None = None,
) -> Service:
    """A service of `pods` instances and a flow to it through a proxy of its own (`caller`), or through none.

    The dictionaries change single fields of the defaults above, which cost no time and have no limits.
    """
    proxy = -1 if caller is None else engine.add_proxy(caller)
    handler_id = engine.add_handler(replace(HANDLER, **handler or {}))
    ids = []
    for _ in range(pods):
        own = -1 if sidecar is None else engine.add_proxy(sidecar)
        ids.append(engine.add_pod(replace(POD, proxy=own, **pod or {})))
    hosts = tuple((i, replace(HOST, pod=i, handler=handler_id, **host or {})) for i in ids)
    cluster_id = engine.add_cluster(replace(CLUSTER, proxy=proxy, **cluster or {}), hosts)
    spec = FlowSpec(**{"proxy": proxy, "workload": 0, "pod": -1, "call": -1, **(flow or {})})
    flow_id = engine.add_flow(spec, replace(ROUTE, **{"clusters": ((cluster_id, 1),), **(route or {})}))
    return Service(proxy, flow_id, cluster_id, handler_id, tuple(ids), hosts)


def add_traffic(engine: Engine, flows: Sequence[int], rate_per_s: float, **changes: Any) -> int:
    """A Poisson source from time 0, or what `changes` make of it."""
    return engine.add_source(replace(SOURCE, flows=tuple(flows), rate_per_s=rate_per_s, **changes))


def add_requests(engine: Engine, flow: int, times: Sequence[Nanos]) -> None:
    """One request of a flow at each of these instants."""
    for time in times:
        add_traffic(engine, [flow], 1.0, arrivals=Arrivals.CONSTANT, start=time, stop=time + 1)
