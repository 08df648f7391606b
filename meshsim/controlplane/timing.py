"""What Pilot's work takes: debounce, throttles, CPU costs, message delays.

Costs are those measured on the real istiod code (Go 1.26, two shared cores, services with two endpoints each): about
19 us a cluster, 17 us an endpoint assignment, 7 us a virtual host, 0.5 to 0.65 ms of push context a service, about
0.3 ms a proxy for a push that changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.units import MICROSECOND, MILLISECOND, SECOND, Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotTiming:
    """Parameters of one istiod; each may be overridden by a scenario (`mesh.timing`)."""

    debounce_after: Nanos = 100 * MILLISECOND
    """PILOT_DEBOUNCE_AFTER: quiet time before a push."""
    debounce_max: Nanos = 10 * SECOND
    """PILOT_DEBOUNCE_MAX: longest wait from the first change."""
    cpus: int = 2
    """GOMAXPROCS of istiod."""
    push_throttle: int = 0
    """PILOT_PUSH_THROTTLE; 0 = ``min(15 + 5 * cpus, 100)``."""
    max_requests_per_second: float = 0.0
    """PILOT_MAX_REQUESTS_PER_SECOND for new streams; 0 = the same formula."""
    watch_latency: Nanos = 5 * MILLISECOND
    """From the API server's write to Pilot's handler."""
    push_context_base: Nanos = 2 * MILLISECOND
    push_context_per_service: Nanos = 500 * MICROSECOND
    push_per_proxy: Nanos = 300 * MICROSECOND
    """Computing a proxy's state and the filter of a push, whatever it holds."""
    per_cluster: Nanos = 19 * MICROSECOND
    per_assignment: Nanos = 17 * MICROSECOND
    per_virtual_host: Nanos = 7 * MICROSECOND
    per_listener: Nanos = 30 * MICROSECOND
    listeners_base: Nanos = 500 * MICROSECOND
    per_other: Nanos = 2 * MICROSECOND
    send: Nanos = 50 * MICROSECOND
    """Serialising and writing one response."""
    network: Nanos = 500 * MICROSECOND
    """One way between istiod and the proxy's agent."""
    agent_hop: Nanos = 100 * MICROSECOND
    """pilot-agent's forwarding between Envoy and istiod."""
    restart: Nanos = 3 * SECOND
    """From a killed istiod container to one that serves xDS again, when nothing else says so."""

    @property
    def throttle(self) -> int:
        """Connections pushed to at once (istio pilot/pkg/features/tuning.go)."""
        return self.push_throttle or min(15 + 5 * self.cpus, 100)

    @property
    def stream_rate(self) -> float:
        """New streams admitted a second (istio pilot/pkg/xds/discovery.go WaitForRequestLimit)."""
        return self.max_requests_per_second or float(min(15 + 5 * self.cpus, 100))
