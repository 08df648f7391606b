"""Parts of the event core's rows that follow from one spec alone."""

from __future__ import annotations

from dataclasses import replace

from meshsim.dataplane import core
from meshsim.dataplane.specs import HostSpec, InboundKind, RouteSpec


def shares_of(spec: RouteSpec) -> list[tuple[int, int, int]]:
    """Cluster, weight and class of requests of each way that a route leads."""
    ways = zip(spec.clusters, classes_of(spec))
    return [(cluster, weight, kind) for (cluster, weight), kind in ways if weight > 0]


def classes_of(spec: RouteSpec) -> tuple[int, ...]:
    """Class of the requests at each cluster, then at each mirror."""
    return spec.request_classes + (0,) * (len(spec.clusters) + len(spec.mirrors) - len(spec.request_classes))


def backs_off(spec: RouteSpec) -> bool:
    """Whether a route is one of sessions with a back-off, which they all move."""
    return not spec.timeout_status and spec.backoff_base > 0


def alike(spec: RouteSpec) -> RouteSpec:
    """The route whose row one with a single cluster shares: that to any cluster, unless it has a back-off to itself."""
    if backs_off(spec):
        return spec
    return replace(spec, clusters=((0, 1),), request_classes=(0, *classes_of(spec)[len(spec.clusters) :]))


def counts_alone(spec: RouteSpec) -> bool:
    """Whether a route has something that counts for its proxy alone: tokens, faults, a back-off."""
    ways = (spec, *(way for _, way in spec.ways))
    return any(way.limit is not None or way.faults is not None or backs_off(way) for way in ways)


def stream_fields(spec: RouteSpec) -> dict[str, int]:
    """What a route's row says about bodies that come late, and about redirects."""
    return {
        "slow": spec.body > 0,
        "body": spec.body,
        "holds": spec.holds,
        "eager": spec.eager,
        "large": spec.large,
        "follows": sum(core.redirect_bit(status) for status in frozenset(spec.follows)),
        "follow_n": len(spec.redirects),
    }


def kind_of(kind: InboundKind) -> dict[str, int]:
    """What ends an attempt at a host, as its row says it; what is not understood ends its connection too."""
    if kind is InboundKind.MISUNDERSTAND:
        return {"kind": core.IN_RESET, "how": core.PROTOCOL_ERROR, "marks": core.MARK_CLOSES}
    return {"kind": int(kind), "how": core.TERMINATED}


def health_of(spec: HostSpec) -> int:
    """Health of a host as its cluster's assignment has it."""
    if spec.excluded:
        return core.EXCLUDED
    if not spec.healthy:
        return core.UNHEALTHY
    return core.DEGRADED if spec.degraded else core.HEALTHY
