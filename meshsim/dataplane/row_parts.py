"""Parts of the event core's rows that follow from one spec alone."""

from __future__ import annotations

from meshsim.dataplane import core
from meshsim.dataplane.specs import HostSpec, InboundKind, RouteSpec


def shares_of(spec: RouteSpec) -> list[tuple[int, int, int]]:
    """Cluster, weight and class of requests of each way that a route leads."""
    ways = zip(spec.clusters, classes_of(spec))
    return [(cluster, weight, kind) for (cluster, weight), kind in ways if weight > 0]


def classes_of(spec: RouteSpec) -> tuple[int, ...]:
    """Class of the requests at each cluster, then at each mirror."""
    return spec.request_classes + (0,) * (len(spec.clusters) + len(spec.mirrors) - len(spec.request_classes))


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
