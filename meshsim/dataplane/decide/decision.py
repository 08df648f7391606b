"""What comes out of a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from meshsim.dataplane.decide.chances import ALWAYS, Fractional
from meshsim.dataplane.decide.clusters import Cluster, Endpoint, LoadAssignment
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.handshake import NO_HANDSHAKE, Handshake
from meshsim.dataplane.decide.routes import HashPolicy, InternalRedirects, RetryPolicy
from meshsim.dataplane.decide.subsets import Subset
from meshsim.dataplane.decide.transport_sockets import UpstreamTls as UpstreamTls
from meshsim.units import Nanos


class Disposition(Enum):
    """How a connection or request ends as far as this proxy decides it."""

    FORWARDED = "forwarded"
    """To an upstream host."""
    REPLIED = "replied"
    """The proxy answers HTTP itself: no route, redirect, direct response, denied, no host."""
    CLOSED = "closed"
    """The connection is closed without an HTTP answer: no filter chain, TLS failure, network RBAC, no host for TCP."""
    REFUSED = "refused"
    """Nothing listens there."""
    STALLED = "stalled"
    """The proxy waits for bytes that never come (a server that speaks first behind an inspector)."""


class Flag(Enum):
    """Response flags a decision can carry, as Envoy abbreviates them (source/common/stream_info/utility.h)."""

    NO_ROUTE = "NR"
    NO_CLUSTER = "NC"
    NO_HEALTHY_UPSTREAM = "UH"
    UPSTREAM_CONNECTION_FAILURE = "UF"
    FAULT_INJECTED = "FI"
    DELAY_INJECTED = "DI"
    DOWNSTREAM_PROTOCOL_ERROR = "DPE"
    UNAUTHORIZED_EXTERNALLY = "UAEX"
    RATE_LIMITED = "RL"
    NO_FILTER_CONFIG = "NFCF"
    UPSTREAM_TERMINATION = "UC"
    UPSTREAM_REMOTE_RESET = "UR"
    UPSTREAM_PROTOCOL_ERROR = "UPE"
    UPSTREAM_OVERFLOW = "UO"
    UPSTREAM_REQUEST_TIMEOUT = "UT"
    RETRY_LIMIT_EXCEEDED = "URX"
    STREAM_IDLE_TIMEOUT = "SI"
    UPSTREAM_MAX_DURATION = "UMSDR"
    DOWNSTREAM_TERMINATION = "DC"


class Step(NamedTuple):
    """One step of an explanation."""

    stage: str
    """``listener``, ``filter chain``, ``virtual host``, ``route``, ``cluster`` ..."""
    chosen: str
    reason: str


class Place(NamedTuple):
    """Listener and filter chain in which a decision is made."""

    listener: str
    filter_chain: str


class Trail:
    """Where a decision notes its steps; falsy while nobody wants them."""

    __slots__ = ("steps", "wanted")

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.steps: list[Step] = []

    def __bool__(self) -> bool:
        return self.wanted

    def add(self, stage: str, chosen: str, reason: str = "") -> None:
        """Note a step."""
        self.steps.append(Step(stage, chosen, reason))


class Upstream(NamedTuple):
    """One cluster a decision may go to."""

    name: str
    weight: int
    cluster: Cluster | None
    """None: the proxy has no such cluster."""
    assignment: LoadAssignment | None
    destination: Endpoint | None
    """The one host of an ORIGINAL_DST or forward proxy cluster."""
    http2: bool
    transports: tuple[UpstreamTls, ...]
    """Distinct transports over its hosts, in the order of the hosts."""
    subsets: tuple[Subset, ...] | None = None
    """Subsets of its hosts that the route allows, of which the first counts that finds one; None where it has none."""
    match: tuple[tuple[str, str], ...] = ()
    """Labels of the subset that the route asks for."""

    @property
    def known(self) -> bool:
        return self.cluster is not None


class MirrorTarget(NamedTuple):
    """A shadow request."""

    upstream: Upstream
    fraction: Fractional
    authority: str


class RateLimit(NamedTuple):
    """A local token bucket in front of the route, which time decides."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval: Nanos
    status: int
    enabled: Fractional = ALWAYS
    """Requests that take a token, and those that are refused without one."""
    enforced: Fractional = ALWAYS
    after_fault: bool = False
    """Whether the fault filter stands before it."""
    bucket: str = ""
    """What tells its bucket from others of the proxy: where it is configured."""
    by_connection: bool = False
    """Whether each downstream connection has a bucket of its own."""
    then: RateLimit | None = None
    """The bucket that is asked next, if there was a token in this one."""

    def chain(self) -> list[RateLimit]:
        """This bucket and those that are asked after it."""
        return [self, *(self.then.chain() if self.then is not None else ())]


class Policies(NamedTuple):
    """What the route asks of the run: timeouts, retries, hashing, shadows, faults."""

    timeout: Nanos = 0
    idle_timeout: Nanos = 0
    max_stream_duration: Nanos | None = None
    retry: RetryPolicy | None = None
    mirrors: tuple[MirrorTarget, ...] = ()
    hash_policies: tuple[HashPolicy, ...] = ()
    fault: FaultConfig | None = None
    rate_limit: RateLimit | None = None
    high_priority: bool = False
    subset: tuple[tuple[str, str], ...] = ()
    per_try_timeout: Nanos = 0
    """That of the retry policy, unless the route timeout is not above it."""
    redirects: InternalRedirects | None = None
    hedge: bool = False
    """Whether an attempt goes on after its per-try timeout, beside its retry."""
    timeout_status: int = 504
    """What a request gets that has timed out."""
    request_timeout: Nanos = 0
    """How long a request may take to be complete, 0 = any time."""
    holds: bool = False
    """Whether a filter waits for the whole request."""
    large: bool = False
    """Whether the body is larger than what is kept of it for retries."""
    connect_attempts: int = 0
    """How many hosts a TCP proxy tries to connect to (max_connect_attempts), 0 for what goes to an HTTP pool."""
    connect_backoff: tuple[Nanos, Nanos] = (0, 0)
    """Between two of them: the first interval and the longest."""


NO_POLICIES: Final = Policies()


class Reply(NamedTuple):
    """An HTTP answer that the proxy makes itself."""

    status: int
    body: str
    details: str
    flags: tuple[Flag, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Decision(NamedTuple):
    """What a proxy does with a connection or a request.

    `upstreams` are all clusters the chosen route may draw, with their weights; one when nothing is random. For HTTP
    `headers` are those sent upstream (or those when the proxy answered), `response_headers` those that the proxy sets
    on the answer.
    """

    disposition: Disposition
    listener: str = ""
    filter_chain: str = ""
    route_config: str = ""
    virtual_host: str = ""
    route: str = ""
    route_index: int = -1
    config: str = ""
    """``istio.config`` of the route (else of the chain or cluster): the Istio resource that made the decision."""
    upstreams: tuple[Upstream, ...] = ()
    policies: Policies = NO_POLICIES
    method: str = ""
    path: str = ""
    authority: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 0
    body: str = ""
    flags: tuple[Flag, ...] = ()
    details: str = ""
    response_headers: tuple[tuple[str, str], ...] = ()
    removed_response_headers: tuple[str, ...] = ()
    delay: Nanos = 0
    """Injected before anything else happens, when the draw says so."""
    asked: tuple[str, ...] = ()
    """Clusters of external services that were asked (authorization)."""
    unmodelled: tuple[str, ...] = ()
    """Filters on the way whose effect is not modelled."""
    sni: str = ""
    """Server name that the listener's inspector read."""
    handshake: Handshake = NO_HANDSHAKE
    """TLS with the client, as far as it went."""
    steps: tuple[Step, ...] = ()

    @property
    def cluster(self) -> str:
        """The cluster, when there is exactly one; empty otherwise."""
        return self.upstreams[0].name if len(self.upstreams) == 1 else ""

    @property
    def flag_text(self) -> str:
        """Flags as in an access log."""
        return ",".join(f.value for f in self.flags)


class ExternalAnswer(NamedTuple):
    """What an external authorization service says."""

    allowed: bool
    status: int = 403
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Set on the request when allowed, on the answer when denied."""
    failed: bool = False
    """Whether the service could not be asked; the filter then lets pass or answers by itself."""


def _allow(cluster: str) -> ExternalAnswer:
    return ExternalAnswer(True)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision depends on besides configuration, connection and request."""

    identity: str = ""
    """URI name in the proxy's own certificate (``By=`` of x-forwarded-client-cert)."""
    address: str = ""
    """The proxy's own address, used for clients on loopback and for shadow requests."""
    now: int | None = None
    """Seconds since 1970, for tokens; None leaves validity periods unchecked."""
    authorize: Callable[[str], ExternalAnswer] = _allow
    """Answers for an external authorization service, by its cluster."""
    missing_secrets: frozenset[str] = frozenset()
    """Secrets that the server never delivers."""


ORDINARY: Final = Surroundings()
