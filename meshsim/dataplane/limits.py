"""Circuit breakers of a cluster for one priority of its requests.

Envoy source/common/upstream/resource_manager_impl.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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


USUAL_LIMITS: Final = LimitSpec()
