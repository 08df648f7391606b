"""Parameters of a run: each room's documented defaults with what the scenario overrides."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from meshsim.controlplane.timing import PilotTiming
from meshsim.dataplane.specs import Distribution, Shape
from meshsim.kube import KubeSettings, Stages
from meshsim.network import Latency, LatencyDefaults
from meshsim.scenario import Mesh
from meshsim.units import MICROSECOND, MILLISECOND
from meshsim.world.behaviour import to_distribution
from meshsim.world.envoy_timing import EnvoyTiming

T = TypeVar("T")


_PASS: Final = Distribution(Shape.EXPONENTIAL, 100 * MICROSECOND)
_HANDSHAKE: Final = Distribution(Shape.FIXED, 200 * MICROSECOND)
_OUTSIDE_SERVICE: Final = Distribution(Shape.EXPONENTIAL, 20 * MILLISECOND)


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
    given = timing.proxy
    cost = ProxyCost()
    if given.workers is not None:
        cost = replace(cost, workers=given.workers)
    if given.outbound is not None:
        cost = replace(cost, outbound=to_distribution(given.outbound))
    if given.inbound is not None:
        cost = replace(cost, inbound=to_distribution(given.inbound))
    latencies = {
        name: Latency(value.one_way, value.jitter)
        for name in _DISTANCES
        if (value := getattr(timing.network, name)) is not None
    }
    return Settings(
        pilot=_overridden(PilotTiming(), timing.pilot),
        kube=kube,
        envoy=_overridden(EnvoyTiming(), timing.envoy),
        proxy=cost,
        latencies=replace(LatencyDefaults(), **latencies),
        wire=max(round(8e12 / timing.bandwidth), 1) if timing.bandwidth is not None else 0,
    )


_DISTANCES: Final = ("same_node", "same_zone", "cross_zone", "cross_region", "outside")


def _overridden(defaults: T, node: object) -> T:
    """The defaults with every field that the node gives."""
    known = {f.name for f in fields(defaults)}  # type: ignore[arg-type]
    given: dict[str, Any] = {name: value for name, value in vars(node).items() if value is not None and name in known}
    return replace(defaults, **given)  # type: ignore[type-var]
