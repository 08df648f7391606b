"""How long things take, where a scenario wants it otherwise than the documented defaults.

Nothing here has a default of its own: a field that is not given leaves the value of the room that models it. The names
are those of the rooms' own parameters.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from meshsim.scenario.node import Node
from meshsim.scenario.quantities import Bandwidth, Duration, Ratio, Time

Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]


class PilotTiming(Node):
    """istiod: debounce, throttle and what its work costs."""

    debounce_after: Duration | None = None
    """PILOT_DEBOUNCE_AFTER: quiet time before a push."""
    debounce_max: Duration | None = None
    """PILOT_DEBOUNCE_MAX: longest wait from the first change."""
    cpus: Count | None = None
    """CPUs of istiod (GOMAXPROCS)."""
    push_throttle: Count | None = None
    """PILOT_PUSH_THROTTLE: proxies pushed to at the same time."""
    max_requests_per_second: Annotated[float, Field(gt=0, strict=False)] | None = None
    """PILOT_MAX_REQUESTS_PER_SECOND: new streams admitted a second."""
    watch_latency: Duration | None = None
    """From the API server's write to istiod's handler."""
    push_context_base: Duration | None = None
    """A push context without services."""
    push_context_per_service: Duration | None = None
    """And for each service."""
    push_per_proxy: Duration | None = None
    """State of one proxy and filter of a push, whatever it holds."""
    per_cluster: Duration | None = None
    """Generating one cluster."""
    per_assignment: Duration | None = None
    """Generating one endpoint assignment."""
    per_virtual_host: Duration | None = None
    """Generating one virtual host."""
    per_listener: Duration | None = None
    """Generating one listener."""
    send: Duration | None = None
    """Serialising and writing one response."""
    network: Duration | None = None
    """One way between istiod and a proxy's agent."""
    agent_hop: Duration | None = None
    """pilot-agent's forwarding between Envoy and istiod."""


class EnvoyTiming(Node):
    """An Envoy's intake of configuration."""

    base: Duration | None = None
    """Any response."""
    per_cluster: Duration | None = None
    """Each new cluster."""
    per_assignment: Duration | None = None
    """Each endpoint assignment."""
    per_listener: Duration | None = None
    """Each listener."""
    per_virtual_host: Duration | None = None
    """Each virtual host of a route table."""
    start: Duration | None = None
    """From process start to the first discovery request."""
    reconnect_base: Duration | None = None
    """First back-off after a lost stream."""
    reconnect_max: Duration | None = None
    """Longest back-off."""


class ProxyWake(Node):
    """CPU time of an event loop that had nothing to do: `least + most * idle / (idle + half)` after an `idle` time."""

    least: Duration = 0
    """Any waking: the event loop's turn and the switch to its thread."""
    most: Duration = 0
    """What comes to it after a long idle time: cold caches, a CPU that sleeps deep."""
    half: Duration
    """The idle time after which half of `most` is to be paid."""
    spread: Annotated[float, Field(ge=1, le=100, strict=False)] = 1.0
    """Geometric standard deviation of a lognormal factor."""


class ProxyReport(Node):
    """Telemetry that an event loop collects and sends in batches, as Istio's Mixer client did."""

    answers: Count
    """Each how many answers."""
    cost: Time
    """CPU time of one batch, which whoever comes next waits for."""


class ProxyTiming(Node):
    """What a request costs in a sidecar or gateway."""

    file: str | None = None
    """A YAML file beside the scenario with the other keys, such as `meshsim calibrate` writes; keys given here go
    before it."""

    workers: Count | None = None
    """Worker threads (`concurrency`)."""
    outbound: Time | None = None
    """CPU time of a request on its way out, and again of its answer."""
    inbound: Time | None = None
    """CPU time of a request on its way in, and again of its answer."""
    handshake: Time | None = None
    """CPU time of one end of a TLS handshake."""
    wake: ProxyWake | None = None
    """What comes to it when an event loop had nothing to do. Nothing: no cost."""
    report: ProxyReport | None = None
    """Telemetry in batches. Nothing: none."""
    flushed: Ratio | None = None
    """Share of a pass that an event loop spends at the end of its turn, which handles everything that was ready when it
    began. Nothing: passes are done with one after the other."""


class LinkLatency(Node):
    """Delay of one packet."""

    one_way: Duration
    """Its smallest value."""
    jitter: Duration = 0
    """Mean of an exponential part on top."""


def _latency(value: object) -> Any:
    return value if isinstance(value, Mapping | LinkLatency) else {"oneWay": value}


DurationOrLatency: TypeAlias = Annotated[
    LinkLatency, BeforeValidator(_latency, json_schema_input_type=Duration | LinkLatency)
]


class NetworkTiming(Node):
    """One-way latencies by distance."""

    same_node: DurationOrLatency | None = None
    """Between two pods of a node."""
    same_zone: DurationOrLatency | None = None
    """Between two nodes of a zone."""
    cross_zone: DurationOrLatency | None = None
    """Between two zones of a region."""
    cross_region: DurationOrLatency | None = None
    """Between two regions."""
    outside: DurationOrLatency | None = None
    """Between the kube and clients or services outside it."""


class KubeTiming(Node):
    """API server, controllers, scheduler and node life cycle."""

    watch_latency: Duration | None = None
    """From a write to its arrival at a watcher."""
    controller_latency: Duration | None = None
    """From a controller's wake-up to its write."""
    scheduler_latency: Duration | None = None
    """One scheduling cycle with its binding."""
    relist_period: Duration | None = None
    """How often the kubelet looks for containers that started or ended."""
    node_heartbeat: Duration | None = None
    """Renewal of a node's lease."""
    node_monitor_period: Duration | None = None
    """kube-controller-manager --node-monitor-period."""
    node_monitor_grace: Duration | None = None
    """kube-controller-manager --node-monitor-grace-period."""
    unreachable_toleration: Duration | None = None
    """How long pods of an unreachable node are left alone."""
    proxy_drain: Duration | None = None
    """How long istio-proxy lives on after SIGTERM: terminationDrainDuration."""


class PodTiming(Node):
    """Stages of a pod's life."""

    image_pull: Duration | None = None
    """One image that a node does not have yet."""
    sandbox: Duration | None = None
    """Pod sandbox, volumes and network until the pod has its address."""
    container_start: Duration | None = None
    """Creating and starting one container."""
    init_run: Duration | None = None
    """Run of one init container."""
    sidecar_start: Duration | None = None
    """istio-proxy from container start until it is ready."""
    app_start: Duration | None = None
    """An application from container start until it accepts requests."""
    app_stop: Duration | None = None
    """An application from SIGTERM until it has exited."""


class Timing(Node):
    """Overrides of the documented defaults."""

    pilot: PilotTiming = PilotTiming()
    """istiod."""
    kube: KubeTiming = KubeTiming()
    """API server, controllers, nodes."""
    pods: PodTiming = PodTiming()
    """Start and stop of pods."""
    envoy: EnvoyTiming = EnvoyTiming()
    """Configuration intake of the proxies."""
    proxy: ProxyTiming = ProxyTiming()
    """Requests in the proxies."""
    network: NetworkTiming = NetworkTiming()
    """The network."""
    bandwidth: Bandwidth | None = None
    """Of every link of the network; a message takes its size over it. Nothing: messages take no time for their size."""
