"""What the event core is told: pods, proxies, clusters, hosts, routes, calls and traffic as plain numbered values.

The world translates decisions into these; `meshsim.dataplane.layout` packs them into the tables of
`meshsim.dataplane.core`. Every id is an index that its maker counts up from 0; every time is in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from meshsim.dataplane.host_health import HealthCheckSpec as HealthCheckSpec
from meshsim.dataplane.host_health import OutlierSpec as OutlierSpec
from meshsim.dataplane.limits import USUAL_LIMITS
from meshsim.dataplane.limits import FaultSpec as FaultSpec
from meshsim.dataplane.limits import LimitSpec as LimitSpec
from meshsim.dataplane.limits import RateLimitSpec as RateLimitSpec
from meshsim.units import SECOND, Nanos

UNLIMITED: Final = (1 << 32) - 1
"""The largest limit that Envoy's configuration can name: more than there can be of anything."""

GRPC: Final = 1000
"""A status of `GRPC` + n is an HTTP 200 with grpc-status n."""
Locality = tuple[str, str, str]
"""Region, zone, sub-zone."""
NOWHERE: Final[Locality] = ("", "", "")


class Shape(IntEnum):
    """Family of a distribution."""

    FIXED = 0
    EXPONENTIAL = 1
    LOGNORMAL = 2
    GAMMA = 3
    PARETO = 4
    UNIFORM = 5
    EMPIRICAL = 6


@dataclass(frozen=True, slots=True)
class Distribution:
    """A time distribution: `scale` is the mean of FIXED, EXPONENTIAL and GAMMA, the median of LOGNORMAL, the minimum of
    the others; `spread` is sigma of LOGNORMAL (natural log), the shape of GAMMA and PARETO, the maximum of UNIFORM.
    """

    shape: Shape
    scale: Nanos
    spread: float = 0.0
    quantiles: tuple[tuple[float, Nanos], ...] = ()
    """Of EMPIRICAL: (share of 1, value), from share 0 to share 1; values lie evenly between two of them."""


class LbPolicy(IntEnum):
    """Load balancing policy of a cluster."""

    LEAST_REQUEST = 0
    ROUND_ROBIN = 1
    RANDOM = 2
    ORIGINAL_DST = 3
    """The caller's own destination: the cluster has that one host."""
    RING_HASH = 4
    MAGLEV = 5


class RetryOn(IntFlag):
    """Retry conditions of a route (Envoy source/common/router/retry_state_impl.cc)."""

    NONE = 0
    FIVE_XX = 1
    GATEWAY_ERROR = 2
    CONNECT_FAILURE = 4
    REFUSED_STREAM = 8
    RESET = 16
    RESET_BEFORE_REQUEST = 32
    RETRIABLE_4XX = 64
    RETRIABLE_STATUS_CODES = 128
    ENVOY_RATELIMITED = 256
    GRPC_CANCELLED = 512
    GRPC_DEADLINE_EXCEEDED = 1024
    GRPC_RESOURCE_EXHAUSTED = 2048
    GRPC_INTERNAL = 4096
    GRPC_UNAVAILABLE = 8192
    RETRIABLE_HEADERS = 16384


class Flag(IntFlag):
    """Response flags of an access log line (Envoy source/common/stream_info/utility.h)."""

    NONE = 0
    UH = 1
    """No healthy upstream."""
    UF = 2
    """Upstream connection failure."""
    UO = 4
    """Upstream overflow (circuit breaking)."""
    NR = 8
    """No route configured."""
    URX = 16
    """Retry limit exceeded."""
    UT = 32
    """Upstream request timeout."""
    UC = 64
    """Upstream connection termination."""
    NC = 128
    """Upstream cluster not found."""
    DI = 256
    """Delay injected."""
    FI = 512
    """Abort injected."""
    DC = 1024
    """Downstream connection termination."""
    UAEX = 2048
    """Denied by authorization."""
    LR = 4096
    """Connection local reset."""
    UR = 8192
    """Upstream remote reset."""
    RL = 16384
    """Rate limited."""
    UPE = 32768
    """Upstream protocol error."""
    SI = 65536
    """Stream idle timeout."""
    UMSDR = 131072
    """Upstream maximum stream duration reached."""
    DO = 262144
    """Dropped, as the endpoint assignment has it for some requests."""
    UDO = 524288
    """Dropped, as the endpoint assignment has it for all requests."""
    DT = 1_048_576
    """Longest duration of a downstream connection reached."""


class Mark(IntFlag):
    """What retries may avoid about a host: it is a canary, or has labels (from `LABELLED` on, a bit for each set)."""

    NONE = 0
    CANARY = 1
    LABELLED = 2


class RouteKind(IntEnum):
    """What a route does with a request that nothing stopped before."""

    FORWARD = 0
    LOCAL_REPLY = 1
    """The proxy answers itself with `RouteSpec.status` and `RouteSpec.flag` (no route, redirect, direct response)."""
    DRAWN = 2
    """One of `RouteSpec.ways`, by chance for each request."""


class InboundKind(IntEnum):
    """What the other end's proxy does with an attempt that reaches its host."""

    SERVE = 0
    """To the application."""
    REPLY = 1
    """The server-side proxy answers `HostSpec.inbound_status` itself (RBAC 403, no route 404)."""
    RESET = 2
    """The server side closes the connection (STRICT mTLS refuses plaintext, no filter chain): UC at the caller."""
    REFUSE = 3
    """Nothing listens, or a handshake fails: no connection: UF at the caller."""
    MISUNDERSTAND = 4
    """The other end speaks another version of HTTP: a protocol error, UPE at the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeSpec:
    """What it costs to go on after having had nothing to do for a time `idle`: least + most * idle / (idle + half)."""

    least: Nanos
    """Any waking: the event loop's turn and the switch to its thread."""
    most: Nanos
    """What comes to it after a long idle time: cold caches, a CPU that sleeps deep."""
    half: Nanos
    """The idle time after which half of `most` is to be paid."""
    spread: float = 0.0
    """Sigma of a lognormal factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """Telemetry that an event loop collects and sends in batches."""

    answers: int
    """Each how many answers."""
    cost: Distribution
    """CPU time of one batch, which whoever comes next waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySpec:
    """An Envoy (sidecar or gateway) as a queueing station: `workers` event loops, each FIFO.

    A client's connection, and a connection from another proxy, belongs to one event loop as long as it is open.
    """

    workers: int
    outbound: Distribution
    """CPU time to take a request in and send it upstream (and the same again for its response)."""
    inbound: Distribution
    """CPU time to take a request in and give it to the application (and the same again for the answer)."""
    handshake: Distribution = Distribution(Shape.FIXED, 0)
    """CPU time of one end of a TLS handshake."""
    wake: WakeSpec | None = None
    """CPU time of an event loop that was idle, beyond that of what woke it."""
    report: ReportSpec | None = None
    flushed: float = 0.0
    """Share of a pass's CPU time that ends its turn, which handles all that was ready at its begin; 0 = no turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSpec:
    """What of an application's service time is CPU time, and how much of that it may use."""

    share: float
    """CPU time of all service time; the rest is waiting, which comes first."""
    quota: Nanos = 0
    """CPU time in each 100 ms for all its workers together, 0 = no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """An application instance: `workers` requests at once, the rest waits in a FIFO."""

    proxy: int
    """Its sidecar, -1 without."""
    workload: int
    """Group for series (workload and version)."""
    workers: int
    """Concurrency; 0 = unlimited."""
    hold_while_calling: bool
    """Whether a worker stays occupied while the handler waits for its calls (thread-per-request) or not (async)."""
    queue: int | None = None
    """How many requests may wait, None = any number; one more is answered with `full_status`."""
    full_status: int = 503
    cpu: CpuSpec | None = None
    curve: tuple[tuple[int, float], ...] = ()
    """How many times longer service takes under load: (requests in service, factor), rising, straight in between."""
    wake: WakeSpec | None = None
    """How long an instance without requests takes to begin the next one."""


class StepSpec(NamedTuple):
    """A call, or a branch: calls that are made one after the other beside others, those of another handler."""

    group: int
    """All steps of a group begin together; the next group waits for all of them."""
    call: int = -1
    branch: int = -1
    """Handler of the branch's calls; its own service counts for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSpec:
    """What a workload does with one kind of request: own service time, then its calls, then the answer."""

    service: Distribution
    error_rate: float
    """Probability that the own work ends in `error_status`; calls are then not made."""
    error_status: int
    calls: tuple[int, ...]
    """Call ids, in groups: all calls of a `CallSpec.group` run in parallel, groups one after the other."""
    steps: tuple[StepSpec, ...] = ()
    """The same with branches and calls that are made several times, in the place of `calls`."""
    errors: tuple[tuple[float, int], ...] = ()
    """Other shares of the requests and the statuses they are answered with."""
    size: int = 0
    """Bytes of its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """One call a handler makes; resolved for each caller pod to a flow."""

    group: int
    probability: float
    fail_parent: bool
    """Whether a 5xx answer of this call makes the caller answer 5xx (its own status 500)."""
    error_rate: float = 0.0
    """Share of these calls that the called application answers with `error_status`, whatever else it does."""
    error_status: int = 500
    timeout: Nanos = 0
    """How long the caller's code waits for an answer, 0 = for ever."""
    retries: int = 0
    """How often the caller's code makes the call again when it failed."""
    backoff: Distribution | None = None
    """Time before each of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One endpoint of a cluster as one proxy sees it."""

    pod: int
    """The pod behind it; -1 for an address outside the simulation, which answers 200 after `external`."""
    weight: int
    healthy: bool
    """EDS health."""
    handler: int
    """Handler that the request reaches there."""
    latency: Nanos
    """One-way network latency."""
    jitter: Nanos
    """Mean of the exponential part on top of it."""
    handshake_rtts: int
    """Round trips of a new connection (1 TCP, 2 TCP and TLS 1.3) beyond the request's own."""
    inbound: InboundKind
    """What a request meets there before the application."""
    inbound_status: int = 200
    inbound_flag: Flag = Flag.NONE
    by_class: tuple[tuple[InboundKind, int, Flag], ...] = ()
    """The same for requests of class 1, 2, ...: those that the other end treats differently."""
    handlers: tuple[int, ...] = ()
    """Handlers that those reach there, nothing where all reach `handler`."""
    reachable: bool = True
    """False while the network between both is partitioned: connects time out, sent requests hang."""
    lost: float = 0.0
    """Probability that an attempt is lost on the link (a loss the transport repairs is latency, not this)."""
    external: Distribution | None = None
    degraded: bool = False
    """Healthy, but only for what the others cannot take."""
    excluded: bool = False
    """Unhealthy and left out of the count (EDS DRAINING)."""
    priority: int = 0
    locality: Locality = NOWHERE
    locality_weight: int = 0
    marks: Mark = Mark.NONE
    checked: bool = True
    """Whether its cluster's health checks ask it too."""
    hash_key: str = ""
    """What rings and Maglev tables hash of it; its address in text unless its metadata name a key."""
    wire: int = 0
    """Picoseconds that a byte takes on the link to it, 0 = nothing.

    DEVIATION: messages do not share the bandwidth of a link, and TCP's slow start takes no time.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowStartSpec:
    """How a new host's weight grows."""

    window: Nanos
    aggression: float = 1.0
    least_percent: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingSpec:
    """Rings and tables of consistent hashing."""

    least_ring: int = 1024
    most_ring: int = 8_388_608
    murmur: bool = False
    """MurmurHash2 for places on the ring, instead of xxHash."""
    table_size: int = 65_537
    balance_factor: int = 0
    """Percent of the average load that a host may have (bounded load), 0 = any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSpec:
    """Zone aware routing; it needs `ClusterSpec.locality` and the callers' own cluster."""

    local: int
    """Number of the cluster that holds the callers themselves."""
    min_cluster_size: int = 6
    routing_percent: int = 100
    force_local: int = 0
    """With this many healthy hosts in the own zone everything stays there, 0 = not for that alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """One cluster of one proxy: balancing, limits and outlier detection over its hosts."""

    proxy: int
    """-1 where an application calls without one."""
    policy: LbPolicy
    choice_count: int = 2
    overprovisioning: int = 140
    panic_threshold: int = 0
    """Percent; 0 = never panic."""
    max_connections: int = UNLIMITED
    max_pending_requests: int = UNLIMITED
    max_requests: int = UNLIMITED
    max_retries: int = UNLIMITED
    max_requests_per_connection: int = 0
    connect_timeout: Nanos = 10 * SECOND
    http2: bool = False
    """Whether upstream connections carry many requests at once."""
    outlier: OutlierSpec | None = None
    retry_budget: float | None = None
    """Percent of the requests under way that may be retries; `max_retries` is then the least number allowed."""
    max_stream_duration: Nanos = 0
    """0 = none."""
    max_concurrent_streams: int = 1024
    """Of an HTTP/2 connection."""
    idle_timeout: Nanos = 0
    """Of a connection without streams, 0 = none."""
    max_connection_duration: Nanos = 0
    locality: Locality = NOWHERE
    """Where the caller's proxy is."""
    locality_weighted: bool = False
    """Whether localities share by their weights."""
    zone: ZoneSpec | None = None
    local: bool = False
    """Whether it holds the callers themselves, to whom zone aware routing of other clusters compares."""
    weighted_health: bool = False
    """Whether priorities count their hosts by weight."""
    fail_on_panic: bool = False
    active_request_bias: float = 1.0
    full_scan: bool = False
    """Least request over all hosts instead of `choice_count`."""
    slow_start: SlowStartSpec | None = None
    hashing: HashingSpec = HashingSpec()
    health_check: HealthCheckSpec | None = None
    merge_window: Nanos = SECOND
    """How long changes of health alone are collected for the balancer after the first."""
    host_connections: int | None = None
    max_pools: int | None = None
    """Most connections to one host, and most pools of connections; None = any number."""
    high: LimitSpec = USUAL_LIMITS
    """Limits for requests of high priority, which have pools of their own."""
    by_connection: bool = False
    """Whether each downstream connection has pools of its own."""
    preconnect: float = 1.0
    predict: float = 1.0
    """Streams that a pool, and a cluster at its next hosts, is to have connections for, for each; in contexts."""
    subsets: bool = False
    """Whether hosts are chosen among subsets alone (`contexts`), each with a balancer."""
    sessions: bool = False
    """Whether a TCP proxy leads there: its requests are connections, each with one upstream connection of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """What one proxy does with one flow under one configuration version."""

    kind: RouteKind
    status: int = 200
    flag: Flag = Flag.NONE
    clusters: tuple[tuple[int, int], ...] = ()
    """(cluster id, weight) in Envoy's order; a cluster id of -1 is a cluster the proxy does not have (NC)."""
    timeout: Nanos = 0
    """Route timeout, 0 = none."""
    per_try_timeout: Nanos = 0
    retries: int = 0
    retry_on: RetryOn = RetryOn.NONE
    retriable_codes: tuple[int, ...] = ()
    backoff_base: Nanos = 25_000_000
    backoff_max: Nanos = 250_000_000
    host_reselect_attempts: int = 0
    """With retry host predicates: how often a retry picks again; 0 = none."""
    delay_ppm: int = 0
    """Fault delay: share of requests in parts per million."""
    delay: Nanos = 0
    abort_ppm: int = 0
    abort_status: int = 0
    mirrors: tuple[tuple[int, int], ...] = ()
    """(cluster id, parts per million)."""
    request_classes: tuple[int, ...] = ()
    """The class of the requests at each of `clusters`, then at each of `mirrors`; 0 where it ends."""
    idle_timeout: Nanos = 0
    """Stream idle timeout, 0 = none."""
    per_try_idle_timeout: Nanos = 0
    limit: RateLimitSpec | None = None
    max_stream_duration: Nanos = 0
    """0 = none."""
    hash: int | None = None
    """What the hash policies give for these requests, an unsigned 64-bit number; None = nothing to hash."""
    session: bool = False
    """Whether the hash differs from client to client (generated cookies), so that it has to be drawn."""
    session_keys: tuple[int, ...] = ()
    """The hashes of the clients, by session, where it need not be drawn."""
    may_revisit: bool = False
    """Whether retries may go where tries have been (previous_hosts absent)."""
    avoided_marks: Mark = Mark.NONE
    """Marks of hosts that retries avoid."""
    previous_priorities: int = 0
    """Each how many tries the priorities tried so far are avoided; 0 = retry plugin absent."""
    ways: tuple[tuple[int, RouteSpec], ...] = ()
    """Routes with their weights, of which each request takes one."""
    hedge: bool = False
    """Whether an attempt goes on after `per_try_timeout`, beside its retry."""
    timeout_status: int = 504
    """What a request gets that has timed out; 0 = it is a session of a TCP proxy, `retries` are of its connection."""
    body: Nanos = 0
    """How long after its headers the body of a request has come, 0 = with them; `core.NEVER` if it never does."""
    request_timeout: Nanos = 0
    holds: bool = False
    """Whether the proxy waits for whole requests before it sends them on."""
    eager: bool = False
    """Whether applications answer before they have the whole request."""
    large: bool = False
    """Whether bodies are larger than what is kept of them for retries."""
    faults: FaultSpec | None = None
    """What else of its faults counts."""
    follows: tuple[int, ...] = ()
    redirects: tuple[tuple[int, int], ...] = ()
    """Statuses of redirects that the proxy follows, and where to: (number of a location from 0, flow there)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpec:
    """One kind of request at one proxy: caller pod or traffic source, call, destination and request template.

    Its route is replaced by `Engine.set_route` at the instant the proxy's configuration takes effect.
    """

    proxy: int
    """The proxy that decides, -1 when the caller has none (the route is then what its address lookup gives)."""
    workload: int
    """The caller's group for series."""
    pod: int
    """The caller pod, -1 for a traffic source."""
    call: int
    """The call it resolves, -1 for a traffic source."""
    edge: int = -1
    """Group of the series; -1 makes one for each caller group and call (`Engine.edges`)."""
    size: int = 0
    """Bytes of a request."""
    grpc: bool = False
    """Whether retries judge an answer by the gRPC status that stands for its HTTP status."""


class PodState(IntEnum):
    """What an instance does with what reaches it."""

    READY = 0
    DRAINING = 1
    """Finishes what it has; its application no longer accepts: its proxy answers 503, without proxy it refuses."""
    DEAD = 2
    """Connections to it are closed, new ones refused; what it was doing is lost."""


class Arrivals(IntEnum):
    """How a traffic source spaces its requests."""

    POISSON = 0
    CONSTANT = 1
    CLOSED = 2
    """`SourceSpec.users` users, each waits `SourceSpec.think` after an answer."""
    JITTERED = 3
    """CONSTANT, each wait up to a tenth longer or shorter."""
    REPLAYED = 4
    """At `SourceSpec.instants`."""
    PERIODIC = 5
    """`SourceSpec.users` connections that share the rate, each of which waits for its answer (`PeriodicSpec`)."""


class LevelPiece(NamedTuple):
    """A stretch of a source's time, up to the next one, in which a rate (a second) or number of users moves evenly."""

    begin: Nanos
    level: float
    end_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicSpec:
    """How connections keep to their times (fortio periodic/periodic.go, runOne)."""

    length: Nanos
    """How long they send: their last requests are due at its end."""
    jitter: bool = False
    """Each wait is up to a tenth longer or shorter."""
    uniform: bool = False
    """They begin one after the other within one interval instead of together."""
    catch_up: bool = True
    """Whether requests that are late are sent at once, or left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """A traffic source."""

    flows: tuple[int, ...]
    """One flow an entry proxy; requests go to them in turn by keyed draw, those of a user or connection all to one."""
    arrivals: Arrivals
    rate_per_s: float
    """Requests a second of an open loop; rates change through `Engine.set_rate`."""
    users: int
    think: Distribution | None
    start: Nanos
    stop: Nanos
    latency: Nanos
    """One-way latency between the source and the entry proxy."""
    levels: tuple[LevelPiece, ...] = ()
    """The rate of an open loop by time, in the place of `rate_per_s`, or how many of the users there are."""
    instants: tuple[Nanos, ...] = ()
    """Of REPLAYED: when requests are sent, counted from the start, rising."""
    periodic: PeriodicSpec | None = None
    """Of PERIODIC."""
    sessions: int = 0
    """How many sessions the requests of an open loop belong to, 0 = each to one of its own; a user is a session."""
