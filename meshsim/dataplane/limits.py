"""How much there may be: circuit breakers of a cluster for one priority, faults, and requests for a time.

Envoy source/common/upstream/resource_manager_impl.h, source/extensions/filters/http/fault/fault_filter.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshsim.units import Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSpec:
    """How much of everything there may be at once; Envoy's defaults."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    retry_budget: float | None = None
    """Percent of the requests under way that may be retries; `max_retries` is then the least number allowed."""
    host_connections: int | None = None
    """Most connections to one host, None = any number."""
    max_pools: int | None = None
    """Most pools of connections, None = any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """How many faults may be under way, and how slowly answers pass."""

    most_active: int | None = None
    """None = any number."""
    counted_for: str = ""
    """Routes of a proxy with the same name share the faults that are under way."""
    rate: int = 0
    """Bytes a second at which the body of an answer passes, 0 = as it comes."""
    rate_ppm: int = 0
    """Share of the requests that this happens to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSpec:
    """A bucket of tokens in front of a route; routes of one proxy with equal ones share it (`bucket` tells others)."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval: Nanos
    status: int = 429
    enabled_ppm: int = 1_000_000
    """Share of requests that take a token."""
    enforced_ppm: int = 1_000_000
    """Share of those that are refused where there is none."""
    after_fault: bool = False
    """Whether faults are injected before it."""
    bucket: str = ""
    by_connection: bool = False
    """Whether each downstream connection has a bucket of its own."""
    then: RateLimitSpec | None = None
    """The bucket that is asked next, if there was a token in this one.

    DEVIATION: of several filters of local limits on one route the first tells whether they stand behind faults, and one
    draw decides the shares of requests that each looks at.
    """


def bucket_fields(spec: RateLimitSpec) -> dict[str, int]:
    """Fields of the row of a bucket, which begins full."""
    per_token = max(spec.fill_interval // max(spec.tokens_per_fill, 1), 1)
    full = per_token * spec.max_tokens
    return {
        "empty": -full,
        "per_token": per_token,
        "full": full,
        "enabled": spec.enabled_ppm,
        "enforced": spec.enforced_ppm,
        "status": spec.status,
        "each": spec.by_connection,
    }


USUAL_LIMITS: Final = LimitSpec()
