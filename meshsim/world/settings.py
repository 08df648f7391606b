"""Parameters of a run: each room's documented defaults with what the scenario overrides."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from meshsim.controlplane.timing import PilotTiming
from meshsim.dataplane.specs import Distribution, ProxySpec, ReportSpec, Shape, WakeSpec
from meshsim.kube import KubeSettings, Stages
from meshsim.network import Latency, LatencyDefaults
from meshsim.scenario import Mesh
from meshsim.scenario.timing import ProxyTiming
from meshsim.units import MICROSECOND, MILLISECOND
from meshsim.world.behaviour import to_distribution
from meshsim.world.envoy_timing import EnvoyTiming

T = TypeVar("T")


_PASS: Final = Distribution(Shape.EXPONENTIAL, 100 * MICROSECOND)
_HANDSHAKE: Final = Distribution(Shape.FIXED, 200 * MICROSECOND)
_OUTSIDE_SERVICE: Final = Distribution(Shape.EXPONENTIAL, 20 * MILLISECOND)


_FREE: Final = WakeSpec(least=0, most=0, half=0)
"""Waking that costs nothing: the engine counts the CPU time of those proxies whose waking it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyCost:
    """What a request costs in a proxy.

    A sidecar with telemetry and mTLS takes about 200 us of CPU a request (0.20 vCPU at 1,000 requests/s, Istio 1.24's
    published figure), both ways together; so each of the four passes of a request through two sidecars takes about
    100 us. The cost of a TLS handshake is an assumption: some 200 us for each end with P-256 certificates.
    """

    workers: int = 2
    """Envoy's event loops: the default CPU limit of a sidecar is two cores."""
    outbound: Distribution = _PASS
    inbound: Distribution = _PASS
    handshake: Distribution = _HANDSHAKE
    wake: WakeSpec | None = None
    report: ReportSpec | None = None
    flushed: float = 0.0

    def spec(self, counted: bool = False) -> ProxySpec:
        """A proxy of these costs; `counted`: so that its CPU time can be read."""
        return ProxySpec(
            workers=self.workers,
            outbound=self.outbound,
            inbound=self.inbound,
            handshake=self.handshake,
            wake=_FREE if counted and self.wake is None else self.wake,
            report=self.report,
            flushed=self.flushed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that takes time."""

    pilot: PilotTiming
    kube: KubeSettings
    envoy: EnvoyTiming
    proxy: ProxyCost
    latencies: LatencyDefaults
    wire: int = 0
    """Picoseconds that a byte takes on a link, 0 = nothing."""
    outside_service: Distribution = _OUTSIDE_SERVICE
    """How long a service outside the simulation takes to answer."""


def settings_of(mesh: Mesh) -> Settings:
    """The parameters of a scenario's mesh."""
    timing = mesh.timing
    pods = _overridden(Stages(), timing.pods)
    kube = replace(_overridden(KubeSettings(), timing.kube), stages=pods, proxy_readiness_reported=True)
    latencies = {
        name: Latency(value.one_way, value.jitter)
        for name in _DISTANCES
        if (value := getattr(timing.network, name)) is not None
    }
    return Settings(
        pilot=_overridden(PilotTiming(), timing.pilot),
        kube=kube,
        envoy=_overridden(EnvoyTiming(), timing.envoy),
        proxy=proxy_cost(timing.proxy),
        latencies=replace(LatencyDefaults(), **latencies),
        wire=max(round(8e12 / timing.bandwidth), 1) if timing.bandwidth is not None else 0,
    )


def proxy_cost(given: ProxyTiming) -> ProxyCost:
    """The documented cost of a proxy with what a scenario overrides."""
    changed: dict[str, Any] = {name: to_distribution(getattr(given, name)) for name in _TIMES if getattr(given, name)}
    if given.workers is not None:
        changed["workers"] = given.workers
    if given.wake is not None:
        wake = given.wake
        changed["wake"] = WakeSpec(least=wake.least, most=wake.most, half=wake.half, spread=math.log(wake.spread))
    if given.report is not None:
        changed["report"] = ReportSpec(answers=given.report.answers, cost=to_distribution(given.report.cost))
    if given.flushed is not None:
        changed["flushed"] = float(given.flushed)
    return replace(ProxyCost(), **changed)


_TIMES: Final = ("outbound", "inbound", "handshake")
_DISTANCES: Final = ("same_node", "same_zone", "cross_zone", "cross_region", "outside")


def _overridden(defaults: T, node: object) -> T:
    """The defaults with every field that the node gives."""
    known = {f.name for f in fields(defaults)}  # type: ignore[arg-type]
    given: dict[str, Any] = {name: value for name, value in vars(node).items() if value is not None and name in known}
    return replace(defaults, **given)  # type: ignore[type-var]
