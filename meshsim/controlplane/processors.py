"""istiod's CPUs: jobs in order of arrival, as many at once as there are processors."""

from __future__ import annotations

import heapq

from meshsim.units import Nanos


class Processors:
    """Earliest-free scheduling over a fixed number of processors.

    DEVIATION: a job runs to its end; the Go scheduler would slice it among runnable goroutines, which changes the
    order in which proxies of one push finish but not when the last one does.
    """

    def __init__(self, count: int) -> None:
        self._free_at: list[Nanos] = [0] * max(1, count)

    def run(self, now: Nanos, work: Nanos) -> Nanos:
        """Queue a job at this instant; returns when it ends."""
        free = heapq.heappop(self._free_at)
        end = max(now, free) + work
        heapq.heappush(self._free_at, end)
        return end
