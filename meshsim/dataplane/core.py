"""The event core: every request of the mesh, its attempts, queues, timers and connections, over tables of rows.

One file of typed plain Python that `meshsim.dataplane.tables` runs unchanged in two ways: interpreted (rows are small
Python objects, tables are lists) and compiled (rows are numpy records, tables are arrays), with equal results to the
bit. Hence the form: every value is a 64-bit integer, every reference is a row number, nothing is allocated, nothing is
decorated, and every constant the compiled code uses stands in this file.

How it runs. `run` takes the earliest event off a queue: a wheel of buckets, a sorted list and a heap. An event is
(time, key), and the key holds a priority, a sequence number, a kind and a row: a total order. What an event causes at
the same instant, and what might come back to itself (a breaker that trips, the request that ends by it, the caller
that hears of it and the caller's next call), is done through a stack of steps (`push`). Before each event and each
step the core makes sure that there is room for whatever it may use; if not it returns, Python grows or drains the
tables and calls again.

Times are nanoseconds, rates and probabilities are integers out of a fixed whole, random draws are functions of an
identity and a purpose (`draw`). Sources of the modelled rules are named where they are modelled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

i64 = int
i32 = int
i16 = int
i8 = int

# ---------------------------------------------------------------------------------------------------------------------
# Constants
# ---------------------------------------------------------------------------------------------------------------------

MASK = (1 << 62) - 1
WHOLE = 1 << 62
"""Probabilities are numbers of `WHOLE`."""
MILLION = 1_000_000
SECOND = 1_000_000_000
NEVER = 1 << 62
"""A time after everything."""
JITTERS = 1
UNIFORM_STARTS = 2
SKIPS = 4
"""How connections of a PERIODIC source keep to their times: bits of `Source.manner`."""

SLOT_BITS = 23
SLOTS = (1 << SLOT_BITS) - 1
KIND_BITS = 5
KINDS = (1 << KIND_BITS) - 1
SEQ_SHIFT = SLOT_BITS + KIND_BITS
ORDINARY = 1 << 62
"""Set in the key of every event but configuration changes, which thereby come first at their instant."""

# Event kinds.
EV_SOURCE = 0
EV_USER = 1
EV_ENTER = 2
EV_OUT = 3
EV_DELAYED = 4
EV_BACKOFF = 5
EV_SERVER = 6
EV_ARRIVE = 7
EV_SERVED = 8
EV_BACK = 9
EV_RESPONSE = 10
EV_RESET = 11
EV_CONNECTED = 12
EV_UNCONNECTED = 13
EV_TIMER = 14
EV_SWEEP = 15
EV_VIEW = 16
EV_CHANGE = 17
EV_LEVEL = 18
EV_AGAIN = 19
EV_TURN_OUT = 20
EV_TURN_IN = 21
EV_TURN_LEFT = 22
EV_TURN_BACK = 23
EV_CHECK = 24
EV_CHECKED = 25
EV_BODY = 26
EV_SLOWED = 27
EV_LOOK = 28
EV_SILENT = 29
EV_RESTED = 30

# Steps of the stack.
DO_CALLS = 0
DO_FINISH = 1
DO_END = 2
DO_ATTACH = 3
DO_POOL = 4
DO_ENTER = 5
DO_TRY = 6
DO_PURGE = 7
DO_MIRROR = 8
DO_TIMEOUT = 9
DO_KILL = 10
DO_KILL_CONNECTIONS = 11
DO_KILL_REQUESTS = 12
DO_REACH = 13
DO_REACH_CONNECTIONS = 14
DO_USERS = 15
DO_IDLE = 16
DO_DURATION = 17
DO_CANCEL = 18
DO_HEDGE = 19
DO_DROP = 20
DO_REQUEST = 21
DO_DECIDE = 22
DO_LEAVE = 23
DO_LOOK = 24
DO_LOOK_CONNECTIONS = 25

# What `run` returns when it could not go on; otherwise it returns the time of the next event.
FULL = -1
LOGFULL = -2
CELLFULL = -3

# Life of an attempt at and on its way to the server.
PENDING = 0
OUTWARD = 1
QUEUED = 2
SERVING = 3
COMPUTING = 4
CALLING = 5
INWARD = 6
HUNG_OUT = 7
HUNG_BACK = 8
OVER = 9
LOST = 10
AWAITING = 11

# How an attempt ended for its caller.
ANSWERED = 0
UNCONNECTED = 1
TERMINATED = 2
TRY_TIMEOUT = 3
OVERFLOW = 4
ROUTE_TIMEOUT = 5
ABANDONED = 6
REMOTE_RESET = 7
REFUSED_STREAM = 8
PROTOCOL_ERROR = 9
IDLE_TIMEOUT = 10
MAX_DURATION = 11
UPSTREAM_DURATION = 12
TRY_IDLE = 13
REQUEST_TIMEOUT = 14
REDIRECTED = 15

# What has become of a request at its caller's proxy.
DECIDED = 1
STARTED = 2
BROKEN = 3
HELD = 4

TIMED = 1
"""Mark of an attempt whose per-try timeout has passed without ending it; `RELEASED`: and that has a retry since."""
RELEASED = 2

# Kinds of timers: the odd ones are an attempt's, the others a request's.
TIMER_ROUTE = 0
TIMER_TRY = 1
TIMER_IDLE = 2
TIMER_UPSTREAM = 3
TIMER_DURATION = 4
TIMER_TRY_IDLE = 5
TIMER_CALL = 6
TIMER_REQUEST = 8
TIMER_REST = 10
"""A connection's, as all from here on."""
TIMER_LIFE = 12

# States of a connection.
CLOSED = 0
CONNECTING = 1
READY = 2
DRAINING = 3

# States of a pod.
POD_READY = 0
POD_DRAINING = 1
POD_DEAD = 2

# Inbound outcomes, route kinds, policies, arrivals, shapes, retry tokens and flags: values of meshsim.dataplane.specs.
IN_SERVE = 0
IN_REPLY = 1
IN_RESET = 2
IN_REFUSE = 3
LOCAL_REPLY = 1
DRAWN = 2
LEAST_REQUEST = 0
ROUND_ROBIN = 1
RANDOM = 2
ORIGINAL_DST = 3
RING_HASH = 4
MAGLEV = 5
POISSON = 0
CONSTANT = 1
CLOSED_LOOP = 2
JITTERED = 3
REPLAYED = 4
PERIODIC = 5
FIXED = 0
EXPONENTIAL = 1
LOGNORMAL = 2
GAMMA = 3
PARETO = 4
UNIFORM = 5
EMPIRICAL = 6
RETRY_5XX = 1
RETRY_GATEWAY = 2
RETRY_CONNECT = 4
RETRY_REFUSED = 8
RETRY_RESET = 16
RETRY_BEFORE = 32
RETRY_4XX = 64
RETRY_CODES = 128
RETRY_LIMITED = 256
RETRY_CANCELLED = 512
RETRY_DEADLINE = 1024
RETRY_EXHAUSTED = 2048
RETRY_INTERNAL = 4096
RETRY_UNAVAILABLE = 8192
RETRY_HEADERS = 16384
UH = 1
UF = 2
UO = 4
NR = 8
URX = 16
UT = 32
UC = 64
NC = 128
DI = 256
FI = 512
DC = 1024
UR = 8192
RL = 16384
UPE = 32768
SI = 65536
UMSDR = 131072
DO = 262144
UDO = 524288
DT = 1048576
DIGIT_BITS = 11
DIGITS = 2048
"""Values of a digit by which cells are sorted."""
FLAG_BITS = 21
"""So many of them there are, where they stand beside a status of HTTP and whether it is a mirrored request."""
GRPC = 1000
"""A status of `GRPC` + n is an HTTP 200 with grpc-status n in its headers."""
RETRIED = 1024
"""In the `rare` table a final status other than 200 stands as itself, that of an answer that is retried above this."""
FOLLOWED = 1000
"""Internal redirects: those that were followed, and those that were not; between the statuses and `RETRIED`."""
UNFOLLOWED = 1001
CX_IDLE = 1002
"""Connections that were closed because they had no stream for too long."""
CX_ATTEMPTS = 1003
"""Sessions that no host could be connected to in as many attempts as there may be."""
SESSION_IDLE = 1004
"""Sessions that a TCP proxy ended because nothing had passed for too long, and those that had lasted too long."""
SESSION_LONG = 1005
CX_LIFE = 1006
"""Connections that take no more streams because they have been up for as long as they may."""
CX_POOLS = 1007
"""Requests whose host may have no pool of connections."""
UNATTACHED = 2024
UNCHARGED = 2025
CONNECT_TIMEOUT = 2026
PENDING_EJECT = 2027
CANCELLED = 2028
RX_RESET = 2029
TX_RESET = 2030
RETRY_SUCCESS = 2031
BACKOFF_LIMITED = 2032
NONE_HEALTHY = 2033
DETECTED = 2034
"""The first of seven: one for each detector of hosts to eject."""
ENFORCED = 2041
"""The first of seven likewise."""
BY_5XX = 0
BY_GATEWAY = 1
BY_LOCAL = 2
BY_RATE = 3
BY_FAILURE = 4
BY_LOCAL_RATE = 5
"""And the failure percentage of local failures after it."""
MARK_LIMITED = 1
MARK_MATCHED = 2
MARK_CLOSES = 4
MARK_DEGRADED = 8
MARK_FAILS = 16
MARK_EMPTY = 32

# Kinds of configuration change.
CH_ROUTE = 0
CH_CLUSTER = 1
CH_HOSTS = 2
CH_RATE = 3
CH_POD = 4
CH_REACH = 5
CH_SOURCE = 6
CH_FLOWS = 7
CH_PLAN = 8
CH_DROP = 9
CH_SUBSET = 10
CH_CHAIN = 11
CH_FACTOR = 12

DROPS = 1
IN_CONTEXT = 2
SESSIONS = 4
"""Bits of `Cluster.drops`."""
BY_PRIORITY = 1
BY_CONNECTION = 2
"""Bits of `Cluster.pools`: what tells its pools at a host from others of the same event loop."""

# Health of a host as its cluster's assignment has it, and as the balancer was last told.
UNHEALTHY = 0
HEALTHY = 1
DEGRADED = 2
EXCLUDED = 3
"""Unhealthy, and left out when shares of healthy hosts are computed."""

# What a health check has found, and what that means for the health of its host.
CHECK_PASSED = 0
CHECK_DEGRADED = 1
CHECK_FAILED = 2
CHECK_RETRIABLE = 3
CHECK_NETWORK = 4
CHECK_TIMEOUT = 5
CHECK_SAME = 0
CHECK_PENDING = 1
CHECK_CHANGED = 2

# Lists of hosts of a level, in the `host_source` table from `source_at` on; each locality's follow them.
ALL_HOSTS = 0
HEALTHY_HOSTS = 1
DEGRADED_HOSTS = 2
HASHED_HOSTS = 3
FIRST_LOCALITY = 4

# What zone aware routing does.
ZONE_OFF = 0
ZONE_DIRECT = 1
ZONE_RESIDUAL = 2
ZONE_UNKNOWN = 3
"""The callers' own cluster is in panic."""

# Where a request's hash comes from.
HASH_RANDOM = 0
HASH_FIXED = 1
HASH_SESSION = 2

PEEKS = 30
PEEK_HEAD = 3
"""Hosts that are looked at for later requests, and the words before them."""
HOST_WORDS = 13
"""Payload words of one host in a `CH_HOSTS` change."""
BUCKETS = 4096
"""Buckets of the wheel, each a stretch of 2^`shift` nanoseconds."""
WHEEL_ROOM = 65_536
"""Events that fit into the wheel; the first place stays empty."""
EVENT_WORDS = 3
"""Words of an event in the `wheel` column: time, key, and the place of the next of its bucket, or the next free one."""
NEAR_ROOM = 256
"""Events that fit into the list of the current bucket; the heap follows it in the `heap` column."""
NEAR_LOOK = 6
"""How many buckets ahead of its events their rows are asked for what they name; the rows themselves one before."""
LAG = 2
"""How many things wait at least before the first is looked at: so long the memory may take."""
AHEAD = 128
"""Places for what is looked at ahead of its use, a power of two."""
AHEAD_WORDS = 2
LOOK = 100 * SECOND
"""How often all requests and connections are looked at for those that will have been idle for too long before the next
look. What may be idle for less than two of them has timers."""
MANY_STREAMS = 1024
"""Most streams of an HTTP/2 connection, where nothing else is configured (Envoy 1.40)."""
CHUNK = 64
"""Rows that one step of a scan over a table looks at while it may still cause something."""
TOGETHER = 16
"""How many events and steps happen between two looks at whether there is room for what they may use."""
WORK_ROOM = 2 * CHUNK * TOGETHER
DIALS = 6 * TOGETHER
"""Connections that they may begin: three for a request, and three ahead of others (`connect_ahead`)."""
HEAP_ROOM = 8 * CHUNK * TOGETHER
"""Places of the `work` and of the `heap` column that they may use."""

# What is looked at ahead of its use.
SEE_ANSWERED = 0
SEE_CALLER = 1
SEE_CLUSTER = 2
SEE_HOSTS = 3
SEE_TRY = 4

# Purposes of draws.
P_STREAM = 1
P_SAMPLE = 2
P_ARRIVAL = 3
P_FLOW = 4
P_WORKER = 5
P_DELAY = 6
P_ABORT = 7
P_BACKOFF = 8
P_OUT = 9
P_OUT_BACK = 10
P_IN = 11
P_IN_BACK = 12
P_NET = 13
P_NET_BACK = 14
P_LOST = 15
P_SERVICE = 16
P_ERROR = 17
P_EXTERNAL = 18
P_STATION = 19
P_CRYPTO = 20
P_CRYPTO_IN = 21
P_HANDSHAKE = 22
P_THINK = 23
P_MIRROR = 24
P_ENFORCE = 26
P_EJECT = 27
P_LIMIT = 28
P_SESSION = 25
P_JITTER = 29
P_CALL_ERROR = 30
P_AGAIN = 31
P_CHECK = 61
"""And the two after it."""
P_PICK = 32
P_WAY = 60
P_DROP = 64
P_SLOW = 65
P_PEEK = 66
P_CALL = 4096
P_CHILD = 1 << 20
P_REPORT = 1 << 21
P_WAKE = P_REPORT + 1
P_MOVE = P_REPORT + 2

STEP = 0x278DDE6E5FD29E4D
"""Odd 62-bit constant between the purposes of one identity."""
UNIT = 2.168404344971009e-19
"""One 2^62nd."""
LAYER = 510
"""Bits of a drawn number that choose one of 256 layers of an exponential number's density: where its words begin."""
PLACE = 1.3877787807814457e-17
"""2^-56: what a place in a layer, of 2^30, times its edge is counted in."""
HEIGHT = 9.313225746154785e-10
"""2^-30: what heights of layers are counted in."""
EDGE = 1.4901161193847656e-08
"""2^-26: what edges of `layer` are counted in."""
TAIL = 7.69711747013105
"""Where the lowest of 256 layers ends and the tail begins."""
MIX_A = 0x2F58476D1CE4E5B9
MIX_B = 0x14D049BB133111EB

GROUP_SHIFT = 40
BRANCH = 1 << 39
"""A word of the `handler_call` column: group, whether it is a branch with calls of its own, and call or handler."""
CALL_WORDS = 2
"""The second word is the chance that the call is made."""
PERIOD = 100_000_000
"""Period of a CPU limit (cpu.cfs_period_us 100000, which the kubelet sets: pkg/kubelet/cm/helpers_linux.go)."""

EDF_UNIT = 5_354_228_880
"""One turn of the weighted schedule: the least common multiple of 1 to 24, so that equal deadlines tie exactly."""

TWISTER = 624
"""Words of a Mersenne twister."""

SYN_BASE = SECOND
"""First retransmission of a TCP SYN; each further one waits twice as long (Linux TCP_TIMEOUT_INIT)."""
MORE_FAULTS = 1 << 24
"""Added to a route's share of delays that has limits of faults or slow answers."""
HOLDERS = 1024
"""Most faults under way that are counted."""
SLOW_TICK = 51_800_000
"""Between two pieces of a slow answer: a timer of 50 ms (StreamRateLimiter::DefaultFillInterval).

DEVIATION: the timer of slow answers takes 51.8 ms, as one recorded machine had it; its event loop's clock decides."""
SLOW_START = 50
"""Milliseconds' worth of bytes that may pass at once."""
RTO_BASE = 200_000_000
"""First retransmission of TCP data; each further one waits twice as long (Linux TCP_RTO_MIN)."""


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


class Ctl:
    """The one row of engine-wide state."""

    now: i64
    seq: i64
    near_n: i64
    far_n: i64
    wheel_n: i64
    bucket: i64
    """Number of the bucket of time whose events are being processed: its instants are `shift` bits longer."""
    shift: i64
    turned: i64
    """Buckets, and events taken out of them, since the width was last looked at."""
    taken: i64
    wheel_free: i64
    """The last place of the wheel that became free, and the last one that was ever used."""
    wheel_top: i64
    work_n: i64
    log_n: i64
    tally_n: i64
    cell_n: i64
    timer_full: i64
    """1 + the timer class that needs a larger ring, 0 = none."""
    timer_key: i64
    """Key of the event under way."""
    req_free: i64
    req_free_n: i64
    att_free: i64
    att_free_n: i64
    conn_free: i64
    conn_free_n: i64
    digest: i64
    events: i64
    started: i64
    finished: i64
    attempts: i64
    stations: i64
    sample: i64
    tried_width: i64
    hedge_width: i64
    changes: i64
    """Configuration changes that have not taken effect yet."""
    stale: i64
    """1 + the cluster whose stale levels have to be planned before anything else happens, 0 = none."""
    looks: i64
    """Whether memory is asked ahead: compiled, and where there is more than a processor has at hand."""
    seen_n: i64
    """Number of the next thing to look at in the `ahead` column, and of the next one to be put there."""
    see_n: i64
    call_errors: i64
    """1 = there are calls that fail by themselves."""
    noted_n: i64
    """Rare things that wait to be counted."""
    rare_n: i64
    rare_full: i64
    """1 = the `rare` table has to be made larger, 0 = it need not."""
    late_width: i64
    """Places that each request has in the `late` column."""
    pool_free: i64
    """First of the pools that are nobody's, by `PoolKey.next`, and their number."""
    pool_free_n: i64
    pools_short: i64
    """1 = there have to be more of them, 2 = more places for buckets of single connections, 3 = both."""
    own_n: i64
    """Buckets of single connections."""
    looking: i64
    """1 = something may be idle for long and end by it, 2 = and is looked at."""


class Dist:
    """A time distribution; `spread` is in units of 1e-9 but the maximum in nanoseconds of UNIFORM.

    Of EMPIRICAL, `spread` points stand in the `quantile` column from `scale` on, each a share of `WHOLE` and a value.
    """

    family: i64
    scale: i64
    spread: i64


class Proxy:
    workers: i32
    station: i32
    """First of its `workers` places in the `free` column."""
    outbound: i32
    inbound: i32
    crypto: i32
    reports: i32
    """Each how many answers an event loop reports on them, 0 = never; the counts follow in the `free` column."""
    report: i32
    waking: i32
    """Row of the `wake` table, -1 = nothing; then `wakes` and `busy` are not counted either."""
    flushed: i32
    """Millionths of a pass that its turn of the event loop leaves to the end, 0 = every pass is done with by itself."""
    turn_at: i32
    """First of its `workers` rows of the `turn_of` table."""
    wakes: i32
    """How often one of its event loops was woken."""
    down: i8
    id: i64
    busy: i64
    """CPU time its event loops have taken on, in nanoseconds."""


class Turn:
    """The turn that an event loop is taking, and the one after it, which whoever comes meanwhile waits for."""

    flush: i64
    """When the turn under way begins to write."""
    end: i64
    reads: i64
    """CPU time of the next turn, of which `writes` at its end."""
    writes: i64
    n: i64
    """Passes in the next turn."""


class Wake:
    """What it costs to go on after having had nothing to do."""

    least: i64
    most: i64
    half: i64
    noise: i32
    """Distribution of a factor in millionths, -1 = 1."""


class Pod:
    """An instance; what every request needs comes first, on one cache line."""

    id: i64
    proxy: i32
    workload: i32
    workers: i32
    busy: i32
    inbound: i32
    """As its proxy has it."""
    head: i32
    queued: i32
    call_first: i32
    """First and number of the calls it makes; the flow of each stands in the `call_flow` column from `flow_at` on."""
    call_n: i32
    flow_at: i32
    calling: i32
    """Calls it has under way."""
    bound: i32
    """What else bounds it, -1 for nothing."""
    begun: i32
    """Requests that it has begun to serve."""
    waking: i16
    """Row of the `wake` table, -1 = nothing."""
    hold: i8
    state: i8
    tail: i32
    cursor: i32
    wakes: i64
    rested: i64
    """When it last ended its only request."""
    awake: i64
    """Until when it is being woken."""


class Bound:
    """What bounds an instance beside its workers: its queue, how load slows it down, and its CPU.

    A quota of CPU time for each period, used by all threads together; once it is used up they stand still until the
    next period (Linux kernel/sched/fair.c, CFS bandwidth control). Its clock stands still with them.

    DEVIATION: a CPU's quota is taken exactly as it is used; Linux hands it out in slices of 5 ms to each processor.
    """

    share: i64
    """CPU time in a million of service time, 0 = CPU plays no part."""
    quota: i64
    """CPU time for a period, 0 = no limit."""
    left: i64
    mark: i64
    """Until when the other fields are brought up."""
    clock: i64
    used: i64
    halted: i64
    """Time stood still in all, and in how many periods."""
    stops: i64
    phase: i64
    """Where its periods begin."""
    running: i32
    queue_max: i32
    curve: i32
    """First of the points in the `quantile` column that say how much longer service takes under load, -1 = none."""
    full_status: i16
    """What a request is answered with that finds `queue_max` requests waiting."""


class Handler:
    error: i64
    """Share of the requests that fail. Of several `answers` all but the last stand in the `outcome` column, each with
    the share up to it and its status."""
    service: i32
    call_at: i32
    call_n: i32
    error_status: i16
    answers: i16
    outcome_at: i32
    size: i32
    """Bytes of its answer."""


class Call:
    fail: i8
    again: i8
    """How often the caller makes it again after it failed."""
    error_status: i16
    error: i64
    """Share of these calls that the called application answers with `error_status`."""
    timeout_class: i32
    wait: i32
    """Distribution of the time before it is made again."""


class Flow:
    proxy: i32
    pod: i32
    edge: i32
    route: i32
    version: i32
    size: i32
    """Bytes of a request."""
    cluster: i32
    """Where its route leads when that is one cluster, and the class of its requests there. So flows that differ in
    nothing else share one row of the route table."""
    workers: i16
    class_there: i16


class Route:
    weight: i64
    timeout: i64
    share_at: i32
    share_n: i32
    """Weighted clusters; a single one stands in the flow."""
    retries: i32
    retry_on: i32
    timeout_class: i32
    try_class: i32
    delay_ppm: i32
    abort_ppm: i32
    mirror_n: i32
    reselect: i32
    base_ms: i32
    kind: i8
    max_ms: i32
    mirror_at: i32
    code_at: i32
    code_n: i32
    flag: i32
    status: i16
    abort_status: i16
    delay: i64
    idle_class: i32
    try_idle_class: i32
    duration_class: i32
    limit: i32
    """Its bucket of tokens, -1 for none."""
    hash: i64
    """The requests' hash less 2^63, so that it is ordered as Envoy's unsigned number."""
    hashed: i8
    priorities: i16
    """Every how many tries those of other priorities are preferred (previous_priorities), 0 = never."""
    revisits: i8
    """Whether retries may go where tries have been."""
    avoided: i8
    """Marks of hosts that retries avoid."""
    key_at: i32
    """Hashes of its clients by session in the `session_key` column, none where they are drawn."""
    key_n: i32
    grpc: i8
    """Whether its requests are gRPC, and their answers judged by that status."""
    hedge: i8
    """Whether an attempt goes on after its per-try timeout, beside its retry."""
    limit_late: i8
    """Whether faults are injected before the bucket is asked."""
    timeout_status: i16
    """What a request gets that has timed out, 0 of TCP sessions."""
    slow: i8
    """Whether its requests are complete only some time after their headers have come: `body` later. The timeout then
    starts with the body, and `timeout` is 0 unless the proxy holds the request."""
    holds: i8
    """Whether the proxy waits for whole requests before it sends them on (the buffer filter)."""
    eager: i8
    """Whether its servers answer without having the whole request."""
    large: i8
    """Whether bodies are larger than what is kept of them for retries."""
    request_class: i32
    """Timers of request_timeout, which ends with the body."""
    body: i64
    slow_ppm: i32
    """Share of the requests whose answers pass slowly, and bytes a second."""
    slow_rate: i32
    most_faults: i32
    """Faults that may be under way, -1 = any number; the requests that have one stand in the `holder` column."""
    holder_at: i32
    follows: i8
    """Which redirects the proxy follows by itself: a bit for each of 301, 302, 303, 307, 308."""
    follow_at: i32
    """Where they lead: rows of the `share` table, each with a location as its weight and a flow in the cluster's place.
    Others go to the client."""
    follow_n: i32
    rest: i64
    """Stream idle timeout of requests without a timer for it, 0 = none."""


class Share:
    """A weighted cluster or a mirror of a route, and the class of the route's requests there."""

    weight: i64
    cluster: i32
    class_there: i16


class Cluster:
    """One cluster of one proxy; what every try needs comes first, on one cache line."""

    rq_total: i64
    proxy: i32
    host_at: i32
    view_n: i32
    rr: i32
    """First of its `workers` places in the `turn` column."""
    active: i32
    max_requests: i32
    pending: i32
    retrying: i32
    first: i32
    """Row of the first host in view where they follow each other, -1 where the `seen` column has to be read."""
    outbound: i32
    """As its proxy has it, -1 without one."""
    choice: i16
    workers: i16
    policy: i8
    http2: i8
    outlier: i8
    split: i8
    retired: i8
    use_all: i8
    limits: i8
    """1 = some limit of its streams and connections is not what most clusters have: the rare fields say."""
    drops: i8
    """`DROPS`: its assignment has it drop requests (`drop`); `IN_CONTEXT`: it is a context (`owner`); `SESSIONS`: its
    requests are TCP sessions."""
    limit_5xx: i32
    limit_gateway: i32
    max_retries: i32
    budget: i32
    """Retry budget in parts of 100,000 of the requests under way, 0 = none; `max_retries` is then its minimum."""
    per_connection: i32
    lb_panic: i64
    rq_retry: i64
    rq_retry_overflow: i64
    rq_retry_limit: i64
    rq_pending_overflow: i64
    rq_active_overflow: i64
    rq_timeout: i64
    rq_per_try_timeout: i64
    cx_total: i64
    cx_connect_fail: i64
    cx_overflow: i64
    ejections: i64
    ejections_overflow: i64
    id: i64
    connect_timeout: i64
    interval: i64
    base_ejection: i64
    max_ejection: i64
    updated: i64
    merging: i64
    order: i64
    panic: i32
    max_connections: i32
    max_pending: i32
    host_n: i32
    connections: i32
    max_percent: i32
    limit_local: i32
    ejected: i32
    duration_class: i32
    rq_duration: i64
    enforce_5xx: i8
    """Percent of detections that eject, by detector."""
    enforce_gateway: i8
    enforce_local: i8
    enforce_rate: i8
    enforce_failure: i8
    one: i8
    """1 = one host may always be ejected."""
    rate_hosts: i32
    rate_volume: i32
    rate_factor: i32
    """Thousandths of a standard deviation."""
    failure_hosts: i32
    failure_volume: i32
    failure_at: i32
    detections: i64
    eject_jitter: i64
    idle_timeout: i64
    """Of a connection without streams, and the longest life of one where it is long; 0 = none."""
    max_life: i64
    streams: i32
    """Most streams of a connection at once."""
    plan: i32
    """How its hosts are balanced when they are more than one list of equals, -1 otherwise: `view_n` is then 0."""
    merge: i64
    """update_merge_window of its common_lb_config."""
    drop: i32
    """Parts per million of the requests that are dropped."""
    enforce_rate_local: i8
    enforce_failure_local: i8
    known: i8
    """Whether it has had hosts: the first ones are no update that others would wait for."""
    rq_pending_total: i64
    owner: i32
    """1 + the cluster whose hosts it has, 0 = it is a cluster itself. Others are its subsets, each with a balancer;
    its limits for high priority; and contexts: requests whose routes ask for a subset or a priority."""
    kin: i32
    """1 + the first of a cluster's subsets, of a subset 1 + the next one."""
    high: i32
    """1 + the row of a cluster's limits for high priority."""
    counts: i32
    """Of a context: whose limits its requests count against."""
    chain_at: i32
    """Of a context: who is asked for a host, one after the other until there is one, in the `payload` column: rows of
    balancers, or -1 less a host."""
    chain_n: i32
    host_connections: i32
    """1 + the most connections to one of its hosts, 0 = any number."""
    pools: i8
    """By what its pools at a host are told apart, 0 = by event loop alone."""
    preconnect: i16
    """Thousandths: streams that a pool is to have connections for, for each that it has; 0 = 1."""
    rest_class: i32
    """Timers of connections without streams, -1 where `idle_timeout` is none or long."""
    next_drop: i32
    """`drop` from the next change of its hosts or their health on."""
    life_class: i32
    """Timers of the lives of connections, -1 where they have no limit or a long one, which is then `max_life`."""
    room: i32
    """Most streams that a new connection can have at once."""
    predict: i32
    """Thousandths: streams that there are to be connections for in all, for each that there is or begins; 0 = 1."""
    peek_at: i32
    """Hosts looked at for later requests, in the `turn` column for each of its `workers`: how many, how many may be,
    how many there have been, then they themselves; 0 = that is not done."""
    max_pools: i32
    """1 + the most pools that it may have at once, 0 = any number."""


class Plan:
    """Balancing of a cluster beyond one list of equal hosts, as the caller's proxy has configured it."""

    level_at: i32
    level_n: i32
    policy: i8
    full_scan: i8
    fail_on_panic: i8
    zone: i8
    """Zone aware routing of the first priority."""
    routing_percent: i8
    zone_share: i32
    """Parts in 10,000 that go to the own zone while not all can."""
    balance_factor: i32
    bias: i64
    """active_request_bias in 1e-9."""
    window: i64
    """Slow start, 0 = none."""
    exponent: i64
    """1 / aggression of the slow start in 1e-9."""
    floor: i64
    """Its least factor in 1e-9."""
    factor: i32
    """Percent that its assignment overprovisions by."""


class Level:
    """One priority of a planned cluster: the load it gets, and its lists of hosts."""

    share: i32
    degraded_share: i32
    """Percent of the cluster's requests for its healthy, and for its degraded hosts."""
    source_at: i32
    localities: i32
    due_at: i32
    """Schedule of the localities: of the healthy hosts for each worker, then of the degraded ones."""
    table_at: i32
    table_n: i32
    """Ring or Maglev table, of numbers in the list `HASHED_HOSTS`."""
    scheduled: i8
    """1: localities of healthy hosts are scheduled by weight, 2: those of degraded ones, 3: both."""
    panic: i8
    stale: i8
    touched: i8
    """Whether the host list under way changes it."""
    health: i32
    degraded: i32
    """Availability in percent, before it is normalised."""
    cluster: i32
    updated: i64
    merging: i64


class HostSource:
    """A list of hosts out of which one is picked, with the state of each worker."""

    at: i32
    n: i32
    turn: i32
    due_at: i32
    """A deadline and an order for each host, worker by worker; for `HASHED_HOSTS` its normalised weight."""
    weighted: i8
    step: i64
    """Distance of the locality's deadlines."""
    residual: i64
    """Capacity that this and the zones before it have left for others."""


class Link:
    """The network between a caller and a host."""

    latency: i64
    jitter: i64
    lost: i64
    wire: i64
    """Picoseconds that a byte takes."""


class Host:
    """An endpoint of a cluster; what every try needs comes first, on one cache line."""

    active: i32
    pool: i32
    ready_0: i32
    """HTTP/2: the connection that the pool of the first event loop, and that of the second, gives new streams to;
    -1 = look into the pool."""
    ready_1: i32
    link: i32
    inbound: i32
    pod: i32
    handler: i32
    cluster: i32
    run_5xx: i32
    run_gateway: i32
    run_local: i32
    total: i32
    """Results since the last sweep, and the successes of them."""
    good: i32
    classes: i16
    """Rows of the `inbound` table from `inbound` on: what requests of each class meet; others meet the first."""
    reachable: i8
    removed: i8
    ejected: i8
    healthy: i8
    rtts: i8
    marks: i8
    """What retries may avoid about it."""
    ejected_at: i64
    weight: i64
    external: i32
    multiplier: i32
    cursor: i32
    extra: i64
    """How much longer than the others it stays ejected."""
    level: i16
    shown: i8
    """Health as the balancer of a planned cluster was last told."""
    locality_weight: i64
    since: i64
    """When its slow start began, 0 = not yet."""
    check: i32
    """1 + the row of its health checks, 0 = none."""
    local_total: i32
    """Connections and local failures since the last sweep where these are split off, and the connections of them."""
    local_good: i32


class Probe:
    """Active health checks of a cluster, and what came of them."""

    timeout: i64
    interval: i64
    healthy_edge: i64
    unhealthy: i64
    unhealthy_edge: i64
    no_traffic: i64
    no_traffic_healthy: i64
    initial_jitter: i64
    jitter: i64
    attempts: i64
    successes: i64
    failures: i64
    network: i64
    passive: i64
    jitter_percent: i32
    healthy_n: i32
    unhealthy_n: i32
    expected_at: i32
    """Ranges of statuses in the `code` column."""
    expected_n: i32
    retriable_at: i32
    retriable_n: i32
    reuse: i8
    connects: i8
    """Whether a connection is all it asks for (TCP)."""
    keeps: i8
    """Whether hosts that left their assignment stay until a check fails."""
    waits: i8
    """Whether new hosts are left out of the count until their first check."""
    unejects: i8


class Check:
    """Active health checks of one host."""

    id: i64
    due: i64
    """Of its next event."""
    n: i64
    host: i32
    probe: i32
    good: i32
    """Successes in a row while it counts as failed, and failures in a row while it does not."""
    bad: i32
    told: i8
    """Health in its assignment."""
    failed: i8
    first: i8
    """Whether no check has had a result yet."""
    degraded: i8
    pending: i8
    """Whether its first check decides if it is counted at all."""
    excluded: i8
    leaving: i8
    """Whether it has left its assignment."""
    connected: i8
    verdict: i8
    started: i8


class Inbound:
    """What a request meets at the other end before the application, or the answer it gets there."""

    flag: i32
    status: i16
    kind: i8
    how: i8
    """How a reset ends the attempt."""
    marks: i8
    """`MARK_LIMITED`: the answer has x-envoy-ratelimited; `MARK_MATCHED`: it has a retriable header; `MARK_CLOSES`: its
    connection closes after it; `MARK_DEGRADED`: it has x-envoy-degraded; `MARK_FAILS`: it has
    x-envoy-immediate-health-check-fail; `MARK_EMPTY`: it has no body."""
    after: i8
    """How the attempt ends once `body` has passed since the answer's headers: `ANSWERED` or a reset."""
    handler: i32
    """1 + the handler that a request which is served reaches, 0 = that of the host."""
    body: i64
    wait: i64
    """The back-off that the answer asks for, 0 = none."""
    size: i32
    """Bytes of the answer."""
    location: i32
    """1 + the number of the place that the answer redirects to, 0 = none."""


class Pool:
    """Connections of one proxy worker to one host."""

    host: i32
    conn: i32
    """HTTP/2: the connection new streams go to. HTTP/1: the most recently used idle one. -1 = none."""
    head: i32
    tail: i32
    count: i32
    connecting: i32
    pending: i32
    purge: i32


class PoolKey:
    """What of a pool few have to know; the row has the pool's number. Pools of event loops alone have a 0 in `row`."""

    line: i64
    """Its downstream connection, 0 = any."""
    row: i32
    """1 + whose limits it counts against."""
    worker: i32
    next: i32
    """1 + the next pool of the host and event loop, or the next that is nobody's."""


class Conn:
    pool: i32
    streams: i32
    used: i32
    station: i32
    host: i32
    next: i32
    state: i8
    idle: i8
    events: i8
    failing: i8
    """1 = will be refused or time out, 2 = will time out because the host cannot be reached."""


class ConnAge:
    """What of a connection few have to know; the row has the connection's number."""

    due: i64
    """When it will be up or have failed; later, when it was last without a stream where its cluster asks for that."""
    opened: i64
    pod: i32
    used: i64
    """How many streams it had had when it was first seen without one."""


class Source:
    id: i64
    interval: i64
    """Mean time between requests in picoseconds, 0 = none."""
    n: i64
    next: i64
    rest: i64
    """While the rate is 0: what was left of the wait, in 1e-9 of a mean interval. With pieces: how many requests are to
    be expected until the next one is due, in 1e-9."""
    origin: i64
    origin_n: i64
    stop: i64
    latency: i64
    flow_at: i32
    flow_n: i32
    think: i32
    user_at: i32
    user_n: i32
    cursor: i32
    """The piece under way, or the user that begins next."""
    arrivals: i8
    started: i8
    manner: i8
    piece_at: i32
    """First and number of its pieces, or of its instants when it is REPLAYED."""
    piece_n: i32
    calls: i32
    """Requests of each connection of a PERIODIC source."""
    sessions: i32
    """How many sessions the requests of an open loop belong to, 0 = each to one of its own."""


class Piece:
    """A stretch of a source's time in which its rate, or its number of users, changes evenly; the last one is empty."""

    begin: i64
    span: i64
    level: i64
    """Requests a second in 1e-6, or users in 1e-6."""
    end_level: i64
    before: i64
    """Requests to be expected before it, in 1e-9."""


class User:
    id: i64
    n: i64
    source: i32


class Req:
    id: i64
    start: i64
    flow: i32
    route: i32
    parent: i32
    parent_gen: i32
    gen: i32
    att: i32
    cid: i32
    row: i32
    host: i32
    flags: i32
    status: i16
    tries: i16
    live: i8
    events: i8
    sampled: i8
    mirror: i8
    root: i64
    parent_id: i64
    stream: i64
    call: i32
    source: i32
    user: i32
    """The user who sent it. Below 0 there is none: -1 less how often its caller has made this call before."""
    next: i32
    """The next free row; while it is in a turn of an event loop, how far (`offset_in_turn`)."""
    left: i32
    cap_ms: i32
    retrying: i32
    version: i32
    worker: i16
    mirrored: i16
    class_there: i16
    decided: i8
    logged: i8


class Att:
    """A try of a request; what every try needs comes first, on one cache line."""

    id: i64
    req: i32
    cluster: i32
    host: i32
    conn: i32
    pod: i32
    handler: i32
    station: i32
    next: i32
    """The next of a list; while it is in a turn of an event loop, how far (`offset_in_turn`)."""
    met: i32
    """1 + the row of `inbound` whose answer or reset it got, 0 for the application's own answer."""
    class_there: i16
    status: i16
    number: i16
    events: i8
    phase: i8
    open: i8
    killed: i8
    attached: i8
    listed: i8
    how: i8
    sampled: i8
    at_call: i16
    """This and the next three: while `phase` is `CALLING`."""
    waiting: i16
    launching: i8
    failed: i8
    """Once the headers of its answer have passed: whether its time is over."""


class Trace:
    """What rows of the log tell of an attempt, and what few attempts need."""

    req_id: i64
    """This and the next five: of attempts in a sampled trace."""
    root: i64
    start: i64
    arrived: i64
    served: i64
    done: i64
    """When the answer left the server; also of one that hangs on the way back. Of an answer whose body is still to come
    when its headers have passed."""
    sent: i64
    """When it was sent, of one that hangs on the way there. In service where CPU plays a part: the CPU time it needs,
    later the CPU's clock when it has had it. While it is pending: its pool where that is told from others."""


class Timer:
    time: i64
    key: i64
    row: i32
    gen: i32


class TimerClass:
    """Timers of one duration: a ring in order of time, of which only the first is in the heap."""

    span: i64
    first: i64
    mask: i64
    """Length of the ring, a power of two, less one."""
    head: i64
    tail: i64
    kind: i8
    armed: i8


class Change:
    """A configuration change with its instant; `at` and `n` name words of the `payload` column, or hold more values."""

    time: i64
    kind: i64
    target: i64
    value: i64
    at: i64
    n: i64


class Log:
    """One attempt, or a request that ended without one. As narrow as may be: full rows are many."""

    root: i64
    request: i64
    parent: i64
    start: i64
    attempt_start: i64
    arrived: i64
    served: i64
    done: i64
    end: i64
    request_end: i64
    how: i64
    """How the attempt ended, -1 without one."""
    flow: i32
    source: i32
    call: i32
    cluster: i32
    host: i32
    pod: i32
    flags: i32
    route_version: i32
    attempt: i16
    worker: i16
    status: i16
    last: i8
    mirror: i8


class Bucket:
    """A bucket of tokens that fills continuously."""

    empty: i64
    """When it was or would have been empty, had it been filled since."""
    per_token: i64
    """Nanoseconds."""
    full: i64
    """Nanoseconds from empty to full."""
    enabled: i32
    """Parts per million of the requests that take a token, and of those that are refused where there is none."""
    enforced: i32
    status: i16
    each: i8
    """Whether each downstream connection has a bucket of its own."""
    of: i32
    """1 + the bucket that the tokens are taken of, 0 = this one."""
    then: i32
    """1 + the bucket that is asked next where a token was there, 0 = none."""


class OwnBucket:
    """A bucket of tokens of one downstream connection; a `line` of 0 is a free place."""

    line: i64
    """1 + the connection."""
    empty: i64
    limit: i32
    """The bucket whose rate and size it has."""


class Tally:
    """A finished request that waits to be counted; `place` lacks the bucket of its latency yet."""

    place: i64
    outcome: i64
    span: i64
    at: i64
    """Where in the `cell_at` column its cell is looked for first."""


class Rare:
    """How often something happened at a cluster that happens seldom (`note`); a key of 0 is a free place."""

    key: i64
    count: i64


class Cell:
    """Requests of one second, edge, destination workload, outcome and latency bucket."""

    place: i64
    outcome: i64
    requests: i64
    total: i64


class Series:
    """What a cell says, for whoever reads it (`series.SERIES_DTYPE`)."""

    second: i32
    edge: i32
    workload: i32
    mirror: i8
    status: i16
    flags: i32
    bucket: i32
    requests: i64
    total: i64


class State(NamedTuple):
    """All tables and columns; lists when interpreted, numpy arrays when compiled."""

    ctl: list[Ctl]
    dist: list[Dist]
    proxy: list[Proxy]
    pod: list[Pod]
    handler: list[Handler]
    call: list[Call]
    flow: list[Flow]
    route: list[Route]
    share: list[Share]
    cluster: list[Cluster]
    plan: list[Plan]
    level: list[Level]
    host_source: list[HostSource]
    link: list[Link]
    host: list[Host]
    probe: list[Probe]
    check: list[Check]
    inbound: list[Inbound]
    pool: list[Pool]
    conn: list[Conn]
    conn_age: list[ConnAge]
    source: list[Source]
    user: list[User]
    req: list[Req]
    att: list[Att]
    timer: list[Timer]
    timer_class: list[TimerClass]
    change: list[Change]
    log: list[Log]
    bucket: list[Bucket]
    tally: list[Tally]
    rare: list[Rare]
    cell: list[Cell]
    heap: list[int]
    wheel: list[int]
    bucket_first: list[int]
    """Place of the first event of each bucket of the wheel, 0 without."""
    work: list[int]
    tried: list[int]
    hedged: list[int]
    """For each request and try what has become of it, where routes hedge (`beside`)."""
    free: list[int]
    turn: list[int]
    hosts: list[int]
    seen: list[int]
    cluster_row: list[int]
    handler_call: list[int]
    source_flow: list[int]
    code: list[int]
    cell_at: list[int]
    call_flow: list[int]
    payload: list[int]
    member: list[int]
    due: list[int]
    table: list[int]
    twister: list[int]
    quantile: list[int]
    piece: list[Piece]
    instant: list[int]
    noted: list[int]
    ahead: list[int]
    bound: list[Bound]
    outcome: list[int]
    session_key: list[int]
    wake: list[Wake]
    turn_of: list[Turn]
    late: list[int]
    """For each request when its stream began anew, and when its body has come, where there is such a thing."""
    pool_key: list[PoolKey]
    own_bucket: list[OwnBucket]
    holder: list[int]
    lines: list[int]
    """For each request its generation and downstream connection, where they are asked for."""
    trace: list[Trace]
    """Beside each attempt."""
    att_gen: list[int]
    """`gen` of each attempt: most timers ask for nothing else when they are due."""
    kept: list[Cell]
    """Cells that were set aside to make room, in no order."""
    series: list[Series]
    sorting: list[int]
    """Two lists of pairs, the place of a cell and its row in `kept`: sorting moves them from one to the other."""
    digit: list[int]
    height: list[int]
    """For each layer how high the curve is at its edge."""
    layer: list[int]
    """For each layer how many of its 2^30 places lie under the curve for certain, and its edge (`ziggurat`)."""


# ---------------------------------------------------------------------------------------------------------------------
# Chance
# ---------------------------------------------------------------------------------------------------------------------


def mix(x: i64) -> i64:
    """A 62-bit number that looks unrelated to `x` (the finaliser of splitmix64 cut to 62 bits)."""
    x = x & MASK
    x = ((x ^ (x >> 30)) * MIX_A) & MASK
    x = ((x ^ (x >> 27)) * MIX_B) & MASK
    return x ^ (x >> 31)


def draw(identity: i64, purpose: i64) -> i64:
    """The 62-bit random number of an identity for a purpose: `mix`, which is written out where it is called most."""
    x = (identity + purpose * STEP) & MASK
    x = ((x ^ (x >> 30)) * MIX_A) & MASK
    x = ((x ^ (x >> 27)) * MIX_B) & MASK
    return x ^ (x >> 31)


def below(number: i64, n: i64) -> i64:
    """A drawn number as one of 0 to `n` - 1, `n` less than 2^31."""
    return ((number >> 31) * n) >> 31


def unit(number: i64) -> float:
    """A drawn number as a real number in (0, 1]."""
    return (number + 0.5) * UNIT


def normal(identity: i64, purpose: i64) -> float:
    """A standard normal number (Box and Muller)."""
    first = unit(draw(identity, purpose))
    second = unit(draw(identity + 1, purpose))
    return math.sqrt(-2.0 * math.log(first)) * math.cos(6.283185307179586 * second)


def exponential(s: State, number: i64) -> float:
    """A standard exponential number from a drawn one (Marsaglia and Tsang 2000, "The ziggurat method").

    The drawn number chooses a layer of the density and a place in it; nearly all places lie under the curve wherever
    it runs, so that neither a logarithm nor another number is needed. `sample` and `leg` have this written out.
    """
    at = number & LAYER
    place = number >> 32
    if place < s.layer[at]:
        return place * s.layer[at + 1] * PLACE
    return at_edge(s, number)


def at_edge(s: State, number: i64) -> float:
    """What `exponential` gives for a place at the edge of its layer, where the curve decides, or in the tail."""
    x = 0.0
    for _ in range(64):
        at = number & LAYER
        place = number >> 32
        x = place * s.layer[at + 1] * PLACE
        if place < s.layer[at]:
            return x
        number = mix(number + STEP)
        if at == 0:
            return TAIL - math.log(unit(number))
        low = s.height[at >> 1] * HEIGHT
        high = s.height[(at >> 1) + 1] * HEIGHT
        if low + unit(number) * (high - low) < math.exp(-x):
            return x
        number = mix(number + STEP)
    return x


def gamma(shape: float, identity: i64, purpose: i64) -> float:
    """A gamma number of mean `shape` and scale 1 (Marsaglia and Tsang, with their boost below shape 1)."""
    boost = 1.0
    if shape < 1.0:
        boost = math.exp(math.log(unit(draw(identity + 2, purpose))) / shape)
        shape = shape + 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    for turn in range(64):
        turn_id = mix(identity + 3 + turn)
        x = normal(turn_id, purpose)
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            u = unit(draw(turn_id + 2, purpose))
            if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                return boost * d * v
    return boost * d


def rare_sample(family: i64, scale: i64, spread: i64, identity: i64, purpose: i64) -> i64:
    """A time from the distributions that `sample` does not hold itself."""
    value = 0.0
    if family == LOGNORMAL:
        value = scale * math.exp(spread * 1e-9 * normal(identity, purpose))
    elif family == GAMMA:
        k = spread * 1e-9
        value = gamma(k, identity, purpose) * (scale / k)
    elif family == PARETO:
        value = scale * math.exp(-math.log(unit(draw(identity, purpose))) / (spread * 1e-9))
    else:
        value = scale + unit(draw(identity, purpose)) * (spread - scale)
    if value > 1e18:
        return SECOND * SECOND
    return int(value)


def sample(s: State, dist: i64, identity: i64, purpose: i64) -> i64:
    """A time from a row of the distribution table, 0 for row -1."""
    if dist < 0:
        return 0
    d = s.dist[dist]
    if d.family == FIXED:
        return d.scale
    if d.family == EXPONENTIAL:
        number = (identity + purpose * STEP) & MASK
        number = ((number ^ (number >> 30)) * MIX_A) & MASK
        number = ((number ^ (number >> 27)) * MIX_B) & MASK
        number ^= number >> 31
        layer = s.layer
        at = number & LAYER
        place = number >> 32
        if place < layer[at]:
            return int(place * layer[at + 1] * PLACE * d.scale)
    return sample_whole(s, dist, identity, purpose)


def sample_whole(s: State, dist: i64, identity: i64, purpose: i64) -> i64:
    """What `sample` gives where more than one number is drawn."""
    d = s.dist[dist]
    number = draw(identity, purpose)
    if d.family == EXPONENTIAL:
        return int(at_edge(s, number) * d.scale)
    if d.family == EMPIRICAL:
        return quantile_of(s, d.scale, d.spread, number)
    return rare_sample(d.family, d.scale, d.spread, identity, purpose)


def quantile_of(s: State, first: i64, n: i64, number: i64) -> i64:
    """The value below which a drawn share of an empirical distribution lies: even between two of its `n` points."""
    low = 0
    high = n - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if s.quantile[first + 2 * middle] <= number:
            low = middle
        else:
            high = middle
    at = first + 2 * low
    share = float(number - s.quantile[at]) / float(s.quantile[at + 2] - s.quantile[at])
    return s.quantile[at + 1] + int(share * (s.quantile[at + 3] - s.quantile[at + 1]))


def least(a: i64, b: i64) -> i64:
    """The smaller of two numbers."""
    return a if a < b else b


# ---------------------------------------------------------------------------------------------------------------------
# Events, steps, timers
# ---------------------------------------------------------------------------------------------------------------------


def schedule(s: State, time: i64, kind: i64, row: i64) -> None:
    """Have an event happen."""
    c = s.ctl[0]
    key = ORDINARY | (c.seq << SEQ_SHIFT) | (kind << SLOT_BITS) | row
    c.seq += 1
    put(s, time, key)


def push(s: State, step: i64, row: i64) -> None:
    """Put a step on the stack; the last one is done first."""
    c = s.ctl[0]
    s.work[c.work_n] = (row << KIND_BITS) | step
    c.work_n += 1


def put(s: State, time: i64, key: i64) -> None:
    """Add an event to the queue.

    What is due within one turn of the wheel waits in the bucket of its time, in no order, at the place that became free
    last: so that few lines of memory are in use. What is due within the current bucket stands in the near list, the
    last one first; what is due later, or finds no room, in the far heap.
    The next event is the earlier of the two tops once the wheel has been turned (`advance`), so that its width never
    shows in a result.
    """
    c = s.ctl[0]
    number = time >> c.shift
    ahead = number - c.bucket
    if ahead > 0 and ahead < BUCKETS and c.wheel_n < WHEEL_ROOM - 1:
        at = c.wheel_free
        if at > 0:
            c.wheel_free = s.wheel[at + 2]
        else:
            c.wheel_top += EVENT_WORDS
            at = c.wheel_top
        b = number & (BUCKETS - 1)
        s.wheel[at] = time
        s.wheel[at + 1] = key
        s.wheel[at + 2] = s.bucket_first[b]
        s.bucket_first[b] = at
        c.wheel_n += 1
        return
    if ahead <= 0 and c.near_n < NEAR_ROOM:
        put_near(s, c.near_n, time, key)
        c.near_n += 1
    else:
        sift_up(s, NEAR_ROOM, c.far_n, time, key)
        c.far_n += 1


def put_near(s: State, n: i64, time: i64, key: i64) -> None:
    """Put an event into the near list, where `n` events stand, the latest first."""
    heap = s.heap
    at = 2 * n
    while at > 0 and (heap[at - 2] < time or (heap[at - 2] == time and heap[at - 1] < key)):
        heap[at] = heap[at - 2]
        heap[at + 1] = heap[at - 1]
        at -= 2
    heap[at] = time
    heap[at + 1] = key


def sift_up(s: State, base: i64, at: i64, time: i64, key: i64) -> None:
    """Put an event into the heap that begins at `base`, whose free place is `at`."""
    heap = s.heap
    while at > 0:
        up = (at - 1) >> 1
        above = 2 * (base + up)
        if heap[above] < time or (heap[above] == time and heap[above + 1] < key):
            break
        heap[2 * (base + at)] = heap[above]
        heap[2 * (base + at) + 1] = heap[above + 1]
        at = up
    heap[2 * (base + at)] = time
    heap[2 * (base + at) + 1] = key


def drop(s: State, base: i64, n: i64) -> None:
    """Take the top off the heap that begins at `base`, of which `n` events are then left."""
    heap = s.heap
    time = heap[2 * (base + n)]
    key = heap[2 * (base + n) + 1]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        left = 2 * (base + down)
        if down + 1 < n and (
            heap[left + 2] < heap[left] or (heap[left + 2] == heap[left] and heap[left + 3] < heap[left + 1])
        ):
            down += 1
            left += 2
        if time < heap[left] or (time == heap[left] and key < heap[left + 1]):
            break
        heap[2 * (base + at)] = heap[left]
        heap[2 * (base + at) + 1] = heap[left + 1]
        at = down
    heap[2 * (base + at)] = time
    heap[2 * (base + at) + 1] = key


def fetch(table: Sequence[object], row: i64) -> None:
    """Ask the memory for a row that will be needed soon. Interpreted there is nothing to ask for."""


def octave(number: i64) -> i64:
    """The largest power of two that is not above a number from 1 on; compiled it is one instruction."""
    return number.bit_length() - 1


def look_far(s: State, b: i64) -> None:
    """Fetch the rows that the events of bucket `b` are about."""
    at = s.bucket_first[b]
    while at > 0:
        key = s.wheel[at + 1]
        at = s.wheel[at + 2]
        kind = (key >> SLOT_BITS) & KINDS
        if kind >= EV_SERVER and kind <= EV_RESET:
            fetch(s.att, key & SLOTS)
        elif kind < EV_SERVER:
            fetch(s.req, key & SLOTS)


def look_near(s: State, b: i64) -> None:
    """Fetch the rows that those of the events of bucket `b` name, and begin to look at what they will lead to."""
    at = s.bucket_first[b]
    while at > 0:
        key = s.wheel[at + 1]
        at = s.wheel[at + 2]
        kind = (key >> SLOT_BITS) & KINDS
        row = key & SLOTS
        if kind == EV_RESPONSE or kind == EV_BACK:
            t = s.att[row]
            fetch(s.cluster, t.cluster)
            fetch(s.conn, t.conn)
            fetch(s.req, t.req)
            fetch(s.host, t.host)
            see(s, SEE_ANSWERED, t.req, 0)
        elif kind >= EV_SERVER and kind <= EV_RESET:
            t = s.att[row]
            fetch(s.pod, t.pod)
            fetch(s.host, t.host)
            if kind == EV_SERVED:
                fetch(s.cluster, t.cluster)
                if s.handler[t.handler].call_n > 0:
                    see(s, SEE_CALLER, row, 0)
        elif kind >= EV_ENTER and kind <= EV_BACKOFF:
            q = s.req[row]
            look_at_flow(s, q.flow, draw(mix(q.id + (q.tries + 1) * STEP), P_PICK))
        elif kind == EV_TIMER:
            look_at_timer(s, row)


def look_at_timer(s: State, k: i64) -> None:
    """Begin to look at the attempt whose timer of class `k` is due next."""
    tc = s.timer_class[k]
    t = s.timer[tc.first + (tc.head & tc.mask)]
    if tc.kind & 1 == 1 and tc.head < tc.tail and s.att_gen[t.row] == t.gen:
        fetch(s.att, t.row)
        see(s, SEE_TRY, t.row, 0)


def see(s: State, what: i64, row: i64, more: i64) -> None:
    """Have something looked at soon: its row has been asked for."""
    c = s.ctl[0]
    if c.see_n - c.seen_n < AHEAD:
        at = AHEAD_WORDS * (c.see_n & (AHEAD - 1))
        s.ahead[at] = (row << KIND_BITS) | what
        s.ahead[at + 1] = more
        c.see_n += 1


def look_ahead(s: State) -> None:
    """Look at the next of the things that will be needed soon, and ask for the rows that it leads to.

    A chain of cold rows (answer, caller, its next call's cluster, hosts, connection) costs a wait for the memory at
    each; here each is asked for while other events happen. Nothing depends on what is found. Rows of flows are small
    and wait close by, so that they are read at once.
    """
    c = s.ctl[0]
    at = AHEAD_WORDS * (c.seen_n & (AHEAD - 1))
    c.seen_n += 1
    what = s.ahead[at] & KINDS
    row = s.ahead[at] >> KIND_BITS
    if what == SEE_ANSWERED:
        q = s.req[row]
        fetch(s.flow, q.flow)
        if q.parent >= 0:
            fetch(s.att, q.parent)
            see(s, SEE_CALLER, q.parent, 0)
    elif what == SEE_CALLER:
        if s.att[row].pod >= 0:
            look_at_calls(s, row)
    elif what == SEE_TRY:
        t = s.att[row]
        fetch(s.cluster, t.cluster)
        fetch(s.conn, t.conn)
        fetch(s.req, t.req)
        fetch(s.host, t.host)
    elif what == SEE_CLUSTER:
        look_at_cluster(s, row, s.ahead[at + 1])
    else:
        look_at_hosts(s, row, s.ahead[at + 1])


def look_at_calls(s: State, a: i64) -> None:
    """Find the flow of the next call that the handler of an attempt will make."""
    t = s.att[a]
    hd = s.handler[t.handler]
    at_call = 0
    if t.phase == CALLING:
        at_call = t.at_call
    elif t.phase != SERVING or (hd.error > 0 and draw(t.id, P_ERROR) < hd.error):
        return
    while at_call < hd.call_n:
        at = hd.call_at + CALL_WORDS * at_call
        word = s.handler_call[at]
        call = word & (BRANCH - 1)
        at_call += 1
        if word & BRANCH > 0:
            return
        if draw(t.id, P_CALL + at_call) < s.handler_call[at + 1]:
            flow = find_flow(s, t.pod, call)
            if flow >= 0:
                identity = draw(t.id, P_CHILD + at_call)
                look_at_flow(s, flow, draw(mix(identity + STEP), P_PICK))
            return
    fetch(s.host, t.host)
    fetch(s.cluster, t.cluster)


def look_at_flow(s: State, flow: i64, number: i64) -> None:
    """Find the cluster of the next try of a request."""
    f = s.flow[flow]
    if f.cluster < 0:
        return
    row = s.cluster_row[f.cluster]
    if row < 0:
        return
    fetch(s.cluster, row)
    if f.proxy >= 0:
        fetch(s.proxy, f.proxy)
    see(s, SEE_CLUSTER, row, number)


def look_at_cluster(s: State, row: i64, number: i64) -> None:
    """Find the hosts that a balancer will compare."""
    cl = s.cluster[row]
    n = cl.view_n
    if n == 0:
        return
    first = viewed(s, row, below(number, n))
    second = viewed(s, row, below(mix(number), n))
    fetch(s.host, first)
    fetch(s.host, second)
    see(s, SEE_HOSTS, first, second)


def viewed(s: State, row: i64, i: i64) -> i64:
    """A host out of those that a cluster's balancer sees."""
    cl = s.cluster[row]
    if cl.first >= 0:
        return cl.first + i
    return s.seen[cl.host_at + i]


def look_at_hosts(s: State, first: i64, second: i64) -> None:
    """Find the connections and the pod of the host with fewer active requests."""
    if s.host[second].active < s.host[first].active:
        first = second
    host = s.host[first]
    if host.ready_0 >= 0:
        fetch(s.conn, host.ready_0)
    if host.ready_1 >= 0:
        fetch(s.conn, host.ready_1)
    if host.pod >= 0:
        fetch(s.pod, host.pod)


def advance(s: State) -> None:
    """Turn the wheel to the bucket of the next event, and put what is in it into the near list."""
    c = s.ctl[0]
    if c.turned > 2 * BUCKETS or c.taken > 4 * BUCKETS:
        fit_width(s)
    while c.near_n == 0:
        first = NEVER
        if c.far_n > 0:
            first = s.heap[2 * NEAR_ROOM] >> c.shift
        if c.wheel_n == 0:
            if c.far_n > 0 and first > c.bucket:
                c.bucket = first
            return
        if first <= c.bucket:
            return
        c.bucket += 1
        c.turned += 1
        b = c.bucket & (BUCKETS - 1)
        if s.bucket_first[b] > 0:
            empty_bucket(s, b)
        if c.looks == 1:
            look_near(s, (b + NEAR_LOOK) & (BUCKETS - 1))
            look_far(s, (b + NEAR_LOOK + 1) & (BUCKETS - 1))
            fetch(s.wheel, s.bucket_first[(b + NEAR_LOOK + 3) & (BUCKETS - 1)])


def empty_bucket(s: State, b: i64) -> None:
    """Put the events of bucket `b` into the near list, those that find no room there into the far heap."""
    c = s.ctl[0]
    at = s.bucket_first[b]
    s.bucket_first[b] = 0
    n = 0
    while at > 0:
        if c.near_n < NEAR_ROOM:
            put_near(s, c.near_n, s.wheel[at], s.wheel[at + 1])
            c.near_n += 1
        else:
            sift_up(s, NEAR_ROOM, c.far_n, s.wheel[at], s.wheel[at + 1])
            c.far_n += 1
        n += 1
        following = s.wheel[at + 2]
        s.wheel[at + 2] = c.wheel_free
        c.wheel_free = at
        at = following
    c.wheel_n -= n
    c.taken += n


def find_first(s: State) -> i64:
    """Where in the `heap` column the next event stands, -1 when nothing waits."""
    c = s.ctl[0]
    if c.near_n == 0:
        advance(s)
    if c.far_n == 0:
        return c.near_n - 1
    last = c.near_n - 1
    if last < 0:
        return NEAR_ROOM
    near = s.heap[2 * last]
    far = s.heap[2 * NEAR_ROOM]
    if far < near or (far == near and s.heap[2 * NEAR_ROOM + 1] < s.heap[2 * last + 1]):
        return NEAR_ROOM
    return last


def take(s: State, base: i64) -> None:
    """Take the event that stands at `base`, the last of the near list or the top of the far heap."""
    c = s.ctl[0]
    if base < NEAR_ROOM:
        c.near_n -= 1
    else:
        c.far_n -= 1
        drop(s, NEAR_ROOM, c.far_n)


def fit_width(s: State) -> None:
    """Make buckets wider when most are empty, narrower when many are full; what waits in them moves to the far heap."""
    c = s.ctl[0]
    change = 0
    if c.taken > 8 * c.turned:
        change = -1
    elif c.taken < 2 * c.turned:
        change = 1
    c.turned = 0
    c.taken = 0
    if change == 0 or c.shift + change < 8 or c.shift + change > 40:
        return
    for b in range(BUCKETS):
        at = s.bucket_first[b]
        while at > 0:
            sift_up(s, NEAR_ROOM, c.far_n, s.wheel[at], s.wheel[at + 1])
            c.far_n += 1
            at = s.wheel[at + 2]
        s.bucket_first[b] = 0
    c.wheel_n = 0
    c.wheel_free = 0
    c.wheel_top = 0
    c.shift += change
    c.bucket = c.now >> c.shift


def timer_live(s: State, k: i64, at: i64) -> bool:
    """Whether somebody still waits for a timer of class `k`."""
    t = s.timer[at]
    tc = s.timer_class[k]
    row = t.row
    if tc.kind >= TIMER_REST:
        if tc.kind == TIMER_LIFE:
            return s.conn[row].state == READY and s.conn_age[row].opened & SLOTS == t.gen
        return s.conn[row].state == READY and s.conn[row].streams == 0 and s.conn_age[row].due == t.time - tc.span
    if tc.kind & 1 == 0:
        q = s.req[row]
        if q.gen != t.gen or q.live == 0:
            return False
        if s.ctl[0].late_width > 0 and outdated(s, row, tc.kind, t.time - tc.span):
            return False
        if q.decided != STARTED or tc.kind != TIMER_IDLE:
            return True
        row = q.att
        if row < 0:
            return False
    elif s.att_gen[row] != t.gen or s.att[row].open == 0:
        return False
    elif s.req[s.att[row].req].decided != STARTED or tc.kind == TIMER_UPSTREAM:
        return True
    elif tc.kind == TIMER_TRY:
        return s.route[s.req[s.att[row].req].route].try_idle_class >= 0
    elif tc.kind == TIMER_TRY_IDLE and s.att[row].failed == 1:
        return False
    # The headers of the answer have started idle timers anew.
    return t.time - tc.span >= s.trace[row].done


def may_live(s: State, k: i64, at: i64) -> bool:
    """Whether somebody may still wait for a timer: the row of an attempt itself is asked when the timer is due."""
    t = s.timer[at]
    if s.timer_class[k].kind & 1 == 1:
        return s.att_gen[t.row] == t.gen
    return timer_live(s, k, at)


def set_timer(s: State, k: i64, row: i64, gen: i64) -> None:
    """Start a timer of class `k` for a request or an attempt."""
    c = s.ctl[0]
    tc = s.timer_class[k]
    key = ORDINARY | (c.seq << SEQ_SHIFT) | (EV_TIMER << SLOT_BITS) | k
    c.seq += 1
    if tc.tail - tc.head >= tc.mask - 3:
        while tc.head < tc.tail and not timer_live(s, k, tc.first + (tc.head & tc.mask)):
            tc.head += 1
        if tc.tail - tc.head >= tc.mask - 3:
            c.timer_full = k + 1
    t = s.timer[tc.first + (tc.tail & tc.mask)]
    t.time = c.now + tc.span
    t.key = key
    t.row = row
    t.gen = gen
    tc.tail += 1
    if tc.armed == 0:
        tc.armed = 1
        put(s, t.time, key)


def on_timer(s: State, k: i64) -> None:
    """The first timer of a class is due, unless nobody waits for it any more; arm the next one."""
    c = s.ctl[0]
    tc = s.timer_class[k]
    tc.armed = 0
    while tc.head < tc.tail:
        at = tc.first + (tc.head & tc.mask)
        t = s.timer[at]
        if t.time > c.now or t.key > c.timer_key:
            if may_live(s, k, at):
                tc.armed = 1
                put(s, t.time, t.key)
                return
            tc.head += 1
        elif timer_live(s, k, at):
            if tc.kind == TIMER_TRY:
                end_try(s, t.row, TRY_TIMEOUT)
            elif tc.kind == TIMER_TRY_IDLE:
                end_try(s, t.row, TRY_IDLE)
            elif tc.kind == TIMER_UPSTREAM:
                s.att[t.row].how = UPSTREAM_DURATION
                push(s, DO_END, t.row)
            elif tc.kind == TIMER_IDLE:
                push(s, DO_IDLE, t.row)
            elif tc.kind == TIMER_DURATION:
                push(s, DO_DURATION, t.row)
            elif tc.kind == TIMER_CALL:
                push(s, DO_CANCEL, t.row)
            elif tc.kind == TIMER_REST:
                close_rested(s, t.row)
            elif tc.kind == TIMER_REQUEST:
                push(s, DO_REQUEST, t.row)
            elif tc.kind == TIMER_LIFE:
                outlive(s, t.row)
            else:
                push(s, DO_TIMEOUT, t.row)
            # The step ends what the timer waited for; until it is done the entry would still look alive.
            tc.head += 1
        else:
            tc.head += 1


def end_try(s: State, a: i64, how: i64) -> None:
    """The time of an attempt is over: it ends, or goes on beside its retry where the route hedges.

    Once the headers have passed its time means nothing, but that between the parts of the answer is not looked at any
    more (measured on 1.40).
    """
    if how == TRY_TIMEOUT and s.req[s.att[a].req].decided == STARTED:
        s.att[a].failed = 1
        return
    if s.route[s.req[s.att[a].req].route].hedge == 1:
        push(s, DO_HEDGE, a)
    else:
        s.att[a].how = how
        push(s, DO_END, a)


# ---------------------------------------------------------------------------------------------------------------------
# Rows taken and given back
# ---------------------------------------------------------------------------------------------------------------------


def take_request(s: State, identity: i64, root: i64, flow: i64) -> i64:
    """A new request of a flow, at its caller, now."""
    c = s.ctl[0]
    r = c.req_free
    q = s.req[r]
    c.req_free = q.next
    c.req_free_n -= 1
    c.started += 1
    q.id = identity
    q.root = root
    q.live = 1
    q.events = 0
    q.parent = -1
    q.parent_gen = 0
    q.parent_id = 0
    q.flow = flow
    q.route = -1
    q.version = 0
    q.cid = -1
    q.row = -1
    q.source = -1
    q.user = -1
    q.call = -1
    q.start = c.now
    q.tries = 0
    q.left = 0
    q.cap_ms = 0
    q.flags = 0
    q.status = 0
    q.att = -1
    q.stream = 0
    q.mirror = 0
    q.mirrored = 0
    q.retrying = 0
    q.decided = 0
    q.logged = 0
    q.class_there = 0
    q.host = -1
    q.worker = 0
    return r


def give_request(s: State, r: i64) -> None:
    """Free the row of a request that has ended, once no event names it."""
    c = s.ctl[0]
    q = s.req[r]
    if q.live == 0 and q.events == 0:
        q.gen += 1
        q.next = c.req_free
        c.req_free = r
        c.req_free_n += 1


def give_attempt(s: State, a: i64) -> None:
    """Free the row of an attempt that is over on both sides, once no event and no list names it."""
    c = s.ctl[0]
    t = s.att[a]
    if t.open == 0 and t.events == 0 and t.listed == 0 and t.phase == OVER:
        s.att_gen[a] += 1
        t.next = c.att_free
        c.att_free = a
        c.att_free_n += 1


def give_connection(s: State, k: i64) -> None:
    """Free the row of a closed connection, once no stream, list or event names it."""
    c = s.ctl[0]
    conn = s.conn[k]
    if conn.state == CLOSED and conn.streams == 0 and conn.idle == 0 and conn.events == 0:
        conn.next = c.conn_free
        c.conn_free = k
        c.conn_free_n += 1


# ---------------------------------------------------------------------------------------------------------------------
# Traffic
# ---------------------------------------------------------------------------------------------------------------------


def event_loop(connection: i64, workers: i64) -> i64:
    """The event loop that a connection belongs to as long as it is open: which of them accepts it is chance."""
    return below(draw(mix(connection), P_WORKER), workers)


def send_root(s: State, i: i64, identity: i64, user: i64) -> None:
    """A request of traffic source `i` leaves its client."""
    c = s.ctl[0]
    src = s.source[i]
    flow = s.source_flow[src.flow_at]
    if src.flow_n > 1 and user >= 0:
        flow = s.source_flow[src.flow_at + (user - src.user_at) % src.flow_n]
    elif src.flow_n > 1:
        flow = s.source_flow[src.flow_at + below(draw(identity, P_FLOW), src.flow_n)]
    r = take_request(s, identity, identity, flow)
    q = s.req[r]
    q.source = i
    q.user = user
    workers = s.flow[flow].workers
    if workers > 1 and user >= 0:
        q.worker = event_loop(s.user[user].id, workers)
    elif workers > 1:
        q.worker = below(draw(identity, P_WORKER), workers)
    if draw(identity, P_SAMPLE) < c.sample:
        q.sampled = 1
    else:
        q.sampled = 0
    if src.latency > 0:
        q.events = 1
        schedule(s, c.now + src.latency, EV_ENTER, r)
    else:
        push(s, DO_ENTER, r)


def plan_arrival(s: State, i: i64) -> None:
    """Set when source `i` sends next, counted from now (POISSON) or from its last change of rate (CONSTANT)."""
    c = s.ctl[0]
    src = s.source[i]
    if src.piece_n > 0:
        src.next = due_in_pieces(s, i)
    elif src.arrivals == POISSON:
        wait = exponential(s, draw(mix(src.id + src.n * STEP), P_ARRIVAL))
        src.next = c.now + int(wait * src.interval * 1e-3 + 0.5)
    else:
        src.next = src.origin + (src.n - src.origin_n) * src.interval // 1000
    if src.next < src.stop:
        schedule(s, src.next, EV_SOURCE, i)


def on_source(s: State, i: i64) -> None:
    """An open-loop source sends, unless its rate changed and this arrival moved."""
    c = s.ctl[0]
    src = s.source[i]
    if src.next != c.now or src.interval == 0 or c.now >= src.stop:
        return
    identity = mix(src.id + src.n * STEP)
    src.n += 1
    plan_arrival(s, i)
    send_root(s, i, identity, -1)


def due_in_pieces(s: State, i: i64) -> i64:
    """When a source whose rate changes, or that is replayed, sends next, `NEVER` after its end."""
    src = s.source[i]
    if src.arrivals == REPLAYED:
        if src.n < src.piece_n:
            return src.origin + s.instant[src.piece_at + src.n]
        return NEVER
    if src.arrivals == POISSON:
        src.rest += int(exponential(s, draw(mix(src.id + src.n * STEP), P_ARRIVAL)) * 1e9 + 0.5)
    elif src.arrivals == CONSTANT:
        src.rest = src.n * SECOND
    else:
        src.rest += jittered(src.n * SECOND - src.rest, mix(src.id + src.n * STEP))
    return when_expected(s, i)


def jittered(wait: i64, identity: i64) -> i64:
    """A wait that is up to a tenth longer or shorter (fortio periodic/periodic.go, getJitter)."""
    tenth = (wait + 5) // 10
    if tenth <= 0:
        return wait
    return wait + draw(identity, P_JITTER) % (2 * tenth + 1) - tenth


def when_expected(s: State, i: i64) -> i64:
    """When as many requests of a source are to be expected as its `rest` says: the inverse of the integral of its
    rate, so that equal draws give equal arrivals in the time that the rate itself measures."""
    src = s.source[i]
    last = src.piece_n - 1
    while src.cursor < last and s.piece[src.piece_at + src.cursor + 1].before <= src.rest:
        src.cursor += 1
    p = s.piece[src.piece_at + src.cursor]
    if src.cursor == last:
        return NEVER
    need = (src.rest - p.before) * 1e-9
    rate = p.level * 1e-15
    growth = (p.end_level - p.level) * 1e-15 / p.span
    root = rate * rate + 2.0 * growth * need
    if root < 0.0:
        root = 0.0
    speed = rate + math.sqrt(root)
    span = 0
    if need > 0.0 and speed > 0.0:
        span = least(int(2.0 * need / speed + 0.5), p.span)
    return src.origin + p.begin + span


def when_present(s: State, i: i64, number: i64) -> i64:
    """When user `number` of a source whose number of users changes is there, from now on; `NEVER` if not any more."""
    src = s.source[i]
    now = s.ctl[0].now - src.origin
    wanted = (number + 1) * MILLION
    for at in range(src.piece_at, src.piece_at + src.piece_n - 1):
        p = s.piece[at]
        if p.begin + p.span <= now:
            continue
        since = 0
        if now > p.begin:
            since = now - p.begin
        here = p.level + int((p.end_level - p.level) * (float(since) / float(p.span)))
        if here >= wanted:
            return src.origin + p.begin + since
        if p.end_level >= wanted:
            share = (wanted - p.level) / (p.end_level - p.level)
            return src.origin + p.begin + least(int(share * p.span) + 1, p.span)
    return NEVER


def go_on(s: State, u: i64, end: i64, identity: i64) -> None:
    """A user or connection has its answer at `end` and will send again."""
    user = s.user[u]
    src = s.source[user.source]
    if src.arrivals == PERIODIC:
        due = due_of_connection(s, u, end)
        if due < NEVER:
            schedule(s, due, EV_USER, u)
    else:
        schedule(s, end + sample(s, src.think, identity, P_THINK), EV_USER, u)


def stagger(s: State, u: i64) -> i64:
    """How much later than its source a connection begins."""
    user = s.user[u]
    src = s.source[user.source]
    if src.manner & UNIFORM_STARTS == 0 or src.calls == 0:
        return 0
    return (u - src.user_at) * (src.interval // 1000 * (src.calls - 1) // src.calls) // src.user_n


def due_of_connection(s: State, u: i64, now: i64) -> i64:
    """When a connection that is free at `now` sends next, `NEVER` after its last request.

    fortio periodic/periodic.go, runOne: request i is due at i intervals after the start; who is late sends at once, or
    leaves out what is overdue.
    """
    user = s.user[u]
    src = s.source[user.source]
    begin = src.origin + stagger(s, u)
    while user.n < src.calls:
        wait = begin + user.n * src.interval // 1000 - now
        if wait >= 0 or src.manner & SKIPS == 0:
            if wait > 0 and src.manner & JITTERS > 0:
                wait = jittered(wait, mix(user.id + user.n * STEP))
            if wait < 0:
                return now
            return now + wait
        user.n += 1
    return NEVER


def on_connection(s: State, u: i64) -> None:
    """A connection sends; after the end only its first two requests and its last one (fortio, runOne)."""
    user = s.user[u]
    src = s.source[user.source]
    if user.n < src.calls and (s.ctl[0].now <= src.stop or user.n < 2 or user.n == src.calls - 1):
        identity = mix(user.id + user.n * STEP)
        user.n += 1
        send_root(s, user.source, identity, u)


def on_user(s: State, u: i64) -> None:
    """A user of a closed loop sends its next request, once it is there."""
    c = s.ctl[0]
    user = s.user[u]
    src = s.source[user.source]
    if src.arrivals == PERIODIC:
        on_connection(s, u)
    elif c.now < src.stop:
        if src.piece_n > 0:
            there = when_present(s, user.source, u - src.user_at)
            if there > c.now:
                if there < src.stop:
                    schedule(s, there, EV_USER, u)
                return
        identity = mix(user.id + user.n * STEP)
        user.n += 1
        send_root(s, user.source, identity, u)


def change_rate(s: State, i: i64, interval: i64) -> None:
    """A source gets another rate: what was left of its wait is stretched, so that its draws stay the same.

    Users, connections and sources whose rate changes by itself end at rate 0 and hear of no other.
    """
    c = s.ctl[0]
    src = s.source[i]
    if src.piece_n > 0 or src.user_n > 0:
        if interval == 0:
            src.stop = least(src.stop, c.now - 1)
            src.calls = 0
        return
    if src.started == 0:
        src.interval = interval
        return
    if src.arrivals == CONSTANT:
        src.origin = c.now
        src.origin_n = src.n
        src.interval = interval
        if interval > 0:
            plan_arrival(s, i)
        return
    if src.interval > 0:
        src.rest = int((src.next - c.now) * 1e12 / src.interval)
    src.interval = interval
    if interval > 0:
        src.next = c.now + int(src.rest * 1e-12 * interval)
        if src.next < src.stop:
            schedule(s, src.next, EV_SOURCE, i)


def start_source(s: State, i: i64) -> None:
    """A source begins: an open loop plans its first request, the users of a closed one have events of their own."""
    c = s.ctl[0]
    src = s.source[i]
    src.origin = c.now
    src.started = 1
    if src.user_n > 0:
        src.cursor = 0
        push(s, DO_USERS, i)
    elif src.interval > 0:
        plan_arrival(s, i)
    else:
        src.rest = int(exponential(s, draw(mix(src.id), P_ARRIVAL)) * 1e9)


def start_users(s: State, i: i64) -> None:
    """The next users of a closed loop begin, each after a time of thinking; those who come later send at once."""
    c = s.ctl[0]
    src = s.source[i]
    last = least(src.cursor + CHUNK, src.user_n)
    while src.cursor < last:
        u = src.user_at + src.cursor
        begin = c.now
        if src.piece_n > 0:
            begin = when_present(s, i, src.cursor)
        if begin == c.now:
            begin += sample(s, src.think, s.user[u].id, P_THINK) + stagger(s, u)
        if begin < NEVER:
            schedule(s, begin, EV_USER, u)
        src.cursor += 1
    if src.cursor < src.user_n:
        push(s, DO_USERS, i)


# ---------------------------------------------------------------------------------------------------------------------
# The caller's proxy: fault, route, cluster
# ---------------------------------------------------------------------------------------------------------------------


def passage(s: State, p: i64, station: i64, span: i64) -> i64:
    """When an event loop of proxy `p`, which serves in order of arrival, has done `span` of work for who comes now."""
    now = s.ctl[0].now
    proxy = s.proxy[p]
    begin = s.free[station]
    if begin < now:
        if proxy.waking >= 0:
            span += waking(s, proxy.waking, now - begin, mix(proxy.id + proxy.wakes * STEP))
            proxy.wakes += 1
        begin = now
    if proxy.waking >= 0:
        proxy.busy += span
    s.free[station] = begin + span
    return begin + span


def join_turn(s: State, p: i64, station: i64, span: i64) -> i64:
    """An event loop that works in turns takes on a pass of `span`; returns when it is done with, if nobody comes after.

    A turn handles everything that was ready when it began, and writes at its end: reading an event makes the write
    events of other connections active, and libevent puts them behind those that are active already (Envoy
    source/common/network/connection_impl.cc, write; source/common/event/file_event_impl.cc, activate).
    """
    now = s.ctl[0].now
    proxy = s.proxy[p]
    turn = s.turn_of[proxy.turn_at + station - proxy.station]
    writes = span * proxy.flushed // MILLION
    proxy.busy += span
    begin_turn(s, proxy.turn_at + station - proxy.station)
    if now <= turn.end:
        turn.reads += span - writes
        turn.writes += writes
        turn.n += 1
        return turn.end + turn.reads + turn.writes
    woken = 0
    if proxy.waking >= 0:
        woken = waking(s, proxy.waking, now - turn.end, mix(proxy.id + proxy.wakes * STEP))
    proxy.busy += woken
    proxy.wakes += 1
    turn.flush = now + woken + span - writes
    turn.end = turn.flush + writes
    return turn.end


def begin_turn(s: State, row: i64) -> None:
    """The turn under way is over: the next one, if anybody waits for it, has begun at that instant."""
    turn = s.turn_of[row]
    if turn.n > 0 and s.ctl[0].now > turn.end:
        turn.flush = turn.end + turn.reads
        turn.end = turn.flush + turn.writes
        turn.reads = 0
        turn.writes = 0
        turn.n = 0


def offset_in_turn(s: State, p: i64, station: i64) -> i64:
    """Of the last pass taken on: how much of its turn's writing is done with it (two seconds at most, to fit into its
    place), -1 when its end is known."""
    turn = s.turn_of[s.proxy[p].turn_at + station - s.proxy[p].station]
    if turn.n > 0:
        return least(turn.writes, 2 * SECOND)
    return -1


def done_in_turn(s: State, p: i64, station: i64, offset: i64) -> i64:
    """When the pass is done with that was expected to be by now."""
    now = s.ctl[0].now
    if offset < 0:
        return now
    row = s.proxy[p].turn_at + station - s.proxy[p].station
    begin_turn(s, row)
    when = s.turn_of[row].flush + offset
    if when < now:
        return now
    return when


def on_turn_out(s: State, r: i64) -> None:
    """A turn of the caller's event loop may have sent a request on."""
    q = s.req[r]
    p = s.flow[q.flow].proxy
    when = done_in_turn(s, p, s.proxy[p].station + q.worker, q.next)
    q.next = -1
    if when > s.ctl[0].now:
        schedule(s, when, EV_TURN_OUT, r)
    else:
        on_request_event(s, EV_OUT, r)


def on_turn_back(s: State, a: i64) -> None:
    """A turn of the caller's event loop may have taken an answer."""
    t = s.att[a]
    p = s.cluster[t.cluster].proxy
    when = s.ctl[0].now
    if t.open == 1:
        when = done_in_turn(s, p, s.proxy[p].station + s.req[t.req].worker, t.next)
    t.next = -1
    if when > s.ctl[0].now:
        schedule(s, when, EV_TURN_BACK, a)
    else:
        on_response(s, a)


def on_turn_there(s: State, kind: i64, a: i64) -> None:
    """A turn of the server's event loop may have sent a request on to the application, or its answer back."""
    t = s.att[a]
    when = done_in_turn(s, s.pod[t.pod].proxy, t.station, t.next)
    t.next = -1
    if when > s.ctl[0].now:
        schedule(s, when, kind, a)
    elif kind == EV_TURN_IN:
        on_arrive(s, a)
    else:
        t.events -= 1
        if t.open == 0:
            t.phase = OVER
            give_attempt(s, a)
        elif s.host[t.host].reachable == 0:
            t.phase = HUNG_BACK
        else:
            send_back(s, a, when)


def waking(s: State, row: i64, idle: i64, identity: i64) -> i64:
    """What it costs to be woken after so much idle time: the longer, the colder the caches and the deeper the CPU's
    sleep, up to a limit."""
    w = s.wake[row]
    idle = least(idle, SECOND)
    span = w.least + w.most * idle // (idle + w.half)
    if w.noise >= 0:
        span = span * sample(s, w.noise, identity, P_WAKE) // MILLION
    return span


def report(s: State, p: i64, station: i64, identity: i64) -> i64:
    """CPU time of the report that an event loop makes with this answer, 0 unless it is due.

    Istio's Mixer client collected the attributes of 100 requests in each event loop and then compressed and sent them
    within the last one's handling (istio/proxy src/istio/mixerclient/report_batch.cc, ReportOptions, Istio 1.2).
    """
    proxy = s.proxy[p]
    place = station + proxy.workers
    s.free[place] += 1
    if s.free[place] < proxy.reports:
        return 0
    s.free[place] = 0
    return sample(s, proxy.report, identity, P_REPORT)


def enter(s: State, r: i64) -> None:
    """A request (or its next try) stands before its caller's proxy and waits for the event loop of its connection."""
    c = s.ctl[0]
    q = s.req[r]
    p = s.flow[q.flow].proxy
    if p >= 0 and s.proxy[p].down == 1:
        q.status = 0
        q.flags |= UF
        push(s, DO_FINISH, r)
        return
    if c.stations == 1 and p >= 0:
        proxy = s.proxy[p]
        span = sample(s, proxy.outbound, mix(q.id + (q.tries + 1) * STEP), P_OUT)
        if proxy.flushed > 0:
            q.events += 1
            schedule(s, join_turn(s, p, proxy.station + q.worker, span), EV_TURN_OUT, r)
            q.next = offset_in_turn(s, p, proxy.station + q.worker)
            return
        leaves = passage(s, p, proxy.station + q.worker, span)
        if leaves > c.now:
            q.events += 1
            schedule(s, leaves, EV_OUT, r)
            return
    pass_out(s, r)


def pass_out(s: State, r: i64) -> None:
    """The event loop has read a request, or begins its next try."""
    if s.req[r].decided == DECIDED:
        try_upstream(s, r)
    else:
        decide(s, r)


def decide(s: State, r: i64) -> None:
    """The proxy matches the route, which the request then keeps, and may hold the request back.

    The fault filter stands before the router: a delay does not consume the route timeout and is drawn on a number of
    its own (Envoy source/extensions/filters/http/fault/fault_filter.cc).
    """
    c = s.ctl[0]
    q = s.req[r]
    f = s.flow[q.flow]
    q.decided = DECIDED
    q.route = f.route
    q.version = f.version
    q.cid = f.cluster
    q.class_there = f.class_there
    if q.route < 0:
        q.status = 404
        q.flags |= NR
        push(s, DO_FINISH, r)
        return
    route = s.route[q.route]
    if route.kind == DRAWN:
        draw_way(s, r)
        route = s.route[q.route]
    if route.idle_class >= 0:
        set_timer(s, route.idle_class, r, q.gen)
    if route.duration_class >= 0:
        set_timer(s, route.duration_class, r, q.gen)
    if route.slow == 1:
        await_body(s, r)
    if route.limit >= 0 and route.limit_late == 0 and refused(s, r):
        return
    if route.delay_ppm > 0 and below(draw(q.id, P_DELAY), MILLION) < route.delay_ppm and delays(s, r):
        q.flags |= DI
        if route.delay > 0:
            q.events += 1
            schedule(s, c.now + route.delay, EV_DELAYED, r)
            return
    forward(s, r)


def draw_way(s: State, r: i64) -> None:
    """The route of a request where runtime fractions guard several, and where it leads if that is one cluster."""
    q = s.req[r]
    route = s.route[q.route]
    value = draw(q.id, P_WAY) % route.weight
    at = route.share_at
    while value >= s.share[at].weight:
        value -= s.share[at].weight
        at += 1
    q.route = s.share[at].cluster
    first = s.route[q.route].share_at
    if s.route[q.route].share_n == 1:
        q.cid = s.share[first].cluster
        q.class_there = s.share[first].class_there


def refused(s: State, r: i64) -> bool:
    """Whether a local rate limit ends a request."""
    q = s.req[r]
    limit = s.route[q.route].limit
    passes = True
    while passes and limit >= 0:
        b = s.bucket[limit]
        if b.each == 1:
            passes = take_own_token(s, r, limit)
        elif b.of > 0:
            passes = take_token(s, b.of - 1, q.id)
        else:
            passes = take_token(s, limit, q.id)
        if passes:
            limit = b.then - 1
    if passes:
        return False
    q.status = s.bucket[limit].status
    q.flags |= RL
    push(s, DO_FINISH, r)
    return True


def take_token(s: State, limit: i64, identity: i64) -> bool:
    """Whether a local rate limit lets a request pass.

    Envoy source/extensions/filters/http/local_ratelimit, source/common/common/token_bucket_impl.h: the bucket begins
    full and fills continuously; what the filter is enabled for takes a token, what it is enforced for is refused.
    """
    now = s.ctl[0].now
    b = s.bucket[limit]
    if below(draw(identity, P_LIMIT), MILLION) >= b.enabled:
        return True
    if now - b.empty > b.full:
        b.empty = now - b.full
    if now - b.empty >= b.per_token:
        b.empty += b.per_token
        return True
    return below(draw(identity, P_ENFORCE), MILLION) >= b.enforced


def take_own_token(s: State, r: i64, limit: i64) -> bool:
    """The same where each downstream connection has a bucket: that of the first limit that it met (local_ratelimit.cc,
    getPerConnectionRateLimiter)."""
    c = s.ctl[0]
    identity = s.req[r].id
    if below(draw(identity, P_LIMIT), MILLION) >= s.bucket[limit].enabled:
        return True
    line = line_of(s, r) + 1
    mask = len(s.own_bucket) - 1
    at = mix(line) & mask
    while s.own_bucket[at].line != line and s.own_bucket[at].line != 0:
        at = (at + 1) & mask
    own = s.own_bucket[at]
    if own.line == 0:
        own.line = line
        own.limit = limit
        own.empty = c.now - s.bucket[limit].full
        c.own_n += 1
        if 2 * (c.own_n + 2 * TOGETHER) > mask:
            c.pools_short |= 2
    b = s.bucket[own.limit]
    if c.now - own.empty > b.full:
        own.empty = c.now - b.full
    if c.now - own.empty >= b.per_token:
        own.empty += b.per_token
        return True
    return below(draw(identity, P_ENFORCE), MILLION) >= s.bucket[limit].enforced


def delays(s: State, r: i64) -> bool:
    """Whether a delay is injected where the draw allows one; a request whose answer will pass slowly has a fault too.

    Envoy source/extensions/filters/http/fault/fault_filter.cc, decodeHeaders: with as many faults under way as there
    may be the filter does nothing.

    DEVIATION: faults of routes without max_active_faults do not count towards that of others.
    """
    q = s.req[r]
    route = s.route[q.route]
    if route.delay_ppm <= MILLION:
        return True
    if route.most_faults >= 0 and active_faults(s, route.holder_at) >= route.most_faults:
        return False
    delayed = below(draw(q.id, P_DELAY), MILLION) < route.delay_ppm - MORE_FAULTS
    slowed = below(draw(q.id, P_SLOW), MILLION) < route.slow_ppm
    if route.most_faults >= 0 and (delayed or slowed):
        at = route.holder_at
        n = s.holder[at]
        s.holder[at + 1 + 2 * n] = r
        s.holder[at + 2 + 2 * n] = q.gen
        s.holder[at] = n + 1
    return delayed


def active_faults(s: State, at: i64) -> i64:
    """How many of the requests that had a fault go on; the others are forgotten."""
    n = s.holder[at]
    i = 0
    while i < n:
        place = at + 1 + 2 * i
        q = s.req[s.holder[place]]
        if q.live == 1 and q.gen == s.holder[place + 1]:
            i += 1
        else:
            n -= 1
            s.holder[place] = s.holder[at + 1 + 2 * n]
            s.holder[place + 1] = s.holder[at + 2 + 2 * n]
    s.holder[at] = n
    return n


def has_fault(s: State, r: i64) -> bool:
    """Whether a request is one of those."""
    q = s.req[r]
    at = s.route[q.route].holder_at
    for i in range(s.holder[at]):
        if s.holder[at + 1 + 2 * i] == r and s.holder[at + 2 + 2 * i] == q.gen:
            return True
    return False


def may_fault(s: State, r: i64) -> bool:
    """Whether a request may have a fault: it has one, or there are not too many."""
    route = s.route[s.req[r].route]
    return route.most_faults < 0 or has_fault(s, r) or active_faults(s, route.holder_at) < route.most_faults


def passes_slowly(s: State, r: i64, a: i64) -> bool:
    """Whether the answer of a request that has ended upstream is still on its way to the client, which then gets it.

    Envoy source/extensions/filters/http/common/stream_rate_limiter.cc: a bucket of a second's worth of bytes, filled
    since the request came, gives every 50 ms as many bytes as it has.
    """
    c = s.ctl[0]
    q = s.req[r]
    t = s.att[a]
    route = s.route[q.route]
    if q.mirror == 1 or below(draw(q.id, P_SLOW), MILLION) >= route.slow_ppm:
        return False
    if route.most_faults >= 0 and not has_fault(s, r):
        return False
    size = 0
    if t.met > 0:
        size = s.inbound[t.met - 1].size
    elif t.handler >= 0:
        size = s.handler[t.handler].size
    first = route.slow_rate * SLOW_START // 1000 + route.slow_rate * (c.now - q.start) // SECOND
    left = size - least(first, route.slow_rate)
    if left <= 0:
        return False
    each = route.slow_rate * SLOW_TICK // SECOND
    wait = (left + each - 1) // each * SLOW_TICK
    q.events += 1
    q.decided = STARTED
    schedule(s, c.now + wait, EV_SLOWED, r)
    if q.sampled == 1:
        s.log[c.log_n - 1].request_end += wait
    return True


def on_slowed(s: State, r: i64) -> None:
    """The last piece of a slow answer has passed."""
    q = s.req[r]
    q.events -= 1
    if q.live == 0:
        give_request(s, r)
    else:
        finish(s, r)


def choose_share(s: State, r: i64, number: i64) -> None:
    """Choose among the weighted clusters of a request's route by a number that was drawn."""
    q = s.req[r]
    route = s.route[q.route]
    at = route.share_at
    value = number % route.weight
    while value >= s.share[at].weight:
        value -= s.share[at].weight
        at += 1
    q.cid = s.share[at].cluster
    q.class_there = s.share[at].class_there


def forward(s: State, r: i64) -> None:
    """Abort, answer locally, or choose the cluster by the stream's one random number and start the route timeout."""
    q = s.req[r]
    route = s.route[q.route]
    if route.abort_ppm > 0 and below(draw(q.id, P_ABORT), MILLION) < route.abort_ppm and may_fault(s, r):
        q.status = route.abort_status
        q.flags |= FI
        push(s, DO_FINISH, r)
        return
    if route.limit_late == 1 and refused(s, r):
        return
    if route.slow == 1 and held(s, r):
        return
    if route.kind == LOCAL_REPLY:
        q.status = route.status
        q.flags |= route.flag
        push(s, DO_FINISH, r)
        return
    if route.share_n > 1 or route.mirror_n > 0:
        q.stream = draw(q.id, P_STREAM)
    if route.share_n > 1:
        choose_share(s, r, q.stream)
    if q.cid < 0 or s.cluster_row[q.cid] < 0:
        q.status = 503
        if route.timeout_status == 0:
            q.status = 0
        q.flags |= NC
        push(s, DO_FINISH, r)
        return
    q.left = route.retries
    q.cap_ms = route.base_ms
    if route.timeout > 0:
        set_timer(s, route.timeout_class, r, q.gen)
    try_upstream(s, r)


# ---------------------------------------------------------------------------------------------------------------------
# Requests whose bodies come later than their headers
# ---------------------------------------------------------------------------------------------------------------------


def whole(s: State, r: i64) -> bool:
    """Whether the body of a request of a slow route has come."""
    return s.late[2 * r + 1] <= s.ctl[0].now


def await_body(s: State, r: i64) -> None:
    """The headers of a request have come: its body follows, or never does."""
    q = s.req[r]
    route = s.route[q.route]
    if route.request_class >= 0:
        set_timer(s, route.request_class, r, q.gen)
    s.late[2 * r + 1] = NEVER
    if route.body < NEVER:
        s.late[2 * r + 1] = s.ctl[0].now + route.body
        q.events += 1
        schedule(s, s.late[2 * r + 1], EV_BODY, r)


def share_body(s: State, r: i64, m: i64) -> None:
    """A shadow is complete when its request is."""
    due = s.late[2 * r + 1]
    s.late[2 * m] = 0
    s.late[2 * m + 1] = due
    shadow = s.req[m]
    route = s.route[shadow.route]
    if due > s.ctl[0].now:
        if due < NEVER:
            shadow.events += 1
            schedule(s, due, EV_BODY, m)
    elif route.holds == 0 and route.timeout_class >= 0:
        set_timer(s, route.timeout_class, m, shadow.gen)


def held(s: State, r: i64) -> bool:
    """Whether a request has to wait in the proxy for its body; one that is whole by now starts its timeout."""
    q = s.req[r]
    route = s.route[q.route]
    if whole(s, r):
        if route.holds == 0 and route.timeout_class >= 0:
            set_timer(s, route.timeout_class, r, q.gen)
        return False
    if route.holds == 1:
        q.decided = HELD
    return route.holds == 1


def on_body(s: State, r: i64) -> None:
    """A request is complete.

    Envoy source/common/router/router.cc, decodeData and onRequestComplete: the route timeout starts if a try is under
    way (and else never), the per-try timeouts with it. What is too large to be kept for a retry ends a request that
    waits for one.
    """
    q = s.req[r]
    q.events -= 1
    if q.live == 0:
        give_request(s, r)
        return
    route = s.route[q.route]
    if route.idle_class >= 0 and q.mirror == 0:
        set_timer(s, route.idle_class, r, q.gen)
    if q.decided == HELD:
        q.decided = DECIDED
        q.events += 1
        schedule(s, s.ctl[0].now, EV_DELAYED, r)
    elif q.att >= 0:
        if route.timeout_class >= 0:
            set_timer(s, route.timeout_class, r, q.gen)
        complete_try(s, q.att)
    elif route.large == 1 and q.tries > 0:
        q.status = 507
        push(s, DO_FINISH, r)


def complete_try(s: State, a: i64) -> None:
    """The rest of a request goes to the host that has had its headers, if it has a stream yet."""
    t = s.att[a]
    if t.attached == 0:
        return
    q = s.req[t.req]
    route = s.route[q.route]
    if route.try_class >= 0 and q.mirror == 0:
        set_timer(s, route.try_class, a, s.att_gen[a])
    if route.try_idle_class >= 0:
        set_timer(s, route.try_idle_class, a, s.att_gen[a])
    if t.phase == AWAITING:
        send(s, a, s.ctl[0].now)


def incomplete(s: State, a: i64) -> bool:
    """Whether a stream starts before its request is complete: its time counts from then on.

    Proxies answer for themselves as soon as they have the headers, applications when they have everything, unless the
    route says that they do not wait.
    """
    c = s.ctl[0]
    t = s.att[a]
    cl = s.cluster[t.cluster]
    if whole(s, t.req):
        return False
    if cl.limits == 1 and cl.duration_class >= 0:
        set_timer(s, cl.duration_class, a, s.att_gen[a])
    if s.route[s.req[t.req].route].eager == 1 or s.inbound[inbound_of(s, a)].kind != IN_SERVE:
        send(s, a, c.now)
    else:
        t.phase = AWAITING
    return True


def spoiled(s: State, a: i64) -> bool:
    """Whether an exchange that got its answer leaves a connection that cannot be used again: its end says so, or it has
    not been sent the whole request."""
    t = s.att[a]
    q = s.req[t.req]
    if s.inbound[t.met - 1].marks & MARK_CLOSES != 0:
        if s.cluster[t.cluster].http2 == 1:
            go_away(s, t.conn)
        return True
    return q.route >= 0 and s.route[q.route].slow == 1 and not whole(s, t.req)


def repeatable(s: State, r: i64) -> bool:
    """Whether all of a request that has come so far has been kept, so that it can be sent again."""
    route = s.route[s.req[r].route]
    return route.large == 0 or (route.slow == 1 and not whole(s, r))


def timeout_code(s: State, r: i64) -> i64:
    """The status of a timeout: whose fault it is (Envoy source/common/http/utility.cc, maybeRequestTimeoutCode)."""
    q = s.req[r]
    if q.route >= 0 and s.route[q.route].slow == 1 and not whole(s, r):
        return 408
    return 504


def outdated(s: State, r: i64, kind: i64, begun: i64) -> bool:
    """Whether a request's timer of a kind that began so is overtaken: its stream is a new one, or its body came."""
    q = s.req[r]
    if kind == TIMER_CALL:
        return False
    if begun < s.late[2 * r]:
        return True
    if q.route < 0 or s.route[q.route].slow == 0 or not whole(s, r):
        return False
    return kind == TIMER_REQUEST or (kind == TIMER_IDLE and begun < s.late[2 * r + 1])


def mirror(s: State, r: i64) -> None:
    """Send the next shadow of a request: fire and forget, no retries, decided by the stream's random number."""
    q = s.req[r]
    route = s.route[q.route]
    if q.mirrored >= route.mirror_n:
        return
    share = s.share[route.mirror_at + q.mirrored]
    q.mirrored += 1
    push(s, DO_MIRROR, r)
    if q.stream % MILLION >= share.weight or share.cluster < 0 or s.cluster_row[share.cluster] < 0:
        return
    m = take_request(s, draw(q.id, P_CHILD + P_MIRROR + q.mirrored), q.root, q.flow)
    shadow = s.req[m]
    shadow.parent_id = q.id
    shadow.route = q.route
    shadow.version = q.version
    shadow.cid = share.cluster
    shadow.class_there = share.class_there
    shadow.source = q.source
    shadow.call = q.call
    shadow.worker = q.worker
    shadow.sampled = q.sampled
    shadow.stream = q.stream
    shadow.mirror = 1
    shadow.decided = DECIDED
    shadow.mirrored = route.mirror_n
    if route.timeout > 0:
        set_timer(s, route.timeout_class, m, shadow.gen)
    if route.slow == 1:
        share_body(s, r, m)
    push(s, DO_TRY, m)


# ---------------------------------------------------------------------------------------------------------------------
# Balancing
# ---------------------------------------------------------------------------------------------------------------------


def weigh(s: State, row: i64, h: i64) -> i64:
    """Distance to the next deadline of a host in a weighted schedule.

    Envoy source/extensions/load_balancing_policies: a host weighs weight / (active requests + 1)^bias to a least
    request balancer (least_request_lb.cc, hostWeight), and less while it starts slowly (common/load_balancer_impl.cc,
    applySlowStartFactor).
    """
    host = s.host[h]
    plan = s.plan[s.cluster[row].plan]
    starting = plan.window > 0 and host.since > 0 and host.healthy == HEALTHY and host.ejected == 0
    if not starting:
        if plan.policy != LEAST_REQUEST or plan.bias == 0:
            return EDF_UNIT // host.weight
        if plan.bias == SECOND:
            return EDF_UNIT * (host.active + 1) // host.weight
    span = EDF_UNIT / host.weight
    if plan.policy == LEAST_REQUEST and plan.bias > 0:
        span = span * math.pow(host.active + 1.0, plan.bias * 1e-9)
    if starting:
        age = (s.ctl[0].now - host.since) // MILLION
        window = plan.window // MILLION
        if age < window:
            if age < 1:
                age = 1
            factor = math.pow(age / window, plan.exponent * 1e-9)
            if factor < plan.floor * 1e-9:
                factor = plan.floor * 1e-9
            span = span / factor
    return int(span)


def first_due(s: State, at: i64, n: i64) -> i64:
    """Number of the earliest of `n` deadlines from `at` of the `due` column on; ties keep the order of insertion.

    Envoy source/common/upstream/edf_scheduler.h.
    """
    best = 0
    for i in range(1, n):
        here = at + 2 * i
        first = at + 2 * best
        if s.due[here] < s.due[first] or (s.due[here] == s.due[first] and s.due[here + 1] < s.due[first + 1]):
            best = i
    return best


def set_back(s: State, row: i64, at: i64, step: i64) -> None:
    """Put what was picked back into its schedule."""
    cl = s.cluster[row]
    cl.order += 1
    s.due[at] += step
    s.due[at + 1] = cl.order


def least_active(s: State, at: i64, n: i64, number: i64) -> i64:
    """The host with the fewest active requests of a whole list, one of equals by chance (least_request_lb.cc)."""
    best = s.member[at]
    equals = 1
    for i in range(1, n):
        other = s.member[at + i]
        if s.host[other].active < s.host[best].active:
            best = other
            equals = 1
        elif s.host[other].active == s.host[best].active:
            equals += 1
            number = mix(number)
            if below(number, equals) == 0:
                best = other
    return best


def pick_from(s: State, row: i64, i: i64, worker: i64, number: i64) -> i64:
    """A host out of a list of hosts by the cluster's policy, -1 when it is empty."""
    cl = s.cluster[row]
    plan = s.plan[cl.plan]
    source = s.host_source[i]
    n = source.n
    if n == 0:
        return -1
    if plan.policy == RANDOM:
        return s.member[source.at + number % n]
    if source.weighted == 1:
        at = source.due_at + 2 * n * worker
        k = first_due(s, at, n)
        h = s.member[source.at + k]
        set_back(s, row, at + 2 * k, weigh(s, row, h))
        return h
    if plan.policy == ROUND_ROBIN:
        turn = s.due[source.turn + worker]
        s.due[source.turn + worker] = turn + 1
        return s.member[source.at + turn % n]
    if plan.full_scan == 1:
        return least_active(s, source.at, n, number)
    best = s.member[source.at + below(number, n)]
    for _ in range(1, cl.choice):
        number = mix(number)
        other = s.member[source.at + below(number, n)]
        if s.host[other].active < s.host[best].active:
            best = other
    return best


def loaded(s: State, plan_row: i64, percent: i64) -> i64:
    """The level, times 2, plus 1 for its degraded hosts, that a number of 1 to 100 falls to (choosePriority)."""
    plan = s.plan[plan_row]
    for degraded in range(2):
        for i in range(plan.level_n):
            level = s.level[plan.level_at + i]
            if degraded == 1:
                percent -= level.degraded_share
            else:
                percent -= level.share
            if percent <= 0:
                return 2 * i + degraded
    return 0


def available(s: State, plan_row: i64, i: i64, excluded: i64) -> i64:
    """Availability of a level (`i` even: of its healthy hosts, odd: of its degraded ones) unless it is excluded."""
    if (excluded >> (i >> 1)) & 1 == 1:
        return 0
    level = s.level[s.plan[plan_row].level_at + (i >> 1)]
    if i & 1 == 1:
        return level.degraded
    return level.health


def sum_available(s: State, plan_row: i64, excluded: i64) -> i64:
    """Availability of all levels but the excluded ones, at most 100."""
    total = 0
    for i in range(2 * s.plan[plan_row].level_n):
        total += available(s, plan_row, i, excluded)
    return least(total, 100)


def reloaded(s: State, plan_row: i64, excluded: i64, percent: i64) -> i64:
    """What `loaded` says once the load is spread over the levels that are not excluded.

    Envoy source/extensions/retry/priority/previous_priorities/previous_priorities.cc, adjustForAttemptedPriorities: as
    many rounds over the levels as use up the 100 %, so that later rounds add to the shares of the first.
    """
    n = s.plan[plan_row].level_n
    total = sum_available(s, plan_row, excluded)
    for degraded in range(2):
        for level in range(n):
            share = 0
            left = 100
            while left > 0:
                for turn in range(2 * n):
                    i = 2 * turn
                    if turn >= n:
                        i = 2 * (turn - n) + 1
                    part = least(left, available(s, plan_row, i, excluded) * 100 // total)
                    left -= part
                    if i == 2 * level + degraded:
                        share += part
            percent -= share
            if percent <= 0:
                return 2 * level + degraded
    return 0


def draw_level(s: State, r: i64, plan_row: i64, percent: i64) -> i64:
    """The level and kind of hosts of a try; retries may prefer levels that were not tried yet.

    The attempts so far are gone through as the plugin meets them: each `update_frequency` of them their levels are
    excluded, and when none is left all are allowed again.
    """
    q = s.req[r]
    frequency = s.route[q.route].priorities
    if frequency == 0 or q.tries < frequency:
        return loaded(s, plan_row, percent)
    width = s.ctl[0].tried_width
    excluded = 0
    seen = 0
    adjusted = 0
    for i in range(least(q.tries, width)):
        seen |= 1 << s.host[s.tried[r * width + i]].level
        adjusted += 1
        if adjusted % frequency == 0:
            excluded |= seen
            if sum_available(s, plan_row, excluded) == 0:
                excluded = 0
                seen = 0
                adjusted = 0
                if sum_available(s, plan_row, 0) == 0:
                    return loaded(s, plan_row, percent)
                if i == q.tries - 1:
                    return reloaded(s, plan_row, 0, percent)
    if adjusted < frequency:
        return loaded(s, plan_row, percent)
    return reloaded(s, plan_row, excluded, percent)


def choose_zone(s: State, row: i64, lv: i64, number: i64) -> i64:
    """Number of the locality that zone aware routing sends a request to (tryChooseLocalLocalityHosts)."""
    level = s.level[lv]
    plan = s.plan[s.cluster[row].plan]
    if plan.zone == ZONE_DIRECT or below(mix(number), 10_000) < plan.zone_share:
        return 0
    first = level.source_at + FIRST_LOCALITY
    capacity = s.host_source[first + level.localities - 1].residual
    if capacity == 0:
        return below(mix(number + 1), level.localities)
    threshold = below(mix(number + 1), capacity)
    i = 0
    while threshold >= s.host_source[first + i].residual:
        i += 1
    return i


def pick_in_level(s: State, row: i64, choice: i64, worker: i64, number: i64) -> i64:
    """A host of a level: out of a locality, or out of all its healthy, degraded or (in panic) known hosts.

    Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, hostSourceToUse.
    """
    cl = s.cluster[row]
    plan = s.plan[cl.plan]
    degraded = choice & 1
    lv = plan.level_at + (choice >> 1)
    level = s.level[lv]
    own = mix(number + 2)
    if plan.policy == RANDOM:
        # Envoy's random balancer takes the number that chose the priority for the host too.
        own = number
    if level.panic == 1:
        cl.lb_panic += 1
        if plan.fail_on_panic == 1:
            return -1
        return pick_from(s, row, level.source_at + ALL_HOSTS, worker, own)
    first = level.source_at + FIRST_LOCALITY + degraded * level.localities
    if (level.scheduled >> degraded) & 1 == 1:
        at = level.due_at + 2 * level.localities * (2 * worker + degraded)
        k = first_due(s, at, level.localities)
        set_back(s, row, at + 2 * k, s.host_source[first + k].step)
        return pick_from(s, row, first + k, worker, own)
    routed = plan.zone != ZONE_OFF and choice < 2 and below(mix(number + 3), 100) < plan.routing_percent
    if routed and plan.zone == ZONE_UNKNOWN and plan.fail_on_panic == 1:
        return -1
    if routed and plan.zone != ZONE_UNKNOWN:
        return pick_from(s, row, first + choose_zone(s, row, lv, number), worker, own)
    return pick_from(s, row, level.source_at + HEALTHY_HOSTS + degraded, worker, own)


def rest(key: i64, n: i64) -> i64:
    """The rest of an unsigned 64-bit number, given less 2^63, divided by `n` below 2^30."""
    high = (key >> 32) + 0x80000000
    return ((high % n) * 0x100000000 + (key & 0xFFFFFFFF)) % n


def look_up(s: State, policy: i64, lv: i64, key: i64, again: i64) -> i64:
    """Number in the list `HASHED_HOSTS` of the host that a hash falls to; `again` counts refused hosts.

    Envoy source/extensions/load_balancing_policies/maglev/maglev_lb.cc and ring_hash/ring_hash_lb.cc, chooseHost. A
    ring is its hashes in order, then the hosts they belong to.
    """
    level = s.level[lv]
    n = level.table_n
    if policy == MAGLEV:
        if again > 0:
            key = key ^ -again
        return s.table[level.table_at + rest(key, n)]
    low = 0
    high = n
    while low < high:
        middle = (low + high) >> 1
        if s.table[level.table_at + middle] < key:
            low = middle + 1
        else:
            high = middle
    return s.table[level.table_at + n + (low + again) % n]


def all_active(s: State, row: i64) -> i64:
    """Requests under way at a cluster, given it or one of its subsets."""
    if s.cluster[row].owner > 0:
        row = s.cluster[row].owner - 1
    active = s.cluster[row].active
    if s.cluster[row].high > 0:
        active += s.cluster[s.cluster[row].high - 1].active
    return active


def overload(s: State, row: i64, lv: i64, k: i64) -> float:
    """How full the bounded load of a hashed host is, 1 = just full (thread_aware_lb_impl.cc, hostOverloadFactor)."""
    cl = s.cluster[row]
    source = s.host_source[s.level[lv].source_at + HASHED_HOSTS]
    total = ((all_active(s, row) + 1) * s.plan[cl.plan].balance_factor + 99) // 100
    slots = math.ceil(total * (s.due[source.due_at + k] * 2.168404344971009e-19))
    if slots < 1:
        slots = 1
    return s.host[s.member[source.at + k]].active / slots


def seed_twister(s: State, seed: i64) -> None:
    """Set up a Mersenne twister (std::mt19937)."""
    word = seed & 0xFFFFFFFF
    s.twister[0] = word
    for i in range(1, TWISTER):
        word = (1812433253 * (word ^ (word >> 30)) + i) & 0xFFFFFFFF
        s.twister[i] = word


def twist(s: State, turn: i64) -> i64:
    """Its number `turn`, asked for in order."""
    i = turn % TWISTER
    word = (s.twister[i] & 0x80000000) | (s.twister[(i + 1) % TWISTER] & 0x7FFFFFFF)
    mixed = s.twister[(i + 397) % TWISTER] ^ (word >> 1)
    if word & 1 == 1:
        mixed = mixed ^ 0x9908B0DF
    s.twister[i] = mixed
    mixed = mixed ^ (mixed >> 11)
    mixed = mixed ^ ((mixed << 7) & 0x9D2C5680)
    mixed = mixed ^ ((mixed << 15) & 0xEFC60000)
    return mixed ^ (mixed >> 18)


def pick_bounded(s: State, row: i64, lv: i64, key: i64, first: i64) -> i64:
    """The next host with room, in an order that the hash decides, else the least overloaded one.

    Envoy source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc, BoundedLoadHashingLoadBalancer: a
    Fisher-Yates shuffle of the hosts driven by std::mt19937; the shuffled numbers stand behind the twister's words.
    """
    factor = overload(s, row, lv, first)
    if factor <= 1.0:
        return first
    n = s.host_source[s.level[lv].source_at + HASHED_HOSTS].n
    seed_twister(s, key)
    for i in range(n):
        s.twister[TWISTER + i] = i
    best = first
    turn = 0
    for i in range(n):
        left = n - i
        j = left
        while j >= left:
            j = twist(s, turn) // (0x100000000 // left)
            turn += 1
        k = s.twister[TWISTER + i + j]
        s.twister[TWISTER + i + j] = s.twister[TWISTER + i]
        s.twister[TWISTER + i] = k
        if k != first:
            other = overload(s, row, lv, k)
            if other <= 1.0:
                return k
            if other < factor:
                best = k
                factor = other
    return best


def session_key(s: State, r: i64) -> i64:
    """The hash of the client of a request: of its user, or of the session it belongs to."""
    q = s.req[r]
    route = s.route[q.route]
    number = 0
    identity = q.id
    if q.source >= 0:
        src = s.source[q.source]
        if q.user >= 0:
            number = q.user - src.user_at
            identity = s.user[q.user].id
        elif src.sessions > 0:
            number = below(draw(q.root, P_SESSION), src.sessions)
            identity = mix(src.id + number)
    if route.key_n > 0:
        return s.session_key[route.key_at + number % route.key_n]
    return (draw(identity, P_SESSION) - (1 << 61)) << 2


def pick_hashed(s: State, r: i64, row: i64, number: i64, again: i64) -> i64:
    """A host by the request's key, which also chooses the priority (thread_aware_lb_impl.cc, chooseHost).

    DEVIATION: a hash of what differs between a flow's clients (generated cookies, addresses outside the mesh) is drawn
    for each user of a closed loop, each session of an open one and, without sessions, for each request.
    """
    cl = s.cluster[row]
    q = s.req[r]
    plan = s.plan[cl.plan]
    route = s.route[q.route]
    key = (number - (1 << 61)) << 2
    if route.hashed == HASH_FIXED and q.mirror == 0:
        key = route.hash
    elif route.hashed == HASH_SESSION and q.mirror == 0:
        key = session_key(s, r)
    lv = plan.level_at + (loaded(s, cl.plan, rest(key, 100) + 1) >> 1)
    level = s.level[lv]
    if level.panic == 1 and again == 0:
        cl.lb_panic += 1
    if level.table_n == 0:
        return -1
    k = look_up(s, plan.policy, lv, key, again)
    if plan.balance_factor > 0:
        k = pick_bounded(s, row, lv, key, k)
    return s.member[s.host_source[level.source_at + HASHED_HOSTS].at + k]


def pick_planned(s: State, r: i64, row: i64, number: i64, again: i64) -> i64:
    """One choice of a host in a cluster without a single list of equal hosts, -1 when none may be used."""
    cl = s.cluster[row]
    if cl.plan < 0:
        return -1
    q = s.req[r]
    if s.plan[cl.plan].policy >= RING_HASH:
        if again > 0:
            number = draw(mix(q.id + (q.tries + 1) * STEP), P_PICK)
        return pick_hashed(s, r, row, number, again)
    choice = draw_level(s, r, cl.plan, number % 100 + 1)
    return pick_in_level(s, row, choice, q.worker, number)


def pick(s: State, r: i64, row: i64, number: i64, again: i64) -> i64:
    """One choice of a host by a cluster's policy, -1 when it has none that may be used."""
    cl = s.cluster[row]
    n = cl.view_n
    if n == 0:
        return pick_planned(s, r, row, number, again)
    if n == 1 or cl.policy == ORIGINAL_DST:
        return viewed(s, row, 0)
    if cl.policy == RANDOM:
        return viewed(s, row, below(number, n))
    if cl.policy == ROUND_ROBIN:
        turn = s.turn[cl.rr + s.req[r].worker]
        s.turn[cl.rr + s.req[r].worker] = turn + 1
        return viewed(s, row, turn % n)
    best = viewed(s, row, below(number, n))
    for _ in range(1, cl.choice):
        number = mix(number)
        other = viewed(s, row, below(number, n))
        if s.host[other].active < s.host[best].active:
            best = other
    return best


def choose_host(s: State, r: i64, row: i64, identity: i64) -> i64:
    """The host of the next try: on retries the retry host predicates ask again, the last candidate stands.

    Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, chooseHost.
    """
    q = s.req[r]
    h = pick(s, r, row, draw(identity, P_PICK), 0)
    if q.tries == 0 or h < 0:
        return h
    width = s.ctl[0].tried_width
    route = s.route[q.route]
    again = 0
    while again < route.reselect:
        refused = s.host[h].marks & route.avoided
        if route.revisits == 0:
            for i in range(r * width, r * width + least(q.tries, width)):
                if s.tried[i] == h:
                    refused = 1
        if refused == 0:
            return h
        again += 1
        h = pick(s, r, row, draw(identity, P_PICK + 64 + again), again)
    return h


def usable(health: i64) -> bool:
    """Whether a host of this health takes requests outside of panic."""
    return health == HEALTHY or health == DEGRADED


def view_hosts(s: State, row: i64) -> None:
    """What the balancer sees from now on: the healthy hosts in their order, or all of them in panic.

    Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, for one priority: no panic while
    140 % of the healthy share reaches 100; otherwise panic below the threshold, 0 = never.
    """
    cl = s.cluster[row]
    if cl.drops & DROPS != 0:
        take_drop(s, row)
    n = 0
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        if host.healthy == HEALTHY and host.ejected == 0:
            s.seen[cl.host_at + n] = s.hosts[i]
            n += 1
    cl.use_all = 0
    if cl.host_n > 0 and 140 * n // cl.host_n < 100 and 100 * n < cl.panic * cl.host_n:
        cl.use_all = 1
        n = cl.host_n
        for i in range(cl.host_at, cl.host_at + n):
            s.seen[i] = s.hosts[i]
    cl.view_n = n
    cl.first = s.seen[cl.host_at]
    for i in range(1, n):
        if s.seen[cl.host_at + i] != cl.first + i:
            cl.first = -1
            return


def take_drop(s: State, row: i64) -> None:
    """What an assignment has dropped counts from the next time on that the event loops learn of its hosts.

    Envoy source/common/upstream/cluster_manager_impl.cc, postThreadLocalClusterUpdate.
    """
    cl = s.cluster[row]
    cl.drop = cl.next_drop
    if cl.drop == 0:
        cl.drops &= IN_CONTEXT | SESSIONS


def show_level(s: State, lv: i64) -> None:
    """Tell the balancer of a planned cluster how the hosts of a priority are; it is planned anew before the next event.

    Weights are read when hosts are picked, as Envoy's balancers do.
    """
    c = s.ctl[0]
    level = s.level[lv]
    level.updated = c.now
    level.merging = 0
    cl = s.cluster[level.cluster]
    if cl.plan < 0:
        return
    if cl.drops & DROPS != 0:
        take_drop(s, level.cluster)
    priority = lv - s.plan[cl.plan].level_at
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        if host.level == priority:
            host.shown = host.healthy
            if host.ejected == 1 and host.healthy != EXCLUDED:
                host.shown = UNHEALTHY
    level.stale = 1
    c.stale = level.cluster + 1
    if cl.kin > 0:
        show_subsets(s, level.cluster, priority)


def show_subsets(s: State, row: i64, priority: i64) -> None:
    """The balancers of a cluster's subsets learn of a priority what the cluster's own has learnt (refreshSubsets)."""
    subset = s.cluster[row].kin - 1
    while subset >= 0:
        if s.cluster[subset].plan >= 0:
            s.level[s.plan[s.cluster[subset].plan].level_at + priority].stale = 1
        subset = s.cluster[subset].kin - 1


def change_subset(s: State, row: i64, base: i64, at: i64, n: i64) -> None:
    """A subset has the hosts that stand in the payload, which its cluster has too."""
    cl = s.cluster[row]
    cl.host_at = base
    cl.host_n = n
    for i in range(n):
        s.hosts[base + i] = s.payload[at + i]
    if cl.plan >= 0:
        plan = s.plan[cl.plan]
        for i in range(plan.level_n):
            s.level[plan.level_at + i].stale = 1
        s.ctl[0].stale = cl.owner


def change_health(s: State, row: i64) -> None:
    """A host of a cluster was ejected or is back: the balancer learns at once or when the merge window ends.

    Envoy source/common/upstream/cluster_manager_impl.cc, scheduleUpdate: a second health-only change of a priority
    within the window waits for one whole window from then. Every host's health is a change of all priorities
    (upstream_impl.cc, reloadHealthyHostsHelper).
    """
    c = s.ctl[0]
    cl = s.cluster[row]
    if cl.plan >= 0:
        plan = s.plan[cl.plan]
        for lv in range(plan.level_at, plan.level_at + plan.level_n):
            level = s.level[lv]
            if cl.merge == 0 or c.now - level.updated > cl.merge:
                show_level(s, lv)
            elif level.merging == 0:
                level.merging = c.now + cl.merge
                schedule(s, level.merging, EV_LEVEL, lv)
    elif cl.merge == 0 or c.now - cl.updated > cl.merge:
        cl.updated = c.now
        cl.merging = 0
        view_hosts(s, row)
    elif cl.merging == 0:
        cl.merging = c.now + cl.merge
        schedule(s, cl.merging, EV_VIEW, row)


def touch_level(s: State, row: i64, h: i64) -> None:
    """Note what a new host list changes in the priority of a host."""
    plan = s.cluster[row].plan
    if plan >= 0:
        s.level[s.plan[plan].level_at + s.host[h].level].touched = 1


def change_levels(s: State, row: i64, first: bool) -> None:
    """A planned cluster has a new host list: the balancer learns of each priority that it touched."""
    plan = s.plan[s.cluster[row].plan]
    for i in range(plan.level_n):
        level = s.level[plan.level_at + i]
        if level.touched == 1:
            before = level.updated
            show_level(s, plan.level_at + i)
            if first:
                level.updated = before
        level.touched = 0


def change_plan(s: State, row: i64, plan: i64) -> None:
    """A cluster is balanced by a plan from now on, or by a plan with more priorities than before."""
    cl = s.cluster[row]
    old = cl.plan
    cl.plan = plan
    cl.view_n = 0
    at = s.plan[plan].level_at
    if old < 0:
        cl.merging = 0
        if cl.host_n > 0:
            show_level(s, at)
        s.level[at].updated = cl.updated
        return
    s.ctl[0].stale = row + 1
    for i in range(s.plan[old].level_n):
        before = s.level[s.plan[old].level_at + i]
        level = s.level[at + i]
        level.updated = before.updated
        level.merging = before.merging
        before.merging = 0
        if level.merging > 0:
            schedule(s, level.merging, EV_LEVEL, at + i)


# ---------------------------------------------------------------------------------------------------------------------
# Tries and connections
# ---------------------------------------------------------------------------------------------------------------------


def take_attempt(s: State, r: i64, row: i64, h: i64, identity: i64) -> i64:
    """A new attempt of request `r` at host `h`."""
    c = s.ctl[0]
    q = s.req[r]
    a = c.att_free
    t = s.att[a]
    c.att_free = t.next
    c.att_free_n -= 1
    c.attempts += 1
    host = s.host[h]
    t.id = identity
    t.next = -1
    t.open = 1
    t.events = 0
    t.listed = 0
    t.phase = PENDING
    t.req = r
    t.number = q.tries
    t.cluster = row
    t.host = h
    t.conn = -1
    t.attached = 0
    t.pod = host.pod
    t.handler = host.handler
    t.sampled = q.sampled
    t.class_there = q.class_there
    t.station = -1
    t.how = ANSWERED
    t.status = 0
    t.met = 0
    t.killed = 0
    if q.sampled == 1:
        trace = s.trace[a]
        trace.req_id = q.id
        trace.root = q.root
        trace.start = c.now
        trace.arrived = 0
        trace.served = 0
        trace.done = 0
    q.att = a
    q.host = h
    return a


def dropped(s: State, r: i64, row: i64) -> bool:
    """Whether a request ends because its cluster's assignment has some dropped (router.cc, checkDropOverload)."""
    q = s.req[r]
    drop = s.cluster[row].drop
    if s.cluster[row].drops & IN_CONTEXT != 0:
        drop = s.cluster[s.cluster[row].owner - 1].drop
    if below(draw(q.id, P_DROP), MILLION) >= drop:
        return False
    q.status = 503
    if drop >= MILLION:
        q.flags |= UDO
    else:
        q.flags |= DO
    note_status(s, row, 503)
    push(s, DO_FINISH, r)
    return True


def try_upstream(s: State, r: i64) -> None:
    """Choose a host and give the request to its connection pool."""
    c = s.ctl[0]
    q = s.req[r]
    if q.live == 0:
        return
    row = s.cluster_row[q.cid]
    h = -1
    identity = mix(q.id + (q.tries + 1) * STEP)
    if row >= 0:
        if s.cluster[row].drops > 0 and diverted(s, r, row):
            return
        h = choose_host(s, r, row, identity)
    if h < 0:
        find_none(s, r, row)
        return
    cl = s.cluster[row]
    if cl.use_all == 1:
        cl.lb_panic += 1
    if q.tries < c.tried_width:
        s.tried[r * c.tried_width + q.tries] = h
    q.tries += 1
    q.row = row
    a = take_attempt(s, r, row, h, identity)
    t = s.att[a]
    k = ready_connection(s, h, q.worker, row)
    if k >= 0:
        t.conn = k
        attach(s, a)
    else:
        await_connection(s, a, s.host[h].pool + q.worker)
    if q.mirrored < s.route[q.route].mirror_n:
        push(s, DO_MIRROR, r)


def find_none(s: State, r: i64, row: i64) -> None:
    """A request has no host; `row` is -1 where its cluster is gone."""
    q = s.req[r]
    q.status = 503
    if s.route[q.route].timeout_status == 0:
        q.status = 0
    q.flags |= UH
    if row >= 0:
        cl = s.cluster[row]
        if cl.host_n == 0 and cl.panic > 0 and cl.drops & IN_CONTEXT == 0 and cl.policy != ORIGINAL_DST:
            cl.lb_panic += 1
        note(s, row, NONE_HEALTHY)
        if q.status > 0:
            note_status(s, row, 503)
    push(s, DO_FINISH, r)


def await_connection(s: State, a: i64, pool: i64) -> None:
    """An attempt waits in its pool for a connection, unless too many do."""
    t = s.att[a]
    cl = s.cluster[t.cluster]
    if cl.pending >= cl.max_pending:
        cl.rq_pending_overflow += 1
        t.how = OVERFLOW
        push(s, DO_END, a)
        return
    p = s.pool[pool]
    cl.pending += 1
    cl.rq_pending_total += 1
    p.pending += 1
    t.listed = 1
    if cl.pools > 0:
        s.trace[a].sent = pool
    if p.head < 0:
        p.head = a
    else:
        s.att[p.tail].next = a
    p.tail = a
    push(s, DO_POOL, pool)


def diverted(s: State, r: i64, row: i64) -> bool:
    """Whether a try is over or goes on another way: its cluster drops it or lacks a connection for it, or it is one in
    a context."""
    drops = s.cluster[row].drops
    if drops & SESSIONS != 0:
        return session_refused(s, r, row)
    if drops & DROPS != 0 and s.req[r].tries == 0 and dropped(s, r, row):
        return True
    if drops & IN_CONTEXT != 0:
        try_in_context(s, r, row)
        return True
    return False


def try_in_context(s: State, r: i64, row: i64) -> None:
    """Choose a host where the route asks for more than a cluster, and give the request to its connection pool.

    Envoy source/extensions/load_balancing_policies/subset/subset_lb.cc, chooseHostIteration: what a subset's balancer
    does not find another one may; source/common/upstream/cluster_manager_impl.cc, httpConnPoolImpl: pools and limits
    by priority.
    """
    c = s.ctl[0]
    q = s.req[r]
    context = s.cluster[row]
    if s.cluster[context.counts].drops & SESSIONS != 0 and session_refused(s, r, context.counts):
        return
    identity = mix(q.id + (q.tries + 1) * STEP)
    h = -1
    i = 0
    ahead = -1
    if s.cluster[context.counts].predict > 0 and context.chain_n == 1:
        asked = s.payload[context.chain_at]
        if asked >= 0 and s.cluster[asked].peek_at > 0:
            ahead = s.cluster[asked].peek_at + q.worker * (PEEK_HEAD + PEEKS)
            h = peeked(s, ahead)
    while h < 0 and i < context.chain_n:
        asked = s.payload[context.chain_at + i]
        if asked < 0:
            h = -1 - asked
        else:
            h = choose_host(s, r, asked, identity)
            if h >= 0 and s.cluster[asked].use_all == 1:
                s.cluster[asked].lb_panic += 1
        i += 1
    if h < 0:
        find_none(s, r, row)
        return
    pool = own_pool(s, r, h, context.counts)
    if s.cluster[context.counts].max_pools > 0 and lacks_pool(s, pool, context.counts):
        find_no_pool(s, r, pool, context.counts)
        return
    if ahead >= 0:
        connect_before(s, r, asked, context.counts, ahead)
    if q.tries < c.tried_width:
        s.tried[r * c.tried_width + q.tries] = h
    q.tries += 1
    q.row = context.counts
    a = take_attempt(s, r, context.counts, h, identity)
    if q.mirrored < s.route[q.route].mirror_n:
        push(s, DO_MIRROR, r)
    k = find_connection(s, pool, context.counts)
    if k >= 0:
        s.att[a].conn = k
        attach(s, a)
        if s.cluster[context.counts].preconnect > 0:
            look_ahead_of(s, a, pool)
    else:
        await_connection(s, a, pool)


def lacks_pool(s: State, pool: i64, row: i64) -> bool:
    """Whether a pool is a new one, as it has neither connections nor streams that wait, and one too many.

    Envoy source/common/upstream/conn_pool_map_impl.h, getPool: all those of a cluster for one priority count.
    """
    if s.pool[pool].count > 0 or s.pool[pool].head >= 0:
        return False
    owner = s.cluster[s.host[s.pool[pool].host].cluster]
    count = 0
    for i in range(owner.host_at, owner.host_at + owner.host_n):
        other = s.host[s.hosts[i]].pool
        while other >= 0:
            count += pool_row(s, other) == row and (s.pool[other].count > 0 or s.pool[other].head >= 0)
            other = next_pool(s, other)
    return count >= s.cluster[row].max_pools - 1


def find_no_pool(s: State, r: i64, pool: i64, row: i64) -> None:
    """A request's host may have no pool: to its client it is as if there was no host."""
    q = s.req[r]
    if s.cluster[row].pools > 0:
        give_pool(s, pool)
    note(s, row, CX_POOLS)
    q.status = 503
    q.flags |= UH
    note_status(s, row, 503)
    push(s, DO_FINISH, r)


def line_of(s: State, r: i64) -> i64:
    """The downstream connection of a request, as long as that is open; shadows have none (0).

    DEVIATION: clients of open loops have a connection for each request unless they belong to sessions; callers have as
    many as they make calls at once.
    """
    q = s.req[r]
    if q.mirror == 1:
        return 0
    if s.lines[2 * r] != q.gen + 1:
        identity = q.root
        if q.user >= 0:
            identity = s.user[q.user].id
        elif q.parent >= 0:
            pod = s.pod[s.flow[q.flow].pod]
            identity = mix(pod.id + pod.calling * STEP)
        elif q.source >= 0 and s.source[q.source].sessions > 0:
            number = below(draw(q.root, P_SESSION), s.source[q.source].sessions)
            identity = mix(s.source[q.source].id + number)
        s.lines[2 * r] = q.gen + 1
        s.lines[2 * r + 1] = identity
    return s.lines[2 * r + 1]


def own_pool(s: State, r: i64, h: i64, row: i64) -> i64:
    """The pool at a host for a request that counts against the limits of `row`; it is made if there is none."""
    q = s.req[r]
    first = s.host[h].pool + q.worker
    cl = s.cluster[row]
    if cl.pools == 0:
        return first
    line = 0
    if cl.pools & BY_CONNECTION != 0:
        line = line_of(s, r)
    pool = s.pool_key[first].next - 1
    while pool >= 0:
        key = s.pool_key[pool]
        if key.row == row + 1 and key.line == line:
            return pool
        pool = key.next - 1
    c = s.ctl[0]
    pool = c.pool_free
    key = s.pool_key[pool]
    c.pool_free = key.next - 1
    c.pool_free_n -= 1
    if c.pool_free_n < 4 * TOGETHER:
        c.pools_short |= 1
    key.line = line
    key.row = row + 1
    key.worker = q.worker
    key.next = s.pool_key[first].next
    s.pool_key[first].next = pool + 1
    s.pool[pool].host = h
    return pool


def give_pool(s: State, pool: i64) -> None:
    """A pool that is told from others goes as soon as nothing is left in it (cluster_manager_impl.cc, poolIsIdle)."""
    p = s.pool[pool]
    key = s.pool_key[pool]
    if key.row == 0 or p.count > 0 or p.head >= 0:
        return
    while p.conn >= 0:
        k = p.conn
        p.conn = s.conn[k].next
        s.conn[k].idle = 0
        give_connection(s, k)
    before = s.host[p.host].pool + key.worker
    while s.pool_key[before].next != pool + 1:
        before = s.pool_key[before].next - 1
    s.pool_key[before].next = key.next
    c = s.ctl[0]
    key.row = 0
    key.next = c.pool_free + 1
    c.pool_free = pool
    c.pool_free_n += 1


def pool_row(s: State, pool: i64) -> i64:
    """Whose limits the connections of a pool count against."""
    row = s.host[s.pool[pool].host].cluster
    if s.cluster[row].high + s.cluster[row].pools > 0 and s.pool_key[pool].row > 0:
        return s.pool_key[pool].row - 1
    return row


def pool_worker(s: State, pool: i64) -> i64:
    """The event loop that a pool belongs to."""
    row = s.host[s.pool[pool].host].cluster
    if s.cluster[row].high + s.cluster[row].pools > 0 and s.pool_key[pool].row > 0:
        return s.pool_key[pool].worker
    return pool - s.host[s.pool[pool].host].pool


def next_pool(s: State, pool: i64) -> i64:
    """The next of all pools of a host, -1 after the last; the first is that of its first event loop."""
    h = s.pool[pool].host
    row = s.host[h].cluster
    worker = pool_worker(s, pool)
    if s.cluster[row].high + s.cluster[row].pools > 0 and s.pool_key[pool].next > 0:
        return s.pool_key[pool].next - 1
    if worker + 1 < s.cluster[row].workers:
        return s.host[h].pool + worker + 1
    return -1


def lacks_connection(s: State, pool: i64, row: i64) -> bool:
    """Whether a pool is to open another connection: beyond those that its pending streams need where more are wanted.

    Envoy source/common/conn_pool/conn_pool_base.cc, shouldCreateNewConnection, shouldConnect.
    """
    p = s.pool[pool]
    cl = s.cluster[row]
    host = s.host[p.host]
    if cl.preconnect == 0 or host.healthy != HEALTHY or host.ejected == 1:
        return p.connecting * cl.room < p.pending
    active = running(s, pool, row)
    return (p.pending + active) * cl.preconnect > 1000 * (spare(s, pool, row) + active)


def running(s: State, pool: i64, row: i64) -> i64:
    """The streams of a pool's connections."""
    p = s.pool[pool]
    if s.cluster[row].http2 == 1:
        return s.host[p.host].active
    ready = 0
    k = p.conn
    while k >= 0:
        ready += s.conn[k].state == READY
        k = s.conn[k].next
    return p.count - p.connecting - ready


def spare(s: State, pool: i64, row: i64) -> i64:
    """How many streams a pool's connections, those to come among them, can have beside those they have."""
    p = s.pool[pool]
    cl = s.cluster[row]
    free = p.connecting * cl.room
    k = p.conn
    while k >= 0:
        if s.conn[k].state == READY:
            free += unused(s, k, cl.streams, cl.per_connection)
        k = s.conn[k].next
    return free


def unused(s: State, k: i64, streams: i64, per_connection: i64) -> i64:
    """How many more streams a connection can have now (conn_pool_base.h, currentUnusedCapacity)."""
    conn = s.conn[k]
    if per_connection > 0:
        return least(streams - conn.streams, per_connection - conn.used)
    return streams - conn.streams


def connect_ahead(s: State, pool: i64, row: i64) -> None:
    """Open the connections that a pool lacks, three at most, and none but its first beyond the limits.

    Envoy source/common/conn_pool/conn_pool_base.cc, tryCreateNewConnections.

    DEVIATION: connections that HTTP/2 pools open ahead of their streams are told by all streams of a host together.
    """
    p = s.pool[pool]
    cl = s.cluster[row]
    made = 0
    while made < 3 and lacks_connection(s, pool, row):
        if cl.connections >= cl.max_connections or crowded(s, pool, row):
            cl.cx_overflow += 1
            if p.count == 0:
                dial(s, pool)
            return
        dial(s, pool)
        made += 1


def peek(s: State, r: i64, row: i64, at: i64) -> i64:
    """The host that a later request will get, -1 where that cannot be told or as many have been looked at as there are.

    Envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, peekAnotherHost.

    DEVIATION: requests are looked ahead for 30 at most, and never where least request picks by weight.
    """
    policy = s.cluster[row].policy
    if s.cluster[row].plan >= 0:
        policy = s.plan[s.cluster[row].plan].policy
    if s.turn[at] >= least(PEEKS, s.turn[at + 1]) or (policy != ROUND_ROBIN and policy != RANDOM):
        return -1
    h = pick(s, r, row, draw(mix(s.cluster[row].id + s.turn[at + 2] * STEP), P_PEEK), 0)
    if h >= 0:
        s.turn[at + PEEK_HEAD + s.turn[at]] = h
        s.turn[at] += 1
        s.turn[at + 2] += 1
    return h


def peeked(s: State, at: i64) -> i64:
    """The host that was looked at for the next request, -1 without."""
    h = -1
    while h < 0 and s.turn[at] > 0:
        h = s.turn[at + PEEK_HEAD]
        s.turn[at] -= 1
        for i in range(s.turn[at]):
            s.turn[at + PEEK_HEAD + i] = s.turn[at + PEEK_HEAD + 1 + i]
        if s.host[h].removed == 1 or s.host[h].healthy != HEALTHY or s.host[h].ejected == 1:
            h = -1
    return h


def connect_before(s: State, r: i64, row: i64, counts: i64, at: i64) -> None:
    """A stream is about to begin: open connections to the hosts of the next ones, three at most.

    Envoy source/common/upstream/cluster_manager_impl.cc, maybePreconnect.

    DEVIATION: streams and connections count by cluster; Envoy counts those of all clusters of an event loop together.
    """
    cl = s.cluster[row]
    worker = s.req[r].worker
    made = 0
    while made < 3:
        want = 1
        have = 0
        s.turn[at + 1] = 0
        for i in range(cl.host_at, cl.host_at + cl.host_n):
            host = s.host[s.hosts[i]]
            s.turn[at + 1] += host.healthy == HEALTHY and host.ejected == 0
            pool = host.pool
            while pool >= 0:
                if pool_worker(s, pool) == worker:
                    active = running(s, pool, counts)
                    want += s.pool[pool].pending + active
                    have += spare(s, pool, counts) + active
                pool = next_pool(s, pool)
        if want * s.cluster[counts].predict <= 1000 * have:
            return
        h = peek(s, r, row, at)
        if h < 0 or not dial_before(s, own_pool(s, r, h, counts), counts):
            return
        made += 1


def dial_before(s: State, pool: i64, row: i64) -> bool:
    """Open a connection for a stream that a pool does not have yet, if it lacks one (maybePreconnectImpl)."""
    p = s.pool[pool]
    cl = s.cluster[row]
    host = s.host[p.host]
    if host.healthy != HEALTHY or host.ejected == 1:
        if p.connecting * cl.room >= p.pending:
            return False
    else:
        active = running(s, pool, row)
        if (p.pending + active + 1) * cl.predict <= 1000 * (spare(s, pool, row) + active):
            return False
    if cl.connections >= cl.max_connections or crowded(s, pool, row):
        cl.cx_overflow += 1
        if p.count == 0:
            dial(s, pool)
        return False
    dial(s, pool)
    return True


def look_ahead_of(s: State, a: i64, pool: i64) -> None:
    """A stream has found a connection, or has been turned away from it: open those that the next ones will need."""
    t = s.att[a]
    turned_away = t.how == OVERFLOW
    s.conn[t.conn].streams -= turned_away
    connect_ahead(s, pool, t.cluster)
    s.conn[t.conn].streams += turned_away


def crowded(s: State, pool: i64, row: i64) -> bool:
    """Whether a host has as many connections as it may (Envoy source/common/upstream/upstream_impl.h,
    canCreateConnection: those of all its pools)."""
    most = s.cluster[row].host_connections - 1
    if most < 0:
        return False
    count = 0
    other = s.host[s.pool[pool].host].pool
    while other >= 0:
        count += s.pool[other].count
        other = next_pool(s, other)
    return count >= most


def ready_connection(s: State, h: i64, worker: i64, row: i64) -> i64:
    """A connection of an event loop to a host that can take a stream now, -1 without."""
    host = s.host[h]
    if worker == 0 and host.ready_0 >= 0:
        return host.ready_0
    if worker == 1 and host.ready_1 >= 0:
        return host.ready_1
    return find_connection(s, host.pool + worker, row)


def set_ready(s: State, pool: i64, k: i64) -> None:
    """Note beside a pool's host which connection new streams go to, or (-1) that the pool has to be asked."""
    h = s.pool[pool].host
    worker = pool - s.host[h].pool
    if worker == 0:
        s.host[h].ready_0 = k
    elif worker == 1:
        s.host[h].ready_1 = k


def find_connection(s: State, pool: i64, row: i64) -> i64:
    """A connection that can take a stream now, -1 without: the last one that became ready.

    Connections that have outlived a limit are found here: nobody else looks at them.
    """
    now = s.ctl[0].now
    p = s.pool[pool]
    cl = s.cluster[row]
    while p.conn >= 0:
        k = p.conn
        conn = s.conn[k]
        if conn.state == READY and cl.limits == 1:
            if cl.max_life > 0 and now - s.conn_age[k].opened >= cl.max_life:
                conn.state = DRAINING
                note(s, row, CX_LIFE)
                if conn.streams == 0:
                    close_connection(s, k)
        if conn.state == READY and cl.http2 == 1:
            if cl.limits == 0:
                set_ready(s, pool, k)
            return k
        p.conn = conn.next
        conn.idle = 0
        if conn.state == READY:
            return k
        give_connection(s, k)
    return -1


def serve_pool(s: State, pool: i64) -> None:
    """Give the first pending stream of a pool to a ready connection, or open one for it.

    Envoy source/common/conn_pool/conn_pool_base.cc: connecting capacity covers what is pending; beyond max_connections
    streams stay queued, but a pool without any connection always gets one.
    """
    p = s.pool[pool]
    while p.head >= 0 and s.att[p.head].open == 0:
        drop_head(s, pool)
    row = pool_row(s, pool)
    cl = s.cluster[row]
    if p.head < 0:
        if cl.pools > 0:
            give_pool(s, pool)
        return
    k = find_connection(s, pool, row)
    if k >= 0:
        a = p.head
        drop_head(s, pool)
        cl.pending -= 1
        p.pending -= 1
        s.att[a].conn = k
        push(s, DO_POOL, pool)
        push(s, DO_ATTACH, a)
        return
    connect_ahead(s, pool, row)


def drop_head(s: State, pool: i64) -> None:
    """Take the first attempt off a pool's list."""
    p = s.pool[pool]
    a = p.head
    p.head = s.att[a].next
    if p.head < 0:
        p.tail = -1
    s.att[a].listed = 0
    s.att[a].next = -1
    give_attempt(s, a)


def crypto(s: State, proxy: i64, station: i64, identity: i64, purpose: i64) -> i64:
    """CPU time a handshake costs one of its ends, which as a station is busy with it."""
    if proxy < 0:
        return 0
    span = sample(s, s.proxy[proxy].crypto, identity, purpose)
    if s.ctl[0].stations == 1 and span > 0 and station >= 0:
        if s.proxy[proxy].flushed > 0:
            return join_turn(s, proxy, station, span) - s.ctl[0].now
        return passage(s, proxy, station, span) - s.ctl[0].now
    return span


def dial(s: State, pool: i64) -> None:
    """Open a connection for the first pending stream of a pool.

    DEVIATION: both ends' handshake work is queued when the connection is begun, not round trip by round trip.
    """
    c = s.ctl[0]
    p = s.pool[pool]
    host = s.host[p.host]
    cl = s.cluster[pool_row(s, pool)]
    identity = mix(cl.id + cl.cx_total * STEP)
    if p.head >= 0:
        identity = s.att[p.head].id
    k = c.conn_free
    conn = s.conn[k]
    c.conn_free = conn.next
    c.conn_free_n -= 1
    conn.next = -1
    conn.pool = pool
    conn.host = p.host
    s.conn_age[k].pod = host.pod
    conn.state = CONNECTING
    conn.streams = 0
    conn.used = 0
    conn.station = -1
    conn.idle = 0
    s.conn_age[k].opened = c.now
    s.conn_age[k].used = 0
    conn.events = 0
    conn.failing = 0
    p.connecting += 1
    p.count += 1
    cl.connections += 1
    cl.cx_total += 1
    if host.pod >= 0 and s.pod[host.pod].proxy >= 0:
        server = s.proxy[s.pod[host.pod].proxy]
        own = mix(identity + (p.count - 1) * STEP) if p.count > 1 else identity
        conn.station = server.station + below(draw(own, P_STATION), server.workers)
    plan_connection(s, k, c.now, identity)


def plan_connection(s: State, k: i64, begin: i64, identity: i64) -> None:
    """Set when a connection whose first packet gets through at `begin` will be up, or will have failed."""
    conn = s.conn[k]
    age = s.conn_age[k]
    host = s.host[conn.host]
    cl = s.cluster[host.cluster]
    limit = age.opened + cl.connect_timeout
    conn.failing = 0
    there = -1
    if host.pod >= 0:
        there = s.pod[host.pod].proxy
        if s.pod[host.pod].state == POD_DEAD or (there < 0 and s.pod[host.pod].state == POD_DRAINING):
            conn.failing = 1
    if s.inbound[host.inbound].kind == IN_REFUSE:
        conn.failing = 1
    if host.reachable == 0:
        conn.failing = 2
        age.due = limit
    elif conn.failing == 1:
        age.due = begin + 2 * s.link[host.link].latency
    else:
        link = s.link[host.link]
        age.due = begin + host.rtts * 2 * link.latency
        if link.jitter > 0:
            for i in range(2 * host.rtts):
                age.due += int(exponential(s, draw(identity + i, P_HANDSHAKE)) * link.jitter)
        if host.rtts > 1:
            here = -1
            if cl.proxy >= 0:
                here = s.proxy[cl.proxy].station + pool_worker(s, conn.pool)
            age.due += crypto(s, cl.proxy, here, identity, P_CRYPTO)
            age.due += crypto(s, there, conn.station, identity, P_CRYPTO_IN)
    if age.due >= limit and conn.failing != 2:
        age.due = limit
        conn.failing = 1
    conn.events += 1
    if conn.failing > 0:
        schedule(s, age.due, EV_UNCONNECTED, k)
    else:
        schedule(s, age.due, EV_CONNECTED, k)


def on_connected(s: State, k: i64) -> None:
    """A connection is up, unless it was given up or redirected to another end meanwhile."""
    c = s.ctl[0]
    conn = s.conn[k]
    conn.events -= 1
    if conn.state != CONNECTING or s.conn_age[k].due != c.now or conn.failing > 0:
        give_connection(s, k)
        return
    p = s.pool[conn.pool]
    p.connecting -= 1
    conn.state = READY
    host = s.host[conn.host]
    if host.removed == 1 and p.head < 0:
        close_connection(s, k)
        push(s, DO_POOL, conn.pool)
        return
    rest_connection(s, k)
    if s.cluster[host.cluster].limits == 1:
        await_rest(s, k)
        if s.cluster[host.cluster].life_class >= 0:
            set_timer(s, s.cluster[host.cluster].life_class, k, s.conn_age[k].opened & SLOTS)
    push(s, DO_POOL, conn.pool)


def on_unconnected(s: State, k: i64) -> None:
    """A connection failed: all pending streams of its pool fail at once (purgePendingStreams)."""
    c = s.ctl[0]
    conn = s.conn[k]
    conn.events -= 1
    if conn.state != CONNECTING or s.conn_age[k].due != c.now or conn.failing == 0:
        give_connection(s, k)
        return
    p = s.pool[conn.pool]
    p.connecting -= 1
    pool = conn.pool
    row = pool_row(s, pool)
    s.cluster[row].cx_connect_fail += 1
    if c.now - s.conn_age[k].opened >= s.cluster[row].connect_timeout:
        note(s, row, CONNECT_TIMEOUT)
    close_connection(s, k)
    p.purge = p.pending
    push(s, DO_PURGE, pool)


def purge(s: State, pool: i64) -> None:
    """Fail the next of the streams that were pending when the connection failed."""
    p = s.pool[pool]
    while p.head >= 0 and s.att[p.head].open == 0:
        drop_head(s, pool)
    if p.purge < 0 and p.head >= 0:
        doom(s, pool)
        return
    if p.purge <= 0:
        p.purge = 0
        if p.head >= 0:
            push(s, DO_POOL, pool)
        elif s.cluster[pool_row(s, pool)].pools > 0:
            give_pool(s, pool)
        return
    p.purge -= 1
    push(s, DO_PURGE, pool)
    if p.head >= 0:
        a = p.head
        s.att[a].how = UNCONNECTED
        push(s, DO_END, a)


def doom(s: State, pool: i64) -> None:
    """An HTTP/2 connection without room for another stream was closed by its other end: the first pending stream of its
    pool ends with it.

    Envoy source/common/http/codec_client.cc, onEvent: streams are reset one by one before the pool learns that the
    connection is gone; each that ends makes room for one that waits (conn_pool_base.cc, onStreamClosed).
    """
    p = s.pool[pool]
    a = p.head
    t = s.att[a]
    cl = s.cluster[t.cluster]
    p.purge += 1
    drop_head(s, pool)
    cl.pending -= 1
    p.pending -= 1
    t.attached = 1
    cl.active += 1
    cl.rq_total += 1
    s.host[t.host].active += 1
    t.how = TERMINATED
    if p.pending > 0:
        connect_ahead(s, pool, pool_row(s, pool))
    push(s, DO_PURGE, pool)
    push(s, DO_END, a)


def rest_connection(s: State, k: i64) -> None:
    """A connection can take another stream, first in line."""
    conn = s.conn[k]
    p = s.pool[conn.pool]
    conn.idle = 1
    s.conn_age[k].due = s.ctl[0].now
    conn.next = p.conn
    p.conn = k
    set_ready(s, conn.pool, -1)


def close_connection(s: State, k: i64) -> None:
    """Close a connection; its row lives on while a stream, a list or an event names it."""
    conn = s.conn[k]
    if conn.state != CLOSED:
        p = s.pool[conn.pool]
        p.count -= 1
        s.cluster[pool_row(s, conn.pool)].connections -= 1
        conn.state = CLOSED
        set_ready(s, conn.pool, -1)
    give_connection(s, k)


def await_rest(s: State, k: i64) -> None:
    """Set the idle timer of a connection that has no stream any more, where its cluster has one."""
    conn = s.conn[k]
    rest = s.cluster[s.host[conn.host].cluster].rest_class
    if rest >= 0 and conn.state == READY and conn.streams == 0:
        set_timer(s, rest, k, 0)


def close_rested(s: State, k: i64) -> None:
    """A connection has had no stream for too long (Envoy source/common/http/codec_client.cc, onIdleTimeout)."""
    note(s, s.host[s.conn[k].host].cluster, CX_IDLE)
    close_connection(s, k)


def outlive(s: State, k: i64) -> None:
    """A connection has been up for as long as it may: it takes no more streams, and closes when it has none.

    Envoy source/common/conn_pool/conn_pool_base.cc, onConnectionDurationTimeout.
    """
    conn = s.conn[k]
    pool = conn.pool
    note(s, pool_row(s, pool), CX_LIFE)
    go_away(s, k)
    if conn.streams == 0:
        close_connection(s, k)
        if s.pool[pool].head >= 0:
            push(s, DO_POOL, pool)


def go_away(s: State, k: i64) -> None:
    """The other end of an HTTP/2 connection takes no more streams (GOAWAY): it closes when those it has are over."""
    conn = s.conn[k]
    if conn.state == READY:
        conn.state = DRAINING
        set_ready(s, conn.pool, -1)


def drain_pools(s: State, h: i64) -> None:
    """A host was removed or became unhealthy: idle connections close, busy ones after their last stream, and those that
    are not up if nobody waits for them."""
    pool = s.host[h].pool
    while pool >= 0:
        p = s.pool[pool]
        k = p.conn
        while k >= 0:
            p.conn = s.conn[k].next
            s.conn[k].idle = 0
            if s.conn[k].streams == 0:
                close_connection(s, k)
            elif s.conn[k].state == READY:
                s.conn[k].state = DRAINING
            k = p.conn
        set_ready(s, pool, -1)
        if p.connecting > 0 and p.pending <= p.purge:
            close_connecting(s, pool)
        following = next_pool(s, pool)
        if s.cluster[pool_row(s, pool)].pools > 0:
            give_pool(s, pool)
        pool = following


def close_connecting(s: State, pool: i64) -> None:
    """A pool whose host went gives up the connections that nobody waits for.

    Envoy source/common/conn_pool/conn_pool_base.cc, closeIdleConnectionsForDrainingPool.
    """
    p = s.pool[pool]
    for k in range(len(s.conn)):
        if p.connecting == 0:
            return
        if s.conn[k].pool == pool and s.conn[k].state == CONNECTING:
            p.connecting -= 1
            s.cluster[pool_row(s, pool)].cx_connect_fail += 1
            close_connection(s, k)


def release_connection(s: State, a: i64) -> None:
    """An attempt leaves its connection: an unanswered HTTP/1 exchange closes it, HTTP/2 resets the stream alone."""
    t = s.att[a]
    conn = s.conn[t.conn]
    host = s.host[t.host]
    cl = s.cluster[t.cluster]
    pool = conn.pool
    conn.streams -= 1
    worn = cl.limits == 1 and ((cl.per_connection > 0 and conn.used >= cl.per_connection) or conn.state == DRAINING)
    if t.met > 0 and spoiled(s, a):
        worn = True
    if conn.state == CLOSED:
        give_connection(s, t.conn)
    elif cl.http2 == 1:
        if t.how == TERMINATED:
            if conn.state == READY and conn.idle == 0 and s.pool[pool].head >= 0:
                s.pool[pool].purge = -s.pool[pool].pending
                push(s, DO_PURGE, pool)
            close_connection(s, t.conn)
        elif conn.streams == 0 and (conn.state == DRAINING or host.removed == 1 or cl.retired == 1):
            close_connection(s, t.conn)
        elif conn.state == READY and conn.idle == 0:
            rest_connection(s, t.conn)
        elif conn.streams == 0 and cl.limits == 1:
            s.conn_age[t.conn].due = s.ctl[0].now
    elif t.how != ANSWERED and t.how != OVERFLOW:
        close_connection(s, t.conn)
    elif worn or host.removed == 1 or cl.retired == 1:
        close_connection(s, t.conn)
    else:
        rest_connection(s, t.conn)
    if cl.limits == 1:
        await_rest(s, t.conn)
    if (cl.pending > 0 and s.pool[pool].head >= 0 and conn.state != DRAINING) or (cl.limits == 1 and cl.pools > 0):
        push(s, DO_POOL, pool)
    t.conn = -1


def attach(s: State, a: i64) -> None:
    """A stream starts on a ready connection: the request is sent."""
    c = s.ctl[0]
    t = s.att[a]
    q = s.req[t.req]
    host = s.host[t.host]
    cl = s.cluster[t.cluster]
    conn = s.conn[t.conn]
    conn.streams += 1
    if cl.active >= cl.max_requests:
        cl.rq_active_overflow += 1
        t.how = OVERFLOW
        push(s, DO_END, a)
        return
    conn.used += 1
    if cl.http2 == 1:
        worn = cl.limits == 1 and cl.per_connection > 0 and conn.used >= cl.per_connection
        full = (cl.limits == 1 or conn.streams >= MANY_STREAMS) and conn.streams >= cl.streams
        if worn:
            conn.state = DRAINING
        if worn or full:
            s.pool[conn.pool].conn = conn.next
            conn.idle = 0
            set_ready(s, conn.pool, -1)
    cl.active += 1
    cl.rq_total += 1
    host.active += 1
    t.attached = 1
    t.station = conn.station
    if cl.split == 1:
        host.run_local = 0
        host.local_total += 1
        host.local_good += 1
    route = s.route[q.route]
    if route.slow == 1 and incomplete(s, a):
        return
    if route.try_class >= 0 and q.mirror == 0:
        set_timer(s, route.try_class, a, s.att_gen[a])
    if route.try_idle_class >= 0:
        set_timer(s, route.try_idle_class, a, s.att_gen[a])
    if cl.limits == 1:
        begin_limited(s, a)
    send(s, a, c.now)


def begin_limited(s: State, a: i64) -> None:
    """A stream starts in a cluster with limits: it may have a longest duration, or be a session, which is connected."""
    t = s.att[a]
    cl = s.cluster[t.cluster]
    if cl.duration_class >= 0:
        set_timer(s, cl.duration_class, a, s.att_gen[a])
    if cl.drops & SESSIONS != 0:
        begin_session(s, a)


def begin_session(s: State, a: i64) -> None:
    """A TCP session is connected: its host is well, and its idle time begins anew.

    Envoy source/common/tcp_proxy/tcp_proxy.cc, onUpstreamConnection.
    """
    t = s.att[a]
    q = s.req[t.req]
    cl = s.cluster[t.cluster]
    if cl.outlier == 1 and cl.split == 0:
        judge(s, t.cluster, t.host, ANSWERED, 200)
    idle = s.route[q.route].idle_class
    if idle >= 0 and q.tries == 1:
        set_timer(s, idle, t.req, q.gen)


# ---------------------------------------------------------------------------------------------------------------------
# The way there, the application, the way back
# ---------------------------------------------------------------------------------------------------------------------


def leg(s: State, h: i64, identity: i64, purpose: i64) -> i64:
    """Network time of one message between a caller and a host."""
    link = s.link[s.host[h].link]
    if link.jitter > 0:
        number = draw(identity, purpose)
        at = number & LAYER
        place = number >> 32
        layer = s.layer
        if place < layer[at]:
            return link.latency + int(place * layer[at + 1] * PLACE * link.jitter)
        return link.latency + int(at_edge(s, number) * link.jitter)
    return link.latency


def inbound_of(s: State, a: i64) -> i64:
    """Row of what an attempt meets at its host."""
    t = s.att[a]
    host = s.host[t.host]
    if t.class_there < host.classes:
        return host.inbound + t.class_there
    return host.inbound


def send(s: State, a: i64, when: i64) -> None:
    """The request leaves for its host at `when`, or is lost on the way."""
    c = s.ctl[0]
    t = s.att[a]
    host = s.host[t.host]
    lost = s.link[host.link].lost
    if lost > 0 and draw(t.id, P_LOST) < lost:
        t.phase = LOST
        return
    if host.reachable == 0:
        t.phase = HUNG_OUT
        s.trace[a].sent = c.now
        return
    t.phase = OUTWARD
    travel = leg(s, t.host, t.id, P_NET)
    if s.link[host.link].wire > 0:
        travel += s.flow[s.req[t.req].flow].size * s.link[host.link].wire // 1000
    t.events += 1
    met = inbound_of(s, a)
    if s.inbound[met].kind == IN_RESET:
        t.phase = OVER
        t.met = met + 1
        schedule(s, when + travel + s.link[host.link].latency, EV_RESET, a)
        return
    if c.stations == 0:
        travel += sample(s, s.cluster[t.cluster].outbound, t.id, P_OUT)
    if t.station < 0:
        schedule(s, when + travel, EV_ARRIVE, a)
    elif c.stations == 1:
        schedule(s, when + travel, EV_SERVER, a)
    else:
        travel += sample(s, s.pod[t.pod].inbound, t.id, P_IN)
        schedule(s, when + travel, EV_ARRIVE, a)


def on_server(s: State, a: i64) -> None:
    """The request has reached the event loop of the server's proxy that its connection belongs to."""
    t = s.att[a]
    t.events -= 1
    if t.killed == 1:
        give_attempt(s, a)
        return
    p = s.pod[t.pod].proxy
    span = sample(s, s.proxy[p].inbound, t.id, P_IN)
    t.events += 1
    if s.proxy[p].flushed > 0:
        schedule(s, join_turn(s, p, t.station, span), EV_TURN_IN, a)
        t.next = offset_in_turn(s, p, t.station)
    else:
        schedule(s, passage(s, p, t.station, span), EV_ARRIVE, a)


def on_arrive(s: State, a: i64) -> None:
    """The request has passed the server's proxy: to the application, or answered right there."""
    c = s.ctl[0]
    t = s.att[a]
    t.events -= 1
    if t.killed == 1:
        give_attempt(s, a)
        return
    if t.sampled == 1:
        s.trace[a].arrived = c.now
    if t.pod < 0:
        t.phase = SERVING
        s.trace[a].served = c.now
        t.events += 1
        schedule(s, c.now + sample(s, s.host[t.host].external, t.id, P_EXTERNAL), EV_SERVED, a)
        return
    pod = s.pod[t.pod]
    row = inbound_of(s, a)
    if s.inbound[row].handler > 0:
        t.handler = s.inbound[row].handler - 1
    if pod.state == POD_DEAD:
        reset_from_server(s, a)
    elif s.inbound[row].kind == IN_REPLY:
        answer(s, a, row)
    elif pod.state == POD_DRAINING:
        # The application has stopped listening: its own proxy cannot connect and answers for it, or hangs up.
        if t.station >= 0 and s.cluster[t.cluster].drops & SESSIONS == 0:
            respond(s, a, 503)
        else:
            reset_from_server(s, a)
    elif pod.workers > 0 and pod.busy >= pod.workers:
        if pod.bound >= 0 and pod.queued >= s.bound[pod.bound].queue_max:
            respond(s, a, s.bound[pod.bound].full_status)
            return
        t.phase = QUEUED
        t.listed = 1
        t.next = -1
        pod.queued += 1
        if pod.head < 0:
            pod.head = a
        else:
            s.att[pod.tail].next = a
        pod.tail = a
    else:
        begin_service(s, a)


def answer(s: State, a: i64, row: i64) -> None:
    """An attempt gets the answer or the reset that stands in a row of `inbound`."""
    s.att[a].met = row + 1
    if s.inbound[row].kind == IN_RESET:
        reset_from_server(s, a)
    else:
        respond(s, a, s.inbound[row].status)


def reset_from_server(s: State, a: i64) -> None:
    """The server's end closes the connection under an attempt; the caller learns it after the way back."""
    c = s.ctl[0]
    t = s.att[a]
    t.killed = 1
    t.phase = OVER
    if t.open == 1:
        t.events += 1
        schedule(s, c.now + s.link[s.host[t.host].link].latency, EV_RESET, a)
    else:
        give_attempt(s, a)


def begin_service(s: State, a: i64) -> None:
    """A worker of the application takes a request."""
    c = s.ctl[0]
    t = s.att[a]
    pod = s.pod[t.pod]
    begin = c.now
    if pod.waking >= 0:
        if pod.busy == 0:
            pod.wakes += 1
            pod.awake = c.now + waking(s, pod.waking, c.now - pod.rested, mix(pod.id + pod.wakes * STEP))
        if pod.awake > begin:
            begin = pod.awake
    pod.busy += 1
    pod.begun += 1
    t.phase = SERVING
    if t.sampled == 1:
        s.trace[a].served = begin
    span = sample(s, s.handler[t.handler].service, t.id, P_SERVICE)
    if pod.bound >= 0:
        span = bounded(s, a, span)
    t.events += 1
    schedule(s, begin + span, EV_SERVED, a)


def bounded(s: State, a: i64, span: i64) -> i64:
    """How long a request waits before it needs CPU, whose service would take `span` alone and without a bound."""
    t = s.att[a]
    bound = s.bound[s.pod[t.pod].bound]
    if bound.curve >= 0:
        longer = span * load_factor(s, bound.curve, s.pod[t.pod].busy)
        span = SECOND * SECOND
        if longer < 1e18:
            span = int(longer)
    s.trace[a].sent = int(span * (bound.share * 1e-6))
    return span - s.trace[a].sent


def load_factor(s: State, at: i64, busy: i64) -> float:
    """How many times longer service takes with so many requests in service: straight between the points of a curve,
    after the last one on as between the last two.

    Each point is a number of requests and a factor in 1e-6; before the first stands how many there are.

    DEVIATION: the load that counts for a request is that at the beginning of its service.
    """
    last = s.quantile[at] - 1
    i = 0
    while i < last - 1 and s.quantile[at + 3 + 2 * i] <= busy:
        i += 1
    here = at + 1 + 2 * i
    low = s.quantile[here]
    factor = s.quantile[here + 1] * 1e-6
    if busy <= low or last == 0:
        return factor
    growth = (s.quantile[here + 3] - s.quantile[here + 1]) * 1e-6
    return factor + growth * float(busy - low) / float(s.quantile[here + 2] - low)


def compute(s: State, a: i64) -> None:
    """A request in service needs CPU from now on."""
    t = s.att[a]
    p = t.pod
    settle_cpu(s, s.pod[p].bound)
    cpu = s.bound[s.pod[p].bound]
    cpu.running += 1
    t.phase = COMPUTING
    s.trace[a].sent += cpu.clock
    await_cpu(s, a)


def await_cpu(s: State, a: i64) -> None:
    """Look again when a request may have had its CPU time at the earliest."""
    c = s.ctl[0]
    t = s.att[a]
    cpu = s.bound[s.pod[t.pod].bound]
    due = c.now + s.trace[a].sent - cpu.clock
    if cpu.quota > 0 and cpu.left < cpu.running:
        due += period_end(s, s.pod[t.pod].bound, c.now) - c.now
    t.events += 1
    schedule(s, due, EV_SERVED, a)


def period_end(s: State, k: i64, time: i64) -> i64:
    """When the period of a CPU limit ends that an instant belongs to."""
    phase = s.bound[k].phase
    return phase + ((time - phase) // PERIOD + 1) * PERIOD


def settle_cpu(s: State, k: i64) -> None:
    """Bring a CPU's account up to now: what runs uses its quota, and stands still where there is none left."""
    now = s.ctl[0].now
    cpu = s.bound[k]
    if cpu.quota == 0 or cpu.running == 0:
        if cpu.quota > 0 and now >= period_end(s, k, cpu.mark):
            cpu.left = cpu.quota
        cpu.clock += now - cpu.mark
        cpu.used += (now - cpu.mark) * cpu.running
        cpu.mark = now
        return
    while cpu.mark < now:
        end = period_end(s, k, cpu.mark)
        until = least(end, now)
        if cpu.left < cpu.running:
            cpu.halted += until - cpu.mark
            cpu.mark = until
        else:
            span = least(cpu.left // cpu.running, until - cpu.mark)
            cpu.clock += span
            cpu.used += span * cpu.running
            cpu.left -= span * cpu.running
            cpu.mark += span
            cpu.stops += cpu.left < cpu.running and cpu.mark < end
        if cpu.mark == end:
            cpu.left = cpu.quota


def has_computed(s: State, a: i64) -> bool:
    """Whether a request in service has had its CPU time; otherwise it goes on with that."""
    t = s.att[a]
    k = s.pod[t.pod].bound
    if t.phase == SERVING:
        if s.trace[a].sent > 0:
            compute(s, a)
            return False
        return True
    settle_cpu(s, k)
    if s.bound[k].clock < s.trace[a].sent:
        await_cpu(s, a)
        return False
    s.bound[k].running -= 1
    return True


def free_worker(s: State, p: i64) -> None:
    """A worker of an application is free and takes the next request in the queue."""
    pod = s.pod[p]
    pod.busy -= 1
    if pod.waking >= 0:
        pod.rested = s.ctl[0].now
    if pod.head >= 0 and pod.busy < pod.workers:
        a = pod.head
        t = s.att[a]
        pod.head = t.next
        if pod.head < 0:
            pod.tail = -1
        pod.queued -= 1
        t.next = -1
        t.listed = 0
        begin_service(s, a)


def on_served(s: State, a: i64) -> None:
    """The handler's own work is done: fail, make calls, or answer."""
    t = s.att[a]
    t.events -= 1
    if t.killed == 1:
        give_attempt(s, a)
        return
    if t.pod < 0:
        respond(s, a, 200)
        return
    if s.pod[t.pod].bound >= 0 and not has_computed(s, a):
        return
    hd = s.handler[t.handler]
    if hd.error > 0 and draw(t.id, P_ERROR) < hd.error:
        free_worker(s, t.pod)
        respond(s, a, failure(s, t.handler, draw(t.id, P_ERROR)))
    elif s.ctl[0].call_errors == 1 and fails_as_called(s, a):
        free_worker(s, t.pod)
        respond(s, a, s.call[s.req[t.req].call].error_status)
    elif hd.call_n == 0:
        free_worker(s, t.pod)
        respond(s, a, 200)
    else:
        t.phase = CALLING
        t.at_call = 0
        t.waiting = 0
        t.failed = 0
        if s.pod[t.pod].hold == 0:
            free_worker(s, t.pod)
        make_calls(s, a)


def failure(s: State, handler: i64, number: i64) -> i64:
    """The status of a failing answer: a handler with several takes the one that its draw falls upon."""
    hd = s.handler[handler]
    for i in range(hd.answers - 1):
        if number < s.outcome[hd.outcome_at + 2 * i]:
            return s.outcome[hd.outcome_at + 2 * i + 1]
    return hd.error_status


def fails_as_called(s: State, a: i64) -> bool:
    """Whether the call that an attempt belongs to is answered with its own error."""
    t = s.att[a]
    if t.open == 0:
        return False
    call = s.req[t.req].call
    return call >= 0 and s.call[call].error > 0 and draw(t.id, P_CALL_ERROR) < s.call[call].error


def make_calls(s: State, a: i64) -> None:
    """Go on with a handler's calls: all of a group at once, the next group when all have answered, then the answer."""
    t = s.att[a]
    t.launching = 0
    if t.phase != CALLING:
        return
    hd = s.handler[t.handler]
    before = 0
    if t.at_call > 0:
        before = s.handler_call[hd.call_at + CALL_WORDS * (t.at_call - 1)] >> GROUP_SHIFT
    while t.at_call < hd.call_n:
        at = hd.call_at + CALL_WORDS * t.at_call
        word = s.handler_call[at]
        group = word >> GROUP_SHIFT
        if group != before:
            if t.waiting > 0:
                return
            if t.failed == 1:
                break
            before = group
        t.at_call += 1
        i = word & (BRANCH - 1)
        if word & BRANCH > 0 or draw(t.id, P_CALL + t.at_call) < s.handler_call[at + 1]:
            if t.at_call < hd.call_n and s.handler_call[at + CALL_WORDS] >> GROUP_SHIFT == group:
                t.launching = 1
                push(s, DO_CALLS, a)
            if word & BRANCH > 0:
                branch(s, a, i)
                return
            if launch(s, a, i):
                return
            if t.launching == 1:
                return
    if t.waiting > 0:
        return
    if t.number < 0:
        join(s, a)
        return
    if s.pod[t.pod].hold == 1:
        free_worker(s, t.pod)
    if t.failed == 1:
        respond(s, a, 500)
    else:
        respond(s, a, 200)


def branch(s: State, a: i64, handler: i64) -> None:
    """Begin calls that are made one after the other beside others: a row of its own makes those of `handler`."""
    c = s.ctl[0]
    t = s.att[a]
    b = c.att_free
    own = s.att[b]
    c.att_free = own.next
    c.att_free_n -= 1
    own.id = draw(t.id, P_CHILD + t.at_call)
    s.trace[b].req_id = s.trace[a].req_id
    s.trace[b].root = s.trace[a].root
    own.next = -1
    own.open = 0
    own.events = 0
    own.listed = 0
    own.phase = CALLING
    own.req = a
    own.cluster = s.att_gen[a]
    own.number = -1
    own.host = -1
    own.conn = -1
    own.attached = 0
    own.pod = t.pod
    own.handler = handler
    own.sampled = t.sampled
    own.station = -1
    own.at_call = 0
    own.waiting = 0
    own.failed = 0
    own.launching = 1
    own.killed = 0
    t.waiting += 1
    push(s, DO_CALLS, b)


def join(s: State, a: i64) -> None:
    """A branch has made its calls."""
    t = s.att[a]
    t.phase = OVER
    parent = s.att[t.req]
    if s.att_gen[t.req] == t.cluster and parent.phase == CALLING:
        answered(s, t.req, t.failed)
    give_attempt(s, a)


def answered(s: State, a: i64, failed: i64) -> None:
    """A call or a branch of a handler has come to its end."""
    t = s.att[a]
    t.waiting -= 1
    if failed == 1:
        t.failed = 1
    if t.waiting == 0 and t.launching == 0:
        t.launching = 1
        push(s, DO_CALLS, a)


def find_flow(s: State, pod: i64, call: i64) -> i64:
    """The flow of a call made by a pod, -1 without."""
    p = s.pod[pod]
    at = call - p.call_first
    if at < 0 or at >= p.call_n:
        return -1
    return s.call_flow[p.flow_at + at]


def launch(s: State, a: i64, call: i64) -> bool:
    """A handler makes one call; returns whether its pod knows where it leads."""
    t = s.att[a]
    flow = find_flow(s, t.pod, call)
    if flow < 0:
        return False
    r = take_request(s, draw(t.id, P_CHILD + t.at_call), 0, flow)
    q = s.req[r]
    if t.sampled == 1:
        q.root = s.trace[a].root
        q.parent_id = s.trace[a].req_id
    q.parent = a
    q.parent_gen = s.att_gen[a]
    q.call = call
    join_calls(s, r)
    q.sampled = t.sampled
    t.waiting += 1
    if s.call[call].timeout_class >= 0:
        set_timer(s, s.call[call].timeout_class, r, q.gen)
    enter(s, r)
    return True


def join_calls(s: State, r: i64) -> None:
    """A call takes one of its pod's connections to its proxy, and with it an event loop.

    Clients use the connection that was free last, so that as many are open as calls were ever under way at once.

    DEVIATION: the n-th call under way at once goes on the n-th connection, whichever one is free.
    """
    q = s.req[r]
    flow = s.flow[q.flow]
    pod = s.pod[flow.pod]
    if flow.workers > 1:
        q.worker = event_loop(pod.id + pod.calling * STEP, flow.workers)
    pod.calling += 1


def call_again(s: State, r: i64) -> None:
    """The caller's code makes a failed call again, after a while."""
    c = s.ctl[0]
    old = s.req[r]
    n = take_request(s, draw(old.id, P_CHILD + P_AGAIN), old.root, old.flow)
    q = s.req[n]
    q.parent = old.parent
    q.parent_gen = old.parent_gen
    q.parent_id = old.parent_id
    q.call = old.call
    q.sampled = old.sampled
    q.user = old.user - 1
    join_calls(s, n)
    q.events = 1
    schedule(s, c.now + sample(s, s.call[q.call].wait, q.id, P_BACKOFF), EV_AGAIN, n)


def on_again(s: State, r: i64) -> None:
    """A call that failed before is made again."""
    q = s.req[r]
    q.events -= 1
    if q.live == 0:
        give_request(s, r)
        return
    q.start = s.ctl[0].now
    if s.call[q.call].timeout_class >= 0:
        set_timer(s, s.call[q.call].timeout_class, r, q.gen)
    enter(s, r)


def cancel(s: State, r: i64) -> None:
    """The caller's code waits no longer: it closes the stream."""
    q = s.req[r]
    if q.live == 0:
        return
    if q.att >= 0:
        s.att[q.att].how = ABANDONED
        push(s, DO_END, q.att)
    else:
        q.status = 0
        q.flags |= DC
        push(s, DO_FINISH, r)


def respond(s: State, a: i64, status: i64) -> None:
    """The answer leaves the server, if its caller still waits for it."""
    c = s.ctl[0]
    t = s.att[a]
    t.status = status
    if t.sampled == 1:
        s.trace[a].done = c.now
    t.phase = INWARD
    if t.open == 0:
        t.phase = OVER
        give_attempt(s, a)
        return
    back = 0
    if t.station >= 0:
        back = sample(s, s.pod[t.pod].inbound, t.id, P_IN_BACK)
        if c.stations == 1:
            p = s.pod[t.pod].proxy
            if s.proxy[p].reports > 0:
                back += report(s, p, t.station, t.id)
            if s.proxy[p].flushed > 0:
                t.events += 1
                schedule(s, join_turn(s, p, t.station, back), EV_TURN_LEFT, a)
                t.next = offset_in_turn(s, p, t.station)
                return
            back = passage(s, p, t.station, back) - c.now
    if s.host[t.host].reachable == 0:
        t.phase = HUNG_BACK
        s.trace[a].done = c.now
    else:
        send_back(s, a, c.now + back)


def send_back(s: State, a: i64, when: i64) -> None:
    """The answer leaves for the caller at `when`."""
    t = s.att[a]
    t.phase = INWARD
    t.events += 1
    when += leg(s, t.host, t.id, P_NET_BACK)
    wire = s.link[s.host[t.host].link].wire
    if wire > 0 and t.handler >= 0 and t.met == 0:
        when += s.handler[t.handler].size * wire // 1000
    cl = s.cluster[t.cluster]
    if s.ctl[0].stations == 1 and cl.proxy >= 0:
        schedule(s, when, EV_BACK, a)
    else:
        schedule(s, when + sample(s, cl.outbound, t.id, P_OUT_BACK), EV_RESPONSE, a)


def on_back(s: State, a: i64) -> None:
    """The answer is at the caller's proxy and waits for its event loop."""
    t = s.att[a]
    t.events -= 1
    if t.open == 0:
        t.phase = OVER
        give_attempt(s, a)
        return
    p = s.cluster[t.cluster].proxy
    proxy = s.proxy[p]
    station = proxy.station + s.req[t.req].worker
    span = sample(s, proxy.outbound, t.id, P_OUT_BACK)
    if proxy.reports > 0:
        span += report(s, p, station, t.id)
    t.events += 1
    if proxy.flushed > 0:
        schedule(s, join_turn(s, p, station, span), EV_TURN_BACK, a)
        t.next = offset_in_turn(s, p, station)
    else:
        schedule(s, passage(s, p, station, span), EV_RESPONSE, a)


def on_response(s: State, a: i64) -> None:
    """The caller's proxy has the answer."""
    t = s.att[a]
    t.events -= 1
    t.phase = OVER
    if t.open == 1:
        t.how = ANSWERED
        if t.met == 0 or not pass_headers(s, a):
            end_attempt(s, a)
    else:
        give_attempt(s, a)


def start_idle(s: State, a: i64) -> None:
    """Headers have passed on: idle timers begin anew."""
    t = s.att[a]
    q = s.req[t.req]
    s.trace[a].done = s.ctl[0].now
    route = s.route[q.route]
    if route.idle_class >= 0:
        set_timer(s, route.idle_class, t.req, q.gen)
    if route.try_idle_class >= 0:
        t.failed = 0
        set_timer(s, route.try_idle_class, a, s.att_gen[a])


def pass_headers(s: State, a: i64) -> bool:
    """An answer has come whose body may be still to come; returns whether it is and its headers have passed on."""
    t = s.att[a]
    q = s.req[t.req]
    met = s.inbound[t.met - 1]
    if q.decided == STARTED:
        t.how = met.after
        return False
    if met.body == 0 and met.after == ANSWERED:
        return False
    beside_it = aside(s, t.req)
    if q.mirror == 0 and q.left + beside_it > 0:
        if retriable(s, q.route, ANSWERED, t.status, met.marks) and repeatable(s, t.req):
            return False
        if beside_it > 0:
            choose_attempt(s, a)
    if s.route[q.route].follows & redirect_bit(t.status) != 0 and where_redirected(s, a) >= 0:
        return False
    q.decided = STARTED
    start_idle(s, a)
    t.phase = INWARD
    t.events += 1
    schedule(s, s.ctl[0].now + met.body, EV_RESPONSE, a)
    return True


def on_reset(s: State, a: i64) -> None:
    """The caller's proxy sees the connection of an attempt closed by the other end."""
    t = s.att[a]
    t.events -= 1
    if t.open == 1:
        t.how = TERMINATED
        if t.met > 0 and s.inbound[t.met - 1].kind == IN_RESET:
            t.how = s.inbound[t.met - 1].how
        end_attempt(s, a)
    else:
        give_attempt(s, a)


# ---------------------------------------------------------------------------------------------------------------------
# The end of a try: outlier detection, retry, record
# ---------------------------------------------------------------------------------------------------------------------


def eject(s: State, row: i64, h: i64, detector: i64, enforcing: i64) -> None:
    """A detector has found a host bad: eject it, if the share of ejected ones allows one more and the draw says so.

    Envoy source/common/upstream/outlier_detection_impl.cc, ejectHost.
    """
    c = s.ctl[0]
    host = s.host[h]
    row = host.cluster
    cl = s.cluster[row]
    if host.removed == 1 or host.ejected == 1:
        return
    note(s, row, DETECTED + detector)
    if 100 * (cl.ejected + 1) > cl.max_percent * cl.host_n and (cl.one == 0 or cl.ejected > 0):
        cl.ejections_overflow += 1
        return
    if enforcing == 0:
        return
    cl.detections += 1
    identity = mix(cl.id + cl.detections * STEP)
    if below(draw(identity, P_ENFORCE), 100) >= enforcing:
        return
    cl.ejected += 1
    cl.ejections += 1
    note(s, row, ENFORCED + detector)
    host.ejected = 1
    host.ejected_at = c.now
    host.extra = below(draw(identity, P_EJECT), cl.eject_jitter + 1)
    if host.multiplier * cl.base_ejection < cl.max_ejection + cl.base_ejection:
        host.multiplier += 1
    drain_pools(s, h)
    change_health(s, row)


def http_of(grpc: i64) -> i64:
    """The HTTP status that a gRPC status counts as (Envoy source/common/grpc/status.cc), server errors alone."""
    if grpc == 4:
        return 504
    if grpc == 14:
        return 503
    if grpc == 12:
        return 501
    if grpc == 2 or grpc == 13 or grpc == 15:
        return 500
    return 200


def judge(s: State, row: i64, h: i64, how: i64, status: i64) -> None:
    """Count the outcome of an attempt for outlier detection; local failures count as codes unless they are split off.

    Envoy source/common/upstream/outlier_detection_impl.cc, putHttpResponseCode and putResultWithLocalExternalSplit.
    """
    cl = s.cluster[row]
    host = s.host[h]
    if how != ANSWERED and cl.split == 1:
        host.local_total += 1
        host.run_local += 1
        if host.run_local == cl.limit_local:
            eject(s, row, h, BY_LOCAL, cl.enforce_local)
            host.run_local = 0
        return
    if status >= GRPC:
        status = http_of(status - GRPC)
    host.total += 1
    if status < 500:
        host.good += 1
        host.run_5xx = 0
        host.run_gateway = 0
        return
    if status >= 502 and status <= 504:
        host.run_gateway += 1
        if host.run_gateway == cl.limit_gateway and host.ejected == 0:
            eject(s, row, h, BY_GATEWAY, cl.enforce_gateway)
            host.run_gateway = 0
    else:
        host.run_gateway = 0
    host.run_5xx += 1
    if host.run_5xx == cl.limit_5xx and host.ejected == 0:
        eject(s, row, h, BY_5XX, cl.enforce_5xx)
        host.run_5xx = 0


def sweep(s: State, row: i64) -> None:
    """An outlier detection interval ends: un-eject who has served its time, let the others' factor decay, and look at
    the results of the interval."""
    c = s.ctl[0]
    cl = s.cluster[row]
    if cl.retired == 1:
        return
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        if host.ejected == 0:
            if host.multiplier > 0:
                host.multiplier -= 1
        elif c.now - host.ejected_at >= least(cl.base_ejection * host.multiplier, cl.max_ejection) + host.extra:
            host.ejected = 0
            cl.ejected -= 1
            host.run_5xx = 0
            host.run_gateway = 0
            host.run_local = 0
            change_health(s, row)
    if cl.enforce_rate > 0 or cl.enforce_failure > 0:
        compare_hosts(s, row, BY_RATE, cl.enforce_rate, cl.enforce_failure)
    if cl.split == 1:
        judge_locally(s, row)
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        s.host[s.hosts[i]].total = 0
        s.host[s.hosts[i]].good = 0
    schedule(s, c.now + cl.interval, EV_SWEEP, row)


def judge_locally(s: State, row: i64) -> None:
    """Compare hosts by their connections and local failures, which are split off."""
    cl = s.cluster[row]
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        host.total = host.local_total
        host.good = host.local_good
        host.local_total = 0
        host.local_good = 0
    if cl.enforce_rate_local > 0 or cl.enforce_failure_local > 0:
        compare_hosts(s, row, BY_LOCAL_RATE, cl.enforce_rate_local, cl.enforce_failure_local)


def compare_hosts(s: State, row: i64, detector: i64, enforce_rate: i64, enforce_failure: i64) -> None:
    """Eject hosts whose success rate is far below the others', or who failed too often.

    Envoy source/common/upstream/outlier_detection_impl.cc, processSuccessRateEjections: the mean less so many standard
    deviations; rates in percent, of hosts that had enough requests, if there are enough such hosts.
    """
    cl = s.cluster[row]
    rated = 0
    counted = 0
    total = 0.0
    squares = 0.0
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        if host.ejected == 0 and host.total > 0:
            rate = 100.0 * host.good / host.total
            if host.total >= cl.failure_volume:
                counted += 1
            if host.total >= cl.rate_volume:
                rated += 1
                total += rate
                squares += rate * rate
    threshold = -1.0
    if rated > 0 and rated >= cl.rate_hosts:
        mean = total / rated
        threshold = mean - math.sqrt(max(squares / rated - mean * mean, 0.0)) * cl.rate_factor / 1000.0
    for i in range(cl.host_at, cl.host_at + cl.host_n):
        host = s.host[s.hosts[i]]
        if host.ejected == 0 and host.total > 0:
            rate = 100.0 * host.good / host.total
            if enforce_rate > 0 and host.total >= cl.rate_volume and rate < threshold:
                eject(s, row, s.hosts[i], detector, enforce_rate)
            if counted >= cl.failure_hosts and host.total >= cl.failure_volume and 100.0 - rate >= cl.failure_at:
                if enforce_failure > 0:
                    eject(s, row, s.hosts[i], detector + 1, enforce_failure)


def grpc_retriable(tokens: i64, status: i64) -> bool:
    """Whether a gRPC status may be retried."""
    if status == 1:
        return tokens & RETRY_CANCELLED != 0
    if status == 4:
        return tokens & RETRY_DEADLINE != 0
    if status == 8:
        return tokens & RETRY_EXHAUSTED != 0
    if status == 13:
        return tokens & RETRY_INTERNAL != 0
    return status == 14 and tokens & RETRY_UNAVAILABLE != 0


def grpc_of(status: i64) -> i64:
    """The gRPC status of an answer to a gRPC request, where proxies and applications give the HTTP one that it is.

    Envoy source/common/grpc/status.cc: 429, 502, 503, 504 are UNAVAILABLE, 400 is INTERNAL; 2 stands for the others.
    """
    if status >= GRPC:
        return status - GRPC
    if status == 429 or (status >= 502 and status <= 504):
        return 14
    if status == 400:
        return 13
    return 2


def retriable(s: State, route: i64, how: i64, status: i64, marks: i64) -> bool:
    """Whether a route's retry_on covers an outcome (Envoy source/common/router/retry_state_impl.cc)."""
    ro = s.route[route]
    tokens = ro.retry_on
    if tokens == 0 or (how >= OVERFLOW and how <= ABANDONED) or how == IDLE_TIMEOUT or how == MAX_DURATION:
        return False
    if how == REQUEST_TIMEOUT:
        return False
    if how == UNCONNECTED:
        return tokens & (RETRY_5XX | RETRY_GATEWAY | RETRY_CONNECT | RETRY_RESET | RETRY_BEFORE) != 0
    if how == REFUSED_STREAM and tokens & RETRY_REFUSED != 0:
        return True
    if how != ANSWERED:
        return tokens & (RETRY_5XX | RETRY_GATEWAY | RETRY_RESET) != 0
    if marks & MARK_LIMITED != 0:
        return tokens & RETRY_LIMITED != 0
    if tokens & RETRY_HEADERS != 0 and marks & MARK_MATCHED != 0:
        return True
    if ro.grpc == 1:
        return grpc_retriable(tokens, grpc_of(status))
    if status >= GRPC:
        return grpc_retriable(tokens, status - GRPC)
    if tokens & RETRY_5XX != 0 and status >= 500 and status < 600:
        return True
    if tokens & RETRY_GATEWAY != 0 and status >= 502 and status <= 504:
        return True
    if tokens & RETRY_4XX != 0 and status == 409:
        return True
    if tokens & RETRY_CODES != 0:
        for i in range(ro.code_at, ro.code_at + ro.code_n):
            if s.code[i] == status:
                return True
    return False


def redirect_bit(status: i64) -> i64:
    """The bit of a status in `Route.follows`, 0 for one that no proxy follows."""
    if status >= 301 and status <= 303:
        return 1 << (status - 301)
    if status == 307 or status == 308:
        return 1 << (status - 304)
    return 0


def where_redirected(s: State, a: i64) -> i64:
    """The flow that an answer leads its request to by itself, -1 when the client gets it as it is.

    Envoy source/common/router/router.cc, setupRedirect: the request has to be complete and kept, and the location has
    to have a route; which have, and how often in a row, the route's list says.
    """
    t = s.att[a]
    q = s.req[t.req]
    route = s.route[q.route]
    if t.met == 0 or (route.slow == 1 and not whole(s, t.req)) or route.large == 1:
        return -1
    location = s.inbound[t.met - 1].location
    for at in range(route.follow_at, route.follow_at + route.follow_n):
        if s.share[at].weight == location:
            return s.share[at].cluster
    return -1


def redirected(s: State, a: i64) -> bool:
    """Whether an answer is one of those that the route has the proxy follow, and was followed: a new stream takes the
    place of the one that ends."""
    t = s.att[a]
    r = t.req
    q = s.req[r]
    cl = s.cluster[t.cluster]
    if q.mirror == 1 or s.route[q.route].follows & redirect_bit(t.status) == 0:
        return False
    flow = where_redirected(s, a)
    if flow < 0:
        note(s, t.cluster, UNFOLLOWED)
        return False
    note(s, t.cluster, FOLLOWED)
    note(s, t.cluster, UNCHARGED)
    if q.tries > 1:
        note(s, t.cluster, RETRY_SUCCESS)
    t.how = REDIRECTED
    t.open = 0
    if cl.outlier == 1:
        judge(s, t.cluster, t.host, ANSWERED, t.status)
    write_log(s, r, a, t.status, q.flags, 0)
    if s.inbound[t.met - 1].marks & MARK_EMPTY == 0:
        leave_redirected(s, a)
    else:
        # The answer is whole with its headers: its connection is kept, but free only once the new stream has begun.
        t.how = ANSWERED
        push(s, DO_LEAVE, a)
    move_request(s, r, flow)
    return True


def leave_redirected(s: State, a: i64) -> None:
    """An attempt whose answer was a redirect leaves its connection."""
    leave_upstream(s, a)
    give_attempt(s, a)


def move_request(s: State, r: i64, flow: i64) -> None:
    """A request goes on as a new stream, one of another flow, which the proxy decides about anew."""
    q = s.req[r]
    s.late[2 * r] = s.ctl[0].now
    q.id = draw(q.id, P_MOVE)
    q.flow = flow
    q.att = -1
    q.row = -1
    q.tries = 0
    q.flags = 0
    q.mirrored = 0
    q.stream = 0
    q.decided = 0
    push(s, DO_DECIDE, r)


def leave_upstream(s: State, a: i64) -> None:
    """An attempt no longer counts at its cluster, host and connection."""
    t = s.att[a]
    cl = s.cluster[t.cluster]
    host = s.host[t.host]
    if t.phase == PENDING and t.listed == 1:
        cl.pending -= 1
        if cl.pools > 0:
            s.pool[s.trace[a].sent].pending -= 1
        else:
            s.pool[host.pool + s.req[t.req].worker].pending -= 1
    if t.attached == 1:
        cl.active -= 1
        host.active -= 1
    if t.conn >= 0:
        release_connection(s, a)
    if t.phase == PENDING or t.phase >= HUNG_OUT:
        t.phase = OVER


def note(s: State, row: i64, what: i64) -> None:
    """Have something counted that happens seldom at a cluster, and has no column there: a status, a detection."""
    c = s.ctl[0]
    key = ((row + 1) << 11) | what
    if c.noted_n < len(s.noted):
        s.noted[c.noted_n] = key
        c.noted_n += 1
    else:
        count_note(s, key)


def count_note(s: State, key: i64) -> None:
    """Count one such thing."""
    c = s.ctl[0]
    mask = len(s.rare) - 1
    at = mix(key) & mask
    while s.rare[at].key != key and s.rare[at].key != 0:
        at = (at + 1) & mask
    place = s.rare[at]
    if place.key == 0:
        place.key = key
        c.rare_n += 1
        if 2 * c.rare_n > mask:
            c.rare_full = 1
    place.count += 1


def count_notes(s: State) -> None:
    """Count what waits, as long as there is room: many at once, so that the memory is asked for side by side."""
    c = s.ctl[0]
    mask = len(s.rare) - 1
    if c.looks == 1:
        for i in range(c.noted_n):
            fetch(s.rare, mix(s.noted[i]) & mask)
    while c.noted_n > 0 and c.rare_full == 0:
        c.noted_n -= 1
        count_note(s, s.noted[c.noted_n])


def note_status(s: State, row: i64, status: i64) -> None:
    """Count the status that ends a request at a cluster without a stream of its own having ended with it."""
    note(s, row, UNATTACHED)
    note(s, row, status)


def note_stream(s: State, a: i64) -> None:
    """Count what is not the rule about the stream of an attempt that ends."""
    t = s.att[a]
    row = t.cluster
    how = t.how
    if t.attached == 0:
        note(s, row, UNATTACHED)
        if how == UNCONNECTED:
            note(s, row, PENDING_EJECT)
        elif how != OVERFLOW:
            note(s, row, CANCELLED)
    elif s.cluster[row].http2 == 1:
        if how == REMOTE_RESET:
            note(s, row, RX_RESET)
        elif how == TERMINATED:
            note(s, row, PENDING_EJECT)
        elif how != ANSWERED and how != REFUSED_STREAM:
            note(s, row, TX_RESET)


def note_end(s: State, a: i64, status: i64, again: i64, flags: i64) -> None:
    """Count what is not the rule about the end of an attempt: it got no 200, was retried or a retry, had no stream.

    Envoy source/common/router/router.cc (chargeUpstreamCode, chargeUpstreamAbort), retry_state_impl.cc (shouldRetry),
    source/common/http/conn_pool_base.cc (onStreamReset), source/common/conn_pool/conn_pool_base.cc.
    """
    t = s.att[a]
    q = s.req[t.req]
    row = t.cluster
    how = t.how
    if status >= GRPC:
        status = 200
    note_stream(s, a)
    if again == 1:
        if how == ANSWERED:
            note(s, row, RETRIED + status)
        return
    cut = how == ABANDONED or how == IDLE_TIMEOUT or how == MAX_DURATION or how == UPSTREAM_DURATION
    cut = cut or how == REQUEST_TIMEOUT
    if cut and q.decided != BROKEN:
        note(s, row, UNCHARGED)
        return
    if status != 200:
        note(s, row, status)
    if beside(s, t.req, t.number) >= RELEASED:
        return
    unanswered = how == ROUTE_TIMEOUT and q.decided != BROKEN
    if q.tries > 1 and not unanswered and flags & URX == 0 and (flags & UO == 0 or how == OVERFLOW):
        note(s, row, RETRY_SUCCESS)


def end_attempt(s: State, a: i64) -> None:
    """A try has ended for its caller: count it, and retry or end the request.

    The order of decisions is Envoy's (source/common/router/retry_state_impl.cc, shouldRetry): retriable at all, tries
    left (URX), breaker (UO), back-off.
    """
    c = s.ctl[0]
    t = s.att[a]
    if t.open == 0:
        return
    r = t.req
    q = s.req[r]
    if c.hedge_width > 0 and aside(s, r) > 0 and others_go_on(s, a):
        return
    cl = s.cluster[t.cluster]
    how = t.how
    status = t.status
    flags = 0
    marks = 0
    if t.met > 0:
        flags = s.inbound[t.met - 1].flag
        marks = s.inbound[t.met - 1].marks
        if marks & MARK_FAILS != 0 and how == ANSWERED and s.host[t.host].check > 0:
            fail_passively(s, s.host[t.host].check - 1)
    if how == UNCONNECTED:
        status = 503
        flags = UF
    elif how == TERMINATED:
        status = 503
        flags = UC
    elif how == OVERFLOW:
        status = 503
        flags = UO
    elif how == TRY_TIMEOUT or how == TRY_IDLE:
        status = s.route[q.route].timeout_status
        flags = UT
        cl.rq_per_try_timeout += how == TRY_TIMEOUT
    elif how == ROUTE_TIMEOUT:
        status = s.route[q.route].timeout_status
        flags = UT
        cl.rq_timeout += 1
    elif how == REMOTE_RESET or how == REFUSED_STREAM:
        status = 503
        flags = UR
    elif how == PROTOCOL_ERROR:
        status = 502
        flags = UPE
    elif how == ABANDONED:
        status = 0
        flags = DC
    elif how == IDLE_TIMEOUT:
        status = timeout_code(s, r)
        flags = SI
    elif how == MAX_DURATION or how == REQUEST_TIMEOUT:
        status = timeout_code(s, r)
    elif how == UPSTREAM_DURATION:
        status = timeout_code(s, r)
        flags = UMSDR
        cl.rq_duration += 1
    if q.retrying > 0:
        s.cluster[q.retrying - 1].retrying -= 1
        q.retrying = 0
    again = 0
    if q.decided == STARTED and how != ANSWERED:
        q.decided = BROKEN
        status = t.status
        if q.left == 0 and q.mirror == 0 and retriable(s, q.route, ANSWERED, status, marks) and repeatable(s, r):
            # Its headers passed on because no retry was left.
            flags |= URX
            cl.rq_retry_limit += 1
    elif q.mirror == 0 and q.att == a and retriable(s, q.route, how, status, marks) and repeatable(s, r):
        if q.left == 0:
            flags |= URX
            cl.rq_retry_limit += 1
        else:
            q.left -= 1
            if cl.retrying >= retry_limit(s, t.cluster):
                flags |= UO
                cl.rq_retry_overflow += 1
            else:
                again = 1
    if status != 200 or how != ANSWERED or q.tries > 1 or again == 1:
        if cl.drops & SESSIONS != 0:
            end_session(s, a)
            return
        if how == ANSWERED and again == 0 and redirected(s, a):
            return
        note_end(s, a, status, again, flags)
    if again == 1 and how == ANSWERED and status < GRPC and marks & MARK_EMPTY == 0:
        # The body of the answer is not waited for: the stream is reset.
        t.how = ABANDONED
        if cl.http2 == 1:
            note(s, t.cluster, TX_RESET)
    leave_upstream(s, a)
    t.open = 0
    q.att = -1
    if cl.outlier == 1 and how <= PROTOCOL_ERROR and how != OVERFLOW and how != ABANDONED:
        if cl.drops & SESSIONS == 0 and (how != ROUTE_TIMEOUT or (t.attached == 1 and beside(s, r, t.number) == 0)):
            judge(s, t.cluster, t.host, how, status)
    if cl.proxy < 0 and how != ANSWERED:
        status = 0
    if again == 1:
        cl.retrying += 1
        cl.rq_retry += 1
        q.retrying = t.cluster + 1
        write_log(s, r, a, status, flags, 0)
        q.events += 1
        wait = below(draw(t.id, P_BACKOFF), q.cap_ms) * MILLION
        if t.met > 0 and s.inbound[t.met - 1].wait > 0:
            wait = s.inbound[t.met - 1].wait
            note(s, t.cluster, BACKOFF_LIMITED)
            wait += below(draw(t.id, P_BACKOFF), wait // 2)
        schedule(s, c.now + wait, EV_BACKOFF, r)
        if q.cap_ms < s.route[q.route].max_ms // 2:
            q.cap_ms = 2 * q.cap_ms
        else:
            q.cap_ms = s.route[q.route].max_ms
    else:
        q.status = status
        if status >= GRPC:
            status = 200
        q.flags |= flags
        write_log(s, r, a, status, q.flags, 1)
        if how != ANSWERED or s.route[q.route].slow_ppm == 0 or not passes_slowly(s, r, a):
            finish(s, r)
    give_attempt(s, a)


def session_refused(s: State, r: i64, row: i64) -> bool:
    """Whether a TCP session ends before a host is chosen: its cluster has as many connections as it may.

    Envoy source/common/tcp_proxy/tcp_proxy.cc, establishUpstreamConnection.
    """
    q = s.req[r]
    cl = s.cluster[row]
    if cl.connections < cl.max_connections:
        return False
    cl.cx_overflow += 1
    q.status = 0
    q.flags |= UO
    push(s, DO_FINISH, r)
    return True


def end_session(s: State, a: i64) -> None:
    """A TCP session has ended, or was not connected: then the next attempt chooses cluster and host anew.

    Envoy source/common/tcp_proxy/tcp_proxy.cc (onGenericPoolFailure, onUpstreamEvent). The application's status is what
    the caller hears inside; without an answer there is none. Outlier detection hears of connections alone.

    DEVIATION: hosts that are killed close their TCP sessions (FIN), as a kernel does where nothing is unread.
    """
    t = s.att[a]
    q = s.req[t.req]
    how = t.how
    flags = 0
    again = 0
    unmet = t.attached == 0 and how != UNCONNECTED and how != OVERFLOW
    leave_upstream(s, a)
    if unmet:
        note(s, t.cluster, CANCELLED)
        close_excess(s, a)
    t.open = 0
    q.att = -1
    if how == UNCONNECTED or how == OVERFLOW:
        if how == UNCONNECTED:
            flags = UF
            note(s, t.cluster, PENDING_EJECT)
            if s.cluster[t.cluster].outlier == 1:
                judge(s, t.cluster, t.host, how, 503)
        if q.left > 0:
            q.left -= 1
            again = 1
        else:
            flags |= URX
            note(s, t.cluster, CX_ATTEMPTS)
    elif how == MAX_DURATION:
        flags = DT
        note(s, t.cluster, SESSION_LONG)
    elif how == IDLE_TIMEOUT:
        note(s, t.cluster, SESSION_IDLE)
    elif t.met > 0 and s.inbound[t.met - 1].kind == IN_RESET:
        flags = s.inbound[t.met - 1].flag
    elif how == TERMINATED and t.station >= 0 and s.pod[t.pod].state == POD_DRAINING:
        # The host's own proxy was refused, and closes without having read anything.
        flags = UR
    q.status = 0
    if how == ANSWERED:
        q.status = t.status
    q.flags |= flags
    if again == 1:
        write_log(s, t.req, a, 0, flags, 0)
        connect_again(s, t.req)
    else:
        status = q.status
        if status >= GRPC:
            status = 200
        write_log(s, t.req, a, status, q.flags, 1)
        finish(s, t.req)
    give_attempt(s, a)


def connect_again(s: State, r: i64) -> None:
    """The next attempt to connect a session, after a back-off that grows with all of them and never shrinks.

    Envoy source/common/tcp_proxy/tcp_proxy.cc, enableRetryTimer and onRetryTimer (pickRoute): the filter has one
    back-off for all of its sessions; without one the next turn of the event loop connects.

    DEVIATION: hosts are ejected at once; event loops hear of it after a TCP session has connected again.

    DEVIATION: a TCP proxy that comes back as it was before goes on with its grown back-off.
    """
    q = s.req[r]
    route = s.route[q.route]
    number = mix(q.id + q.tries * STEP)
    if route.share_n > 1:
        choose_share(s, r, draw(number, P_STREAM))
    if q.cid < 0 or s.cluster_row[q.cid] < 0:
        q.flags |= NC
        push(s, DO_FINISH, r)
        return
    wait = below(draw(number, P_BACKOFF), route.base_ms) * MILLION
    if route.base_ms < route.max_ms // 2:
        route.base_ms *= 2
    else:
        route.base_ms = route.max_ms
    q.events += 1
    schedule(s, s.ctl[0].now + wait, EV_OUT, r)


def close_excess(s: State, a: i64) -> None:
    """A session ends that waited for a connection: the newest one that nobody needs is given up.

    Envoy source/common/conn_pool/conn_pool_base.cc, onPendingStreamCancel (CloseExcess).

    DEVIATION: a client that goes before its TCP session is connected ends it at once; Envoy reads nothing before, and
    connects first.
    """
    t = s.att[a]
    pool = s.host[t.host].pool + s.req[t.req].worker
    if s.cluster[t.cluster].pools > 0:
        pool = s.trace[a].sent
    p = s.pool[pool]
    if p.connecting <= p.pending:
        return
    newest = -1
    for k in range(len(s.conn)):
        if s.conn[k].pool == pool and s.conn[k].state == CONNECTING:
            if newest < 0 or s.conn_age[k].opened >= s.conn_age[newest].opened:
                newest = k
    p.connecting -= 1
    close_connection(s, newest)


def end_session_late(s: State, r: i64, how: i64) -> None:
    """A TCP session was idle for too long, or has lasted too long.

    Envoy source/common/tcp_proxy/tcp_proxy.cc (onNewConnection, disableIdleTimer): idle time begins when a session is
    accepted, and anew when it is connected; the first attempt that fails ends the timer, and nobody starts it again.
    """
    q = s.req[r]
    if how == IDLE_TIMEOUT and q.tries > 0:
        if q.tries > 1 or q.att < 0:
            return
        k = s.att[q.att].conn
        route = s.route[q.route]
        span = route.rest
        if span == 0:
            span = s.timer_class[route.idle_class].span
        if k >= 0 and s.ctl[0].now - s.conn_age[k].due < span:
            return
    if q.att >= 0:
        s.att[q.att].how = how
        push(s, DO_END, q.att)
        return
    q.status = 0
    if how == MAX_DURATION:
        q.flags |= DT
        if q.row >= 0:
            note(s, q.row, SESSION_LONG)
    push(s, DO_FINISH, r)


def hedge(s: State, a: i64) -> None:
    """The per-try timeout of an attempt passes: it goes on, and a retry is sent beside it if one may be.

    Envoy source/common/router/router.cc, onSoftPerTryTimeout: to outlier detection it is a timeout; the retry waits for
    no back-off and asks for no condition but that the route retries at all.
    """
    c = s.ctl[0]
    t = s.att[a]
    q = s.req[t.req]
    if t.open == 0 or beside(s, t.req, t.number) != 0:
        return
    cl = s.cluster[t.cluster]
    route = s.route[q.route]
    mark_beside(s, t.req, t.number, TIMED)
    if cl.outlier == 1:
        judge(s, t.cluster, t.host, TRY_TIMEOUT, route.timeout_status)
    if q.decided == STARTED or q.mirror == 1 or route.retry_on == 0 or not repeatable(s, t.req):
        return
    if q.retrying > 0:
        s.cluster[q.retrying - 1].retrying -= 1
        q.retrying = 0
    if q.left == 0:
        q.flags |= URX
        cl.rq_retry_limit += 1
        return
    q.left -= 1
    if cl.retrying >= retry_limit(s, t.cluster):
        q.flags |= UO
        cl.rq_retry_overflow += 1
        return
    cl.retrying += 1
    cl.rq_retry += 1
    q.retrying = t.cluster + 1
    set_beside(s, a)
    q.att = -1
    q.events += 1
    schedule(s, c.now, EV_BACKOFF, t.req)


def aside(s: State, r: i64) -> i64:
    """How many attempts of a request go on beside its latest."""
    if s.ctl[0].hedge_width == 0:
        return 0
    return beside(s, r, 0)


def set_aside(s: State, r: i64, n: i64) -> None:
    """Keep that number, in the place before those of the attempts."""
    mark_beside(s, r, 0, n)


def beside(s: State, r: i64, number: i64) -> i64:
    """What has become of a hedged request's attempt: 0, `TIMED`, `RELEASED`, or `RELEASED` + 1 + its row while it goes
    on beside the latest. What an earlier request of the row left there does not count."""
    width = s.ctl[0].hedge_width
    if number >= width:
        return 0
    value = s.hedged[r * width + number]
    if value >> 32 != s.req[r].gen & 0x3FFFFFFF:
        return 0
    return value & 0xFFFFFFFF


def mark_beside(s: State, r: i64, number: i64, value: i64) -> None:
    """Note that."""
    s.hedged[r * s.ctl[0].hedge_width + number] = ((s.req[r].gen & 0x3FFFFFFF) << 32) | value


def first_beside(s: State, r: i64) -> i64:
    """The first of the attempts that go on beside the latest; there is one."""
    for number in range(1, s.req[r].tries + 1):
        value = beside(s, r, number)
        if value > RELEASED:
            return value - RELEASED - 1
    return -1


def set_beside(s: State, a: i64) -> None:
    """Have an attempt go on beside the latest of its request."""
    t = s.att[a]
    mark_beside(s, t.req, t.number, RELEASED + 1 + a)
    set_aside(s, t.req, aside(s, t.req) + 1)


def take_beside(s: State, a: i64) -> None:
    """It no longer does, if it did."""
    t = s.att[a]
    if beside(s, t.req, t.number) > RELEASED:
        mark_beside(s, t.req, t.number, RELEASED)
        set_aside(s, t.req, aside(s, t.req) - 1)


def choose_attempt(s: State, a: i64) -> None:
    """An attempt decides about its request: all others are dropped (resetOtherUpstreams)."""
    r = s.att[a].req
    q = s.req[r]
    take_beside(s, a)
    if q.att >= 0 and q.att != a:
        set_beside(s, q.att)
        q.att = -1
    if aside(s, r) > 0:
        push(s, DO_DROP, r)


def drop_attempt(s: State, r: i64) -> None:
    """Reset the next of the attempts that a request no longer needs."""
    q = s.req[r]
    if q.live == 0 or aside(s, r) == 0:
        return
    a = first_beside(s, r)
    take_beside(s, a)
    s.att[a].how = ABANDONED
    leave_request(s, a, 0, 0)
    if aside(s, r) > 0:
        push(s, DO_DROP, r)


def leave_request(s: State, a: i64, status: i64, flags: i64) -> None:
    """An attempt ends and its request goes on without it."""
    t = s.att[a]
    note_stream(s, a)
    if t.how != ABANDONED:
        note_status(s, t.cluster, status)
    leave_upstream(s, a)
    t.open = 0
    write_log(s, t.req, a, status, flags, 0)
    give_attempt(s, a)


def others_go_on(s: State, a: i64) -> bool:
    """Whether an attempt of a hedged request that ends leaves the request to others; else it decides, and they go.

    Envoy source/common/router/router.cc, onUpstreamHeaders and onUpstreamReset: what has been retried once is not
    retried again; an answer that would be, or none, counts only if nothing else is under way.
    """
    t = s.att[a]
    r = t.req
    q = s.req[r]
    cl = s.cluster[t.cluster]
    how = t.how
    if q.decided == STARTED:
        return False
    marks = 0
    if t.met > 0:
        marks = s.inbound[t.met - 1].marks
    again = retriable(s, q.route, how, t.status, marks)
    over = how == ROUTE_TIMEOUT or how == ABANDONED or how == IDLE_TIMEOUT or how == MAX_DURATION
    latest = q.att == a
    own = 0
    if latest and q.retrying > 0 and q.retrying == t.cluster + 1:
        own = 1
    if latest and again and q.left > 0 and cl.retrying - own < retry_limit(s, t.cluster):
        return False
    waits = latest or q.att >= 0 or q.retrying > 0 or aside(s, r) > 1
    if not over and how != UPSTREAM_DURATION and (again or how != ANSWERED) and waits:
        if latest:
            give_up_retry(s, a, again)
        if cl.outlier == 1 and how <= PROTOCOL_ERROR and how != OVERFLOW:
            judge(s, t.cluster, t.host, how, local_status(s, a))
        if how == ANSWERED:
            t.how = ABANDONED
        take_beside(s, a)
        leave_request(s, a, local_status(s, a), 0)
        return True
    if how == ROUTE_TIMEOUT:
        count_timeouts(s, a)
    push(s, DO_END, a)
    choose_attempt(s, a)
    return True


def count_timeouts(s: State, a: i64) -> None:
    """The route timeout of a hedged request: it counts for each attempt under way; `a` counts itself."""
    r = s.att[a].req
    for number in range(1, s.req[r].tries + 1):
        value = beside(s, r, number)
        if value > RELEASED and value != RELEASED + 1 + a:
            row = s.att[value - RELEASED - 1].cluster
            s.cluster[row].rq_timeout += 1
            note_status(s, row, s.route[s.req[r].route].timeout_status)


def give_up_retry(s: State, a: i64, again: bool) -> None:
    """The latest attempt of a hedged request has ended without a retry: say why, if it might have had one."""
    t = s.att[a]
    q = s.req[t.req]
    cl = s.cluster[t.cluster]
    q.att = -1
    if q.retrying > 0:
        if not again:
            note(s, t.cluster, RETRY_SUCCESS)
        s.cluster[q.retrying - 1].retrying -= 1
        q.retrying = 0
    if again and q.left == 0:
        q.flags |= URX
        cl.rq_retry_limit += 1
    elif again:
        q.left -= 1
        q.flags |= UO
        cl.rq_retry_overflow += 1


def local_status(s: State, a: i64) -> i64:
    """The status of an attempt's answer, or the one that stands for its end without any."""
    how = s.att[a].how
    if how == ANSWERED or how == ABANDONED:
        return s.att[a].status
    if how == PROTOCOL_ERROR:
        return 502
    return 503


def retry_limit(s: State, row: i64) -> i64:
    """How many retries a cluster may have under way.

    Envoy source/common/upstream/resource_manager_impl.h: the number, or a share of active and pending requests.
    """
    cl = s.cluster[row]
    share = (cl.active + cl.pending) * cl.budget // 100_000
    if share > cl.max_retries:
        return share
    return cl.max_retries


def end_by_timeout(s: State, r: i64, how: i64) -> None:
    """A timeout of a request: whatever it waits for, it ends."""
    q = s.req[r]
    if q.live == 0:
        return
    if q.route >= 0 and s.route[q.route].timeout_status == 0:
        end_session_late(s, r, how)
        return
    if q.att >= 0 or aside(s, r) > 0:
        a = q.att
        if a < 0:
            a = first_beside(s, r)
        s.att[a].how = how
        push(s, DO_END, a)
        return
    if q.decided == STARTED:
        if how == MAX_DURATION:
            q.decided = BROKEN
            push(s, DO_FINISH, r)
        return
    q.status = timeout_code(s, r)
    if how == ROUTE_TIMEOUT:
        q.status = s.route[q.route].timeout_status
        q.flags |= UT
        if q.row >= 0:
            s.cluster[q.row].rq_timeout += 1
            note_status(s, q.row, 504)
    elif how == IDLE_TIMEOUT:
        q.flags |= SI
    push(s, DO_FINISH, r)


def client_time(s: State, r: i64) -> i64:
    """When the caller has an answer that its proxy gives now."""
    q = s.req[r]
    if q.source >= 0 and q.mirror == 0:
        return s.ctl[0].now + s.source[q.source].latency
    return s.ctl[0].now


def write_log(s: State, r: i64, a: i64, status: i64, flags: i64, last: i64) -> None:
    """Add the row of an attempt, or of a request that ends without one (`a` is -1), if its trace is sampled."""
    c = s.ctl[0]
    q = s.req[r]
    if last == 1:
        q.logged = 1
    if q.sampled == 0:
        return
    row = s.log[c.log_n]
    c.log_n += 1
    row.root = q.root
    row.request = q.id
    row.parent = q.parent_id
    row.last = last
    row.mirror = q.mirror
    row.flow = q.flow
    row.source = q.source
    row.call = q.call
    row.cluster = q.cid
    row.worker = q.worker
    row.start = q.start
    row.end = c.now
    row.request_end = 0
    if last == 1:
        row.request_end = client_time(s, r)
    row.status = status
    row.flags = flags
    row.route_version = q.version
    row.how = -1
    if a < 0:
        row.attempt = 0
        row.host = -1
        row.pod = -1
        row.attempt_start = 0
        row.arrived = 0
        row.served = 0
        row.done = 0
        return
    t = s.att[a]
    row.attempt = t.number
    row.how = t.how
    row.host = t.host
    row.pod = t.pod
    trace = s.trace[a]
    row.attempt_start = trace.start
    row.arrived = trace.arrived
    row.served = trace.served
    row.done = trace.done


def bucket(span: i64) -> i64:
    """Number of a latency's bucket: eight equal ones in each octave of nanoseconds."""
    if span < 1:
        return 0
    power = octave(span)
    if power < 3:
        return power * 8 + ((span << (3 - power)) & 7)
    return power * 8 + ((span >> (power - 3)) & 7)


def count_request(s: State, r: i64, end: i64) -> None:
    """Have a finished request counted."""
    c = s.ctl[0]
    q = s.req[r]
    workload = 0
    if q.host >= 0 and s.host[q.host].pod >= 0:
        workload = s.pod[s.host[q.host].pod].workload + 1
    row = s.tally[c.tally_n]
    row.place = ((end // SECOND) << 36) | (s.flow[q.flow].edge << 10)
    row.outcome = (workload << 32) | (q.mirror << 31) | (q.status << FLAG_BITS) | q.flags
    row.span = end - q.start
    c.tally_n += 1


def count_tally(s: State) -> None:
    """Count the finished requests that wait: many at once, so that the memory they need is fetched side by side."""
    c = s.ctl[0]
    mask = len(s.cell_at) - 1
    for i in range(c.tally_n):
        row = s.tally[i]
        row.place |= bucket(row.span)
        row.at = mix(row.place + row.outcome * STEP) & mask
        if c.looks == 1:
            fetch(s.cell_at, row.at)
    if c.looks == 1:
        for i in range(c.tally_n):
            n = s.cell_at[s.tally[i].at]
            if n > 0:
                fetch(s.cell, n - 1)
    for i in range(c.tally_n):
        row = s.tally[i]
        place = row.place
        at = row.at
        n = s.cell_at[at]
        while n > 0 and (s.cell[n - 1].place != place or s.cell[n - 1].outcome != row.outcome):
            at = (at + 1) & mask
            n = s.cell_at[at]
        if n == 0:
            c.cell_n += 1
            n = c.cell_n
            s.cell_at[at] = n
            new = s.cell[n - 1]
            new.place = place
            new.outcome = row.outcome
            new.requests = 0
            new.total = 0
        cell = s.cell[n - 1]
        cell.requests += 1
        cell.total += row.span
    c.tally_n = 0


def finish(s: State, r: i64) -> None:
    """A request has ended: record it and tell its caller."""
    c = s.ctl[0]
    q = s.req[r]
    if q.live == 0:
        return
    if c.hedge_width > 0 and aside(s, r) > 0:
        if q.status == 0 and q.retrying == 0:
            note(s, q.row, UNCHARGED)
        push(s, DO_FINISH, r)
        push(s, DO_DROP, r)
        return
    q.live = 0
    failing = q.status >= 500 or q.status == 0
    if q.status >= GRPC:
        failing = q.status > GRPC
        q.status = 200
    c.finished += 1
    if q.retrying > 0:
        s.cluster[q.retrying - 1].retrying -= 1
        q.retrying = 0
    if q.logged == 0:
        write_log(s, r, -1, q.status, q.flags, 1)
    end = client_time(s, r)
    c.digest = mix(c.digest + mix(q.id + mix(end * 1024 + q.status)))
    count_request(s, r, end)
    if q.parent >= 0:
        s.pod[s.flow[q.flow].pod].calling -= 1
        t = s.att[q.parent]
        if s.att_gen[q.parent] == q.parent_gen and t.phase == CALLING:
            if not failing:
                answered(s, q.parent, 0)
            elif s.call[q.call].again >= -q.user:
                call_again(s, r)
            else:
                answered(s, q.parent, s.call[q.call].fail)
    if q.user >= 0:
        go_on(s, q.user, end, q.id)
    give_request(s, r)


# ---------------------------------------------------------------------------------------------------------------------
# Active health checks
# ---------------------------------------------------------------------------------------------------------------------


def checked_health(s: State, k: i64) -> i64:
    """Health of a checked host: what its assignment says, and what its checks have found."""
    ck = s.check[k]
    if ck.told == UNHEALTHY or ck.told == EXCLUDED:
        return ck.told
    if ck.failed == 1:
        if ck.pending == 1 or ck.excluded == 1:
            return EXCLUDED
        return UNHEALTHY
    if ck.degraded == 1:
        return DEGRADED
    return ck.told


def start_checks(s: State, h: i64, known: i64) -> None:
    """A host has come that is checked: it counts as failed until its first check passes, which comes at once.

    Envoy source/common/upstream/upstream_impl.cc, updateDynamicHostList. A cluster begins when its first hosts have
    been checked.
    DEVIATION: the first check of a new cluster's hosts takes no time.
    """
    c = s.ctl[0]
    host = s.host[h]
    k = host.check - 1
    ck = s.check[k]
    p = s.probe[ck.probe]
    ck.good = 0
    ck.bad = 0
    ck.failed = 1
    ck.first = 1
    ck.degraded = 0
    ck.excluded = 0
    ck.pending = p.waits
    ck.leaving = 0
    ck.connected = 0
    ck.started = 1
    host.multiplier = 0
    host.run_5xx = 0
    host.run_gateway = 0
    host.run_local = 0
    host.total = 0
    host.good = 0
    span = 0
    if p.initial_jitter >= MILLION:
        span = below(draw(mix(ck.id + ck.n * STEP), P_CHECK), p.initial_jitter // MILLION) * MILLION
    if known == 1:
        if span == 0 and p.initial_jitter > 0:
            span = MILLION
        ck.due = c.now + span
        schedule(s, ck.due, EV_CHECK, k)
        return
    p.attempts += 1
    ask_health(s, k)
    changed = take_verdict(s, k)
    wait = check_wait(s, k, changed) - span
    if wait < MILLION:
        wait = MILLION
    ck.due = c.now + wait
    schedule(s, ck.due, EV_CHECK, k)


def told_health(s: State, k: i64, health: i64) -> i64:
    """A checked host has this health in its assignment; returns what both together make."""
    ck = s.check[k]
    ck.told = health
    ck.leaving = 0
    return checked_health(s, k)


def on_check(s: State, k: i64) -> None:
    """A health check begins, unless its host has gone."""
    c = s.ctl[0]
    ck = s.check[k]
    if ck.started == 0 or ck.due != c.now:
        return
    if s.host[ck.host].removed == 1:
        ck.started = 0
        return
    p = s.probe[ck.probe]
    ck.n += 1
    p.attempts += 1
    wait = ask_health(s, k)
    if wait >= p.timeout:
        ck.verdict = CHECK_TIMEOUT
        wait = p.timeout
    ck.due = c.now + wait
    schedule(s, ck.due, EV_CHECKED, k)


def on_checked(s: State, k: i64) -> None:
    """A health check has its result; the next one follows after the interval that this calls for."""
    c = s.ctl[0]
    ck = s.check[k]
    if ck.started == 0 or ck.due != c.now:
        return
    host = s.host[ck.host]
    if host.removed == 1:
        ck.started = 0
        return
    changed = take_verdict(s, k)
    show_check(s, k, changed)
    ck.due = c.now + check_wait(s, k, changed)
    schedule(s, ck.due, EV_CHECK, k)


def ask_health(s: State, k: i64) -> i64:
    """Ask a host how it is: sets the verdict, and returns when it is there."""
    ck = s.check[k]
    p = s.probe[ck.probe]
    wait = connect_check(s, k)
    if ck.verdict == CHECK_PASSED and p.connects == 0:
        wait += answer_check(s, k)
    if ck.verdict >= CHECK_NETWORK or p.connects == 1:
        ck.connected = 0
    elif ck.connected == 1:
        ck.connected = p.reuse
    return wait


def connect_check(s: State, k: i64) -> i64:
    """Time until a health check has its connection."""
    ck = s.check[k]
    host = s.host[ck.host]
    link = s.link[host.link]
    ck.verdict = CHECK_PASSED
    lost = link.lost > 0 and draw(mix(ck.id + ck.n * STEP), P_LOST) < link.lost
    if host.reachable == 0 or lost:
        ck.verdict = CHECK_TIMEOUT
        return NEVER
    if ck.connected == 1:
        return 0
    refused = s.inbound[host.inbound].kind == IN_REFUSE
    if host.pod >= 0:
        pod = s.pod[host.pod]
        refused = refused or pod.state == POD_DEAD or (pod.proxy < 0 and pod.state == POD_DRAINING)
    if refused:
        ck.verdict = CHECK_NETWORK
        return 2 * link.latency
    ck.connected = 1
    return host.rtts * 2 * link.latency


def answer_check(s: State, k: i64) -> i64:
    """Time until a host has answered a health check.

    DEVIATION: a health check is answered 200 while its pod takes requests and 503 while it drains, whatever the
    workload's handlers do.
    """
    ck = s.check[k]
    host = s.host[ck.host]
    status = 200
    if host.pod >= 0 and s.pod[host.pod].state == POD_DRAINING:
        status = 503
    if s.inbound[host.inbound].kind == IN_RESET:
        ck.verdict = CHECK_NETWORK
    else:
        judge_check(s, k, status, 0)
    return 2 * s.link[host.link].latency


def judge_check(s: State, k: i64, status: i64, marks: i64) -> None:
    """Set the verdict of a health check by its answer (http_health_checker, healthCheckResult)."""
    ck = s.check[k]
    p = s.probe[ck.probe]
    if marks & MARK_CLOSES != 0:
        ck.connected = 0
    if in_ranges(s, p.expected_at, p.expected_n, status):
        ck.verdict = CHECK_PASSED
        if marks & MARK_DEGRADED != 0:
            ck.verdict = CHECK_DEGRADED
        return
    if marks & MARK_FAILS != 0:
        ck.excluded = 1
    ck.verdict = CHECK_FAILED
    if in_ranges(s, p.retriable_at, p.retriable_n, status):
        ck.verdict = CHECK_RETRIABLE


def in_ranges(s: State, at: i64, n: i64, status: i64) -> bool:
    """Whether a status is in one of `n` ranges, two places of the `code` column each."""
    for i in range(n):
        if status >= s.code[at + 2 * i] and status < s.code[at + 2 * i + 1]:
            return True
    return False


def take_verdict(s: State, k: i64) -> i64:
    """Count a result; returns whether the host's health changes, might soon, or not.

    Envoy source/extensions/health_checkers/common/health_checker_base_impl.cc, handleSuccess and setUnhealthy.
    """
    ck = s.check[k]
    p = s.probe[ck.probe]
    if ck.verdict > CHECK_DEGRADED:
        return fail_check(s, k, ck.verdict >= CHECK_NETWORK, ck.verdict == CHECK_RETRIABLE)
    p.successes += 1
    ck.bad = 0
    changed = CHECK_SAME
    if ck.failed == 1:
        if ck.first == 0:
            ck.good += 1
        changed = CHECK_PENDING
        if ck.first == 1 or ck.good == p.healthy_n:
            ck.failed = 0
            ck.excluded = 0
            changed = CHECK_CHANGED
    ck.first = 0
    if ck.pending == 1:
        ck.pending = 0
        changed = CHECK_CHANGED
    degraded = 0
    if ck.verdict == CHECK_DEGRADED:
        degraded = 1
    if degraded != ck.degraded:
        ck.degraded = degraded
        if changed == CHECK_SAME:
            changed = CHECK_CHANGED
    return changed


def fail_check(s: State, k: i64, network: bool, retriable: bool) -> i64:
    """Count a failure: an answer that says so is enough, of others the threshold is needed."""
    ck = s.check[k]
    p = s.probe[ck.probe]
    p.failures += 1
    if network:
        p.network += 1
    ck.good = 0
    changed = CHECK_SAME
    if ck.failed == 0:
        changed = CHECK_PENDING
        if network or retriable:
            ck.bad += 1
        if (not network and not retriable) or ck.bad == p.unhealthy_n:
            ck.failed = 1
            changed = CHECK_CHANGED
    ck.first = 0
    if ck.pending == 1:
        ck.pending = 0
        changed = CHECK_CHANGED
    return changed


def show_check(s: State, k: i64, changed: i64) -> None:
    """The result of a health check shows: to the balancer, to pools, to outlier detection."""
    ck = s.check[k]
    h = ck.host
    host = s.host[h]
    row = host.cluster
    cl = s.cluster[row]
    if changed == CHECK_CHANGED:
        host.healthy = checked_health(s, k)
        if ck.failed == 1:
            drain_pools(s, h)
            if ck.leaving == 1:
                drop_host(s, row, h)
                return
        change_health(s, row)
    if ck.verdict <= CHECK_DEGRADED and ck.failed == 0 and host.ejected == 1 and s.probe[ck.probe].unejects == 1:
        host.ejected = 0
        cl.ejected -= 1
        host.run_5xx = 0
        host.run_gateway = 0
        host.run_local = 0
        change_health(s, row)


def drop_host(s: State, row: i64, h: i64) -> None:
    """A host that had left its assignment has failed a check: it goes now."""
    cl = s.cluster[row]
    n = 0
    for i in range(cl.host_n):
        if s.hosts[cl.host_at + i] != h:
            s.hosts[cl.host_at + n] = s.hosts[cl.host_at + i]
            n += 1
    cl.host_n = n
    remove_host(s, h)
    if cl.plan >= 0:
        show_level(s, s.plan[cl.plan].level_at + s.host[h].level)


def fail_passively(s: State, k: i64) -> None:
    """A host has asked in an ordinary answer to be taken for failed (x-envoy-immediate-health-check-fail)."""
    ck = s.check[k]
    s.probe[ck.probe].passive += 1
    ck.excluded = 1
    ck.verdict = CHECK_FAILED
    show_check(s, k, fail_check(s, k, False, False))


def check_wait(s: State, k: i64, changed: i64) -> i64:
    """Time until the next health check of a host (HealthCheckerImplBase::interval)."""
    ck = s.check[k]
    p = s.probe[ck.probe]
    passed = ck.verdict <= CHECK_DEGRADED
    if s.cluster[s.host[ck.host].cluster].cx_total == 0:
        span = p.no_traffic
        if passed and changed != CHECK_PENDING:
            span = p.no_traffic_healthy
    elif passed:
        span = p.interval
        if changed == CHECK_PENDING:
            span = p.healthy_edge
    else:
        span = p.unhealthy
        if changed == CHECK_PENDING:
            span = p.unhealthy_edge
    span = span // MILLION
    identity = mix(ck.id + ck.n * STEP)
    part = p.jitter_percent * span // 100
    if part > 0:
        span += below(draw(identity, P_CHECK + 1), part)
    if p.jitter >= MILLION:
        span += below(draw(identity, P_CHECK + 2), p.jitter // MILLION)
    if span < 1:
        span = 1
    return span * MILLION


def forget_checks(s: State, pod: i64) -> None:
    """A pod has died: the connections of its health checks are gone."""
    for k in range(len(s.check)):
        if s.host[s.check[k].host].pod == pod:
            s.check[k].connected = 0


# ---------------------------------------------------------------------------------------------------------------------
# Death, partition, configuration
# ---------------------------------------------------------------------------------------------------------------------


def change_pod(s: State, p: i64, state: i64) -> None:
    """A pod becomes ready, begins to drain or dies."""
    pod = s.pod[p]
    was = pod.state
    pod.state = state
    if pod.proxy >= 0:
        s.proxy[pod.proxy].down = 0
        if state == POD_DEAD:
            s.proxy[pod.proxy].down = 1
    if state == POD_DEAD and was != POD_DEAD:
        pod.busy = 0
        pod.head = -1
        pod.tail = -1
        pod.queued = 0
        pod.cursor = 0
        if pod.bound >= 0:
            settle_cpu(s, pod.bound)
            s.bound[pod.bound].running = 0
        forget_checks(s, p)
        push(s, DO_KILL, p)


def kill(s: State, p: i64) -> None:
    """Reset the next attempts that were at a dead pod or on their way to it."""
    pod = s.pod[p]
    last = least(pod.cursor + CHUNK, len(s.att))
    while pod.cursor < last:
        a = pod.cursor
        pod.cursor += 1
        t = s.att[a]
        there = t.phase >= OUTWARD and t.phase <= CALLING
        if t.pod == p and t.killed == 0 and (there or t.phase == AWAITING):
            t.listed = 0
            t.next = -1
            reset_from_server(s, a)
    if pod.cursor < len(s.att):
        push(s, DO_KILL, p)
    else:
        pod.cursor = 0
        push(s, DO_KILL_CONNECTIONS, p)


def kill_connections(s: State, p: i64) -> None:
    """Close the next connections to a dead pod; those being set up fail."""
    c = s.ctl[0]
    pod = s.pod[p]
    last = least(pod.cursor + CHUNK, len(s.conn))
    while pod.cursor < last:
        k = pod.cursor
        pod.cursor += 1
        conn = s.conn[k]
        age = s.conn_age[k]
        if age.pod == p and (conn.state == READY or conn.state == DRAINING):
            close_connection(s, k)
            if s.cluster[pool_row(s, conn.pool)].pools > 0:
                push(s, DO_POOL, conn.pool)
        elif age.pod == p and conn.state == CONNECTING and conn.failing == 0:
            conn.failing = 1
            age.due = c.now + s.link[s.host[conn.host].link].latency
            conn.events += 1
            schedule(s, age.due, EV_UNCONNECTED, k)
    if pod.cursor < len(s.conn):
        push(s, DO_KILL_CONNECTIONS, p)
    else:
        pod.cursor = 0
        push(s, DO_KILL_REQUESTS, p)


def kill_requests(s: State, p: i64) -> None:
    """End the next requests that a dead pod had made itself, or that its proxy was serving."""
    pod = s.pod[p]
    last = least(pod.cursor + CHUNK, len(s.req))
    if last < len(s.req):
        push(s, DO_KILL_REQUESTS, p)
    while pod.cursor < last:
        r = pod.cursor
        pod.cursor += 1
        q = s.req[r]
        if q.live == 1:
            f = s.flow[q.flow]
            if f.pod == p or (pod.proxy >= 0 and f.proxy == pod.proxy):
                if q.att >= 0:
                    s.att[q.att].how = ABANDONED
                    push(s, DO_END, q.att)
                else:
                    q.status = 0
                    q.flags |= DC
                    push(s, DO_FINISH, r)


def retransmission(begin: i64, first: i64, now: i64) -> i64:
    """When TCP next repeats a packet sent at `begin`: it waits `first`, then twice as long each time."""
    at = begin
    wait = first
    while at < now:
        at += wait
        wait = 2 * wait
    return at


def change_reach(s: State, h: i64, reachable: i64) -> None:
    """The network between a caller and a host breaks or heals."""
    host = s.host[h]
    if host.reachable == reachable:
        return
    host.reachable = reachable
    host.cursor = 0
    if reachable == 1 and host.active > 0:
        push(s, DO_REACH, h)
    else:
        push(s, DO_REACH_CONNECTIONS, h)


def reach(s: State, h: i64) -> None:
    """The network healed: TCP repeats what the next hanging attempts had sent."""
    c = s.ctl[0]
    host = s.host[h]
    last = least(host.cursor + CHUNK, len(s.att))
    while host.cursor < last:
        a = host.cursor
        host.cursor += 1
        t = s.att[a]
        if t.host == h and t.open == 1 and t.phase == HUNG_OUT:
            send(s, a, retransmission(s.trace[a].sent, RTO_BASE, c.now))
        elif t.host == h and t.open == 1 and t.phase == HUNG_BACK:
            send_back(s, a, retransmission(s.trace[a].done, RTO_BASE, c.now))
    if host.cursor < len(s.att):
        push(s, DO_REACH, h)
    else:
        host.cursor = 0
        push(s, DO_REACH_CONNECTIONS, h)


def reach_connections(s: State, h: i64) -> None:
    """Connections being set up to a host whose network changed: they stall until their timeout, or go on."""
    c = s.ctl[0]
    host = s.host[h]
    connecting = 0
    pool = host.pool
    while pool >= 0:
        connecting += s.pool[pool].connecting
        pool = next_pool(s, pool)
    if connecting == 0:
        return
    last = least(host.cursor + CHUNK, len(s.conn))
    while host.cursor < last:
        k = host.cursor
        host.cursor += 1
        conn = s.conn[k]
        if conn.state == CONNECTING and conn.host == h:
            if host.reachable == 0:
                plan_connection(s, k, c.now, s.conn_age[k].opened)
            elif conn.failing == 2:
                plan_connection(s, k, retransmission(s.conn_age[k].opened, SYN_BASE, c.now), s.conn_age[k].opened)
    if host.cursor < len(s.conn):
        push(s, DO_REACH_CONNECTIONS, h)


def remove_host(s: State, h: i64) -> None:
    """A host left its cluster: no new requests, idle connections close, those under way finish."""
    host = s.host[h]
    host.removed = 1
    if host.ejected == 1:
        host.ejected = 0
        s.cluster[host.cluster].ejected -= 1
    drain_pools(s, h)


def change_cluster(s: State, cid: i64, row: i64) -> None:
    """A cluster is replaced or removed (`row` is -1): requests under way finish on the old one's connections."""
    c = s.ctl[0]
    old = s.cluster_row[cid]
    s.cluster_row[cid] = row
    if old >= 0 and old != row:
        cl = s.cluster[old]
        cl.retired = 1
        for i in range(cl.host_at, cl.host_at + cl.host_n):
            remove_host(s, s.hosts[i])
        cl.host_n = 0
        cl.view_n = 0
        cl.plan = -1
        if cl.high > 0:
            s.cluster[cl.high - 1].retired = 1
        subset = cl.kin - 1
        while subset >= 0:
            s.cluster[subset].host_n = 0
            s.cluster[subset].plan = -1
            subset = s.cluster[subset].kin - 1
    if row >= 0 and s.cluster[row].outlier == 1:
        schedule(s, c.now + s.cluster[row].interval, EV_SWEEP, row)


def set_host(s: State, h: i64, at: i64) -> bool:
    """Write the payload of one host into its row; returns whether its health or weight changed."""
    host = s.host[h]
    host.pod = s.payload[at + 1]
    host.handler = s.payload[at + 2]
    host.link = s.payload[at + 3]
    host.inbound = s.payload[at + 5]
    host.classes = s.payload[at + 6]
    health = s.payload[at + 8]
    if host.check > 0:
        health = told_health(s, host.check - 1, health)
    changed = host.weight != s.payload[at + 7] or host.healthy != health
    changed = changed or host.locality_weight != s.payload[at + 11]
    if usable(host.healthy) and not usable(health):
        drain_pools(s, h)
    host.weight = s.payload[at + 7]
    host.healthy = health
    host.rtts = s.payload[at + 9]
    host.external = s.payload[at + 10]
    host.locality_weight = s.payload[at + 11]
    host.marks = s.payload[at + 12]
    change_reach(s, h, s.payload[at + 4])
    return changed


def outlives_list(s: State, h: i64) -> bool:
    """Whether a host that has left its assignment stays, because checks find it healthy (updateDynamicHostList)."""
    host = s.host[h]
    if host.check == 0:
        return False
    ck = s.check[host.check - 1]
    if s.probe[ck.probe].keeps == 0 or ck.failed == 1 or ck.told == UNHEALTHY:
        return False
    ck.leaving = 1
    host.removed = 0
    return True


def change_hosts(s: State, row: i64, base: i64, at: i64, n: i64) -> None:
    """A cluster gets the host list that stands in the payload, kept in the places from `base` on.

    Whatever an assignment changes, health and weight too, reaches the balancer at once and cancels a pending merge
    (measured on 1.40); only what is found out about hosts, ejections above all, is merged. The first hosts of a cluster
    open no window (cluster_manager_impl.cc, onClusterInit).
    """
    c = s.ctl[0]
    cl = s.cluster[row]
    if cl.retired == 1:
        return
    moved = n != cl.host_n
    kept = 0
    for i in range(cl.host_n):
        s.host[s.hosts[cl.host_at + i]].removed = 2
    for i in range(n):
        h = s.payload[at + i * HOST_WORDS]
        host = s.host[h]
        if i >= cl.host_n or s.hosts[cl.host_at + i] != h:
            moved = True
        fresh = host.removed == 1
        if fresh:
            touch_level(s, row, h)
        if set_host(s, h, at + i * HOST_WORDS):
            moved = True
            touch_level(s, row, h)
        host.removed = 0
        if fresh and host.check > 0:
            start_checks(s, h, cl.known)
            host.healthy = checked_health(s, host.check - 1)
    for i in range(cl.host_n):
        h = s.hosts[cl.host_at + i]
        if s.host[h].removed == 2:
            if outlives_list(s, h):
                s.hosts[base + n + kept] = h
                kept += 1
            else:
                touch_level(s, row, h)
                remove_host(s, h)
    for i in range(n):
        s.hosts[base + i] = s.payload[at + i * HOST_WORDS]
    if base != cl.host_at:
        for i in range(least(cl.view_n, n)):
            s.seen[base + i] = s.seen[cl.host_at + i]
    cl.host_at = base
    cl.host_n = n + kept
    first = cl.known == 0
    cl.known = 1
    if cl.plan >= 0:
        change_levels(s, row, first)
    elif moved:
        if not first:
            cl.updated = c.now
        cl.merging = 0
        view_hosts(s, row)


def change_factor(s: State, row: i64, factor: i64) -> None:
    """An assignment overprovisions by another factor: every priority is told anew (eds.cc, updateHostsPerLocality)."""
    cl = s.cluster[row]
    if cl.plan < 0:
        return
    subset = row
    while subset >= 0:
        if s.cluster[subset].plan >= 0:
            s.plan[s.cluster[subset].plan].factor = factor
        subset = s.cluster[subset].kin - 1
    plan = s.plan[cl.plan]
    for lv in range(plan.level_at, plan.level_at + plan.level_n):
        show_level(s, lv)


def on_change(s: State, i: i64) -> None:
    """A configuration change takes effect."""
    s.ctl[0].changes -= 1
    ch = s.change[i]
    if ch.kind == CH_ROUTE:
        f = s.flow[ch.target]
        f.route = ch.value
        f.version += 1
        f.cluster = ch.at
        f.class_there = ch.n
    elif ch.kind == CH_HOSTS:
        change_hosts(s, ch.target, ch.value, ch.at, ch.n)
    elif ch.kind == CH_CLUSTER:
        change_cluster(s, ch.target, ch.value)
    elif ch.kind == CH_RATE:
        change_rate(s, ch.target, ch.value)
    elif ch.kind == CH_POD:
        change_pod(s, ch.target, ch.value)
    elif ch.kind == CH_REACH:
        change_reach(s, ch.target, ch.value)
    elif ch.kind == CH_SOURCE:
        start_source(s, ch.target)
    elif ch.kind == CH_PLAN:
        change_plan(s, ch.target, ch.value)
    elif ch.kind == CH_DROP:
        s.cluster[ch.target].next_drop = ch.value
        s.cluster[ch.target].drops |= DROPS
    elif ch.kind == CH_FACTOR:
        change_factor(s, ch.target, ch.value)
    elif ch.kind == CH_SUBSET:
        change_subset(s, ch.target, ch.value, ch.at, ch.n)
    elif ch.kind == CH_CHAIN:
        s.cluster[ch.target].chain_at = ch.at
        s.cluster[ch.target].chain_n = ch.n
    else:
        s.source[ch.target].flow_at = ch.at
        s.source[ch.target].flow_n = ch.n


def on_view(s: State, row: i64) -> None:
    """The merge window of a cluster's health changes ends."""
    cl = s.cluster[row]
    if cl.merging == s.ctl[0].now and cl.retired == 0:
        cl.merging = 0
        cl.updated = s.ctl[0].now
        view_hosts(s, row)


def on_level(s: State, lv: i64) -> None:
    """The merge window of a priority's health changes ends."""
    level = s.level[lv]
    if level.merging == s.ctl[0].now:
        show_level(s, lv)


# ---------------------------------------------------------------------------------------------------------------------
# What is idle for long
# ---------------------------------------------------------------------------------------------------------------------


def begin_looking(s: State) -> None:
    """From now on everything is looked at now and then, at whole multiples of `LOOK`."""
    c = s.ctl[0]
    c.looking = 2
    schedule(s, (c.now // LOOK + 1) * LOOK, EV_LOOK, 0)


def on_look(s: State) -> None:
    """Look at all requests, then at all connections."""
    schedule(s, s.ctl[0].now + LOOK, EV_LOOK, 0)
    push(s, DO_LOOK_CONNECTIONS, 0)
    push(s, DO_LOOK, 0)


def silent_since(s: State, r: i64) -> i64:
    """When the client of a request, or its answer, last moved."""
    q = s.req[r]
    since = q.start
    if q.source >= 0:
        since += s.source[q.source].latency
    if s.ctl[0].late_width > 0:
        if s.late[2 * r] > since:
            since = s.late[2 * r]
        if s.route[q.route].slow == 1 and whole(s, r) and s.late[2 * r + 1] > since:
            since = s.late[2 * r + 1]
    if q.decided == STARTED and q.att >= 0:
        since = s.trace[q.att].done
    elif q.att >= 0 and s.att[q.att].attached == 1 and s.route[q.route].timeout_status == 0:
        since = s.conn_age[s.att[q.att].conn].due
    return since


def look_at_requests(s: State, first: i64) -> None:
    """Have the next requests end that will have been idle for too long by the next look.

    DEVIATION: the wait for the event loop that reads a request counts as idle time, if the limit is long.
    """
    c = s.ctl[0]
    last = least(first + CHUNK, len(s.req))
    for r in range(first, last):
        q = s.req[r]
        if q.live == 1 and q.mirror == 0 and q.decided > 0 and q.route >= 0 and s.route[q.route].rest > 0:
            due = silent_since(s, r) + s.route[q.route].rest
            if due <= c.now + LOOK:
                q.events += 1
                schedule(s, max(due, c.now), EV_SILENT, r)
    if last < len(s.req):
        push(s, DO_LOOK, last)


def on_silent(s: State, r: i64) -> None:
    """A request has been idle for too long, unless something came meanwhile."""
    q = s.req[r]
    q.events -= 1
    if q.live == 0:
        give_request(s, r)
        return
    if s.route[q.route].rest == 0:
        return
    due = silent_since(s, r) + s.route[q.route].rest
    if due <= s.ctl[0].now:
        push(s, DO_IDLE, r)
    else:
        q.events += 1
        schedule(s, due, EV_SILENT, r)


def look_at_connections(s: State, first: i64) -> None:
    """Have the next connections close that will have been without a stream for too long by the next look.

    DEVIATION: of HTTP/2 connections whose limits are the usual ones it is noted every 100 s whether they have streams.
    """
    c = s.ctl[0]
    last = least(first + CHUNK, len(s.conn))
    for k in range(first, last):
        conn = s.conn[k]
        if conn.state == READY and conn.streams == 0:
            age = s.conn_age[k]
            cl = s.cluster[s.host[conn.host].cluster]
            if cl.http2 == 1 and cl.limits == 0 and conn.used != age.used:
                age.used = conn.used
                age.due = c.now
            if cl.idle_timeout > 0 and cl.rest_class < 0 and age.due + cl.idle_timeout <= c.now + LOOK:
                conn.events += 1
                schedule(s, max(age.due + cl.idle_timeout, c.now), EV_RESTED, k)
    if last < len(s.conn):
        push(s, DO_LOOK_CONNECTIONS, last)


def on_rested(s: State, k: i64) -> None:
    """A connection has been without a stream for too long, unless it had one meanwhile."""
    conn = s.conn[k]
    conn.events -= 1
    age = s.conn_age[k]
    cl = s.cluster[s.host[conn.host].cluster]
    moved = cl.http2 == 1 and cl.limits == 0 and conn.used != age.used
    if conn.state == READY and conn.streams == 0 and not moved and age.due + cl.idle_timeout <= s.ctl[0].now:
        close_rested(s, k)
    else:
        give_connection(s, k)


# ---------------------------------------------------------------------------------------------------------------------
# The loop
# ---------------------------------------------------------------------------------------------------------------------


def on_request_event(s: State, kind: i64, r: i64) -> None:
    """A request has waited for the network, an event loop, a fault or its back-off."""
    q = s.req[r]
    q.events -= 1
    if q.live == 0:
        give_request(s, r)
    elif kind == EV_DELAYED:
        forward(s, r)
    elif kind == EV_OUT:
        pass_out(s, r)
    else:
        enter(s, r)


def room(s: State) -> i64:
    """0 while there is room for whatever the next `TOGETHER` events and steps may use, otherwise what `run` has to
    return."""
    c = s.ctl[0]
    if c.log_n + 2 * TOGETHER > len(s.log):
        return LOGFULL
    if c.tally_n + 2 * TOGETHER > len(s.tally):
        if c.cell_n + len(s.tally) > len(s.cell):
            return CELLFULL
        count_tally(s)
    if c.noted_n + 8 * TOGETHER > len(s.noted):
        count_notes(s)
    if (
        least(c.req_free_n, c.att_free_n) < 2 * TOGETHER
        or c.conn_free_n < DIALS
        or c.timer_full + c.stale + c.rare_full + c.pools_short > 0
    ):
        return FULL
    if c.work_n + WORK_ROOM > len(s.work) or 2 * (NEAR_ROOM + c.far_n + c.wheel_n) + HEAP_ROOM > len(s.heap):
        return FULL
    return 0


def do_step(s: State, step: i64, row: i64) -> None:
    """Do one of the common steps."""
    if step == DO_CALLS:
        make_calls(s, row)
    elif step == DO_FINISH:
        finish(s, row)
    elif step == DO_END:
        end_attempt(s, row)
    elif step == DO_ATTACH:
        attach(s, row)
    else:
        do_rare_step(s, step, row)


def do_rare_step(s: State, step: i64, row: i64) -> None:
    """Do one of the steps that are not worth a place in the compiled loop."""
    if step == DO_POOL:
        serve_pool(s, row)
    elif step == DO_ENTER:
        enter(s, row)
    elif step == DO_TRY:
        try_upstream(s, row)
    elif step == DO_PURGE:
        purge(s, row)
    elif step == DO_MIRROR:
        mirror(s, row)
    elif step == DO_TIMEOUT:
        end_by_timeout(s, row, ROUTE_TIMEOUT)
    elif step == DO_IDLE:
        end_by_timeout(s, row, IDLE_TIMEOUT)
    elif step == DO_DURATION:
        end_by_timeout(s, row, MAX_DURATION)
    elif step == DO_REQUEST:
        end_by_timeout(s, row, REQUEST_TIMEOUT)
    elif step == DO_LOOK:
        look_at_requests(s, row)
    elif step == DO_LOOK_CONNECTIONS:
        look_at_connections(s, row)
    elif step == DO_LEAVE:
        leave_redirected(s, row)
    elif step == DO_DECIDE:
        pass_out(s, row)
    elif step == DO_CANCEL:
        cancel(s, row)
    elif step == DO_HEDGE:
        hedge(s, row)
    elif step == DO_DROP:
        drop_attempt(s, row)
    elif step == DO_KILL:
        kill(s, row)
    elif step == DO_KILL_CONNECTIONS:
        kill_connections(s, row)
    elif step == DO_KILL_REQUESTS:
        kill_requests(s, row)
    elif step == DO_REACH:
        reach(s, row)
    elif step == DO_REACH_CONNECTIONS:
        reach_connections(s, row)
    else:
        start_users(s, row)


def do_event(s: State, kind: i64, row: i64) -> None:
    """Let one event happen."""
    if kind == EV_RESPONSE:
        on_response(s, row)
    elif kind == EV_SERVED:
        on_served(s, row)
    elif kind == EV_ARRIVE:
        on_arrive(s, row)
    elif kind == EV_SERVER:
        on_server(s, row)
    elif kind == EV_BACK:
        on_back(s, row)
    elif kind == EV_SOURCE:
        on_source(s, row)
    elif kind == EV_TIMER:
        on_timer(s, row)
    elif kind == EV_ENTER or kind == EV_OUT or kind == EV_DELAYED or kind == EV_BACKOFF:
        on_request_event(s, kind, row)
    else:
        do_rare_event(s, kind, row)


def do_rare_event(s: State, kind: i64, row: i64) -> None:
    """Let one of the events happen that are not worth a place in the compiled loop."""
    if kind == EV_RESET:
        on_reset(s, row)
    elif kind == EV_CONNECTED:
        on_connected(s, row)
    elif kind == EV_UNCONNECTED:
        on_unconnected(s, row)
    elif kind == EV_SWEEP:
        sweep(s, row)
    elif kind == EV_VIEW:
        on_view(s, row)
    elif kind == EV_LEVEL:
        on_level(s, row)
    elif kind == EV_AGAIN:
        on_again(s, row)
    elif kind == EV_CHANGE:
        on_change(s, row)
    elif kind == EV_TURN_OUT:
        on_turn_out(s, row)
    elif kind == EV_TURN_BACK:
        on_turn_back(s, row)
    elif kind == EV_TURN_IN or kind == EV_TURN_LEFT:
        on_turn_there(s, kind, row)
    elif kind == EV_CHECK:
        on_check(s, row)
    elif kind == EV_CHECKED:
        on_checked(s, row)
    elif kind == EV_BODY:
        on_body(s, row)
    elif kind == EV_SLOWED:
        on_slowed(s, row)
    elif kind == EV_LOOK:
        on_look(s)
    elif kind == EV_SILENT:
        on_silent(s, row)
    elif kind == EV_RESTED:
        on_rested(s, row)
    else:
        on_user(s, row)


def arrange(s: State, n: i64) -> i64:
    """Turn `n` kept cells into rows of the series, by second, edge, bucket and outcome, equal ones added.

    Returns how many rows there are. In the interpreted mode `series.merge_cells` does the same.
    """
    first = NEVER
    for i in range(n):
        first = least(first, s.kept[i].place)
    first = (first >> 36) << 36
    bits = 0
    for i in range(n):
        place = s.kept[i].place - first
        s.sorting[2 * i] = place
        s.sorting[2 * i + 1] = i
        bits = bits | place
    here = 0
    shift = 0
    while bits >> shift > 0:
        if (bits >> shift) & (DIGITS - 1) > 0:
            sort_digit(s, n, here, shift)
            here = 2 * n - here
        shift += DIGIT_BITS
    sort_outcomes(s, n, here)
    return write_series(s, n, here)


def sort_digit(s: State, n: i64, here: i64, shift: i64) -> None:
    """Move `n` pairs from one list to the other, sorted by one digit of their places; equal ones keep their order."""
    for d in range(DIGITS):
        s.digit[d] = 0
    for i in range(n):
        d = (s.sorting[here + 2 * i] >> shift) & (DIGITS - 1)
        s.digit[d] += 1
    at = 2 * n - here
    for d in range(DIGITS):
        counted = s.digit[d]
        s.digit[d] = at
        at += 2 * counted
    for i in range(n):
        place = s.sorting[here + 2 * i]
        d = (place >> shift) & (DIGITS - 1)
        to = s.digit[d]
        s.digit[d] = to + 2
        s.sorting[to] = place
        s.sorting[to + 1] = s.sorting[here + 2 * i + 1]


def sort_outcomes(s: State, n: i64, here: i64) -> None:
    """Sort pairs of equal places, of which there are few, by their cells' outcomes."""
    for i in range(1, n):
        at = here + 2 * i
        place = s.sorting[at]
        if s.sorting[at - 2] != place:
            continue
        row = s.sorting[at + 1]
        outcome = s.kept[row].outcome
        while at > here and s.sorting[at - 2] == place and s.kept[s.sorting[at - 1]].outcome > outcome:
            s.sorting[at + 1] = s.sorting[at - 1]
            at -= 2
        s.sorting[at + 1] = row


def write_series(s: State, n: i64, here: i64) -> i64:
    """Decode the cells of sorted pairs, equal ones into one row; returns how many rows there are."""
    rows = 0
    place = -1
    outcome = -1
    for i in range(n):
        cell = s.kept[s.sorting[here + 2 * i + 1]]
        if cell.place != place or cell.outcome != outcome:
            place = cell.place
            outcome = cell.outcome
            row = s.series[rows]
            rows += 1
            row.second = place >> 36
            row.edge = (place >> 10) & 67_108_863
            row.bucket = place & 1023
            row.workload = (outcome >> 32) - 1
            row.mirror = (outcome >> 31) & 1
            row.status = (outcome >> FLAG_BITS) & 1023
            row.flags = outcome & ((1 << FLAG_BITS) - 1)
            row.requests = 0
            row.total = 0
        row = s.series[rows - 1]
        row.requests += cell.requests
        row.total += cell.total
    return rows


def run(s: State, until: i64) -> i64:
    """Process every event strictly before `until`.

    Returns the time of the next event (`NEVER` without one), or `FULL`, `LOGFULL` or `CELLFULL` when a table has to be
    grown or drained first; the caller then calls again with the same `until`.
    """
    c = s.ctl[0]
    spare = 0
    if c.looking == 1:
        begin_looking(s)
    while True:
        if spare == 0 or c.timer_full + c.stale > 0:
            lack = room(s)
            if lack < 0:
                return lack
            spare = TOGETHER
        spare -= 1
        if c.work_n > 0:
            c.work_n -= 1
            item = s.work[c.work_n]
            do_step(s, item & KINDS, item >> KIND_BITS)
            continue
        base = find_first(s)
        time = NEVER
        if base >= 0:
            time = s.heap[2 * base]
        if time >= until:
            if c.cell_n + c.tally_n > len(s.cell):
                return CELLFULL
            count_tally(s)
            count_notes(s)
            if c.rare_full == 1:
                return FULL
            return time
        key = s.heap[2 * base + 1]
        take(s, base)
        c.now = time
        c.timer_key = key
        c.events += 1
        if c.seen_n + LAG < c.see_n:
            look_ahead(s)
            if c.seen_n + LAG < c.see_n:
                look_ahead(s)
        do_event(s, (key >> SLOT_BITS) & KINDS, key & SLOTS)


def inject(s: State, first: i64, n: i64) -> None:
    """Put configuration changes into the heap; at their instant they come before everything else, in this order."""
    c = s.ctl[0]
    for i in range(first, first + n):
        key = (c.seq << SEQ_SHIFT) | (EV_CHANGE << SLOT_BITS) | i
        c.seq += 1
        c.changes += 1
        put(s, s.change[i].time, key)


INLINE = (
    *("mix", "draw", "unit", "below", "exponential", "schedule", "push", "take", "find_flow", "leg", "inbound_of"),
    *("viewed", "take_request", "give_request", "take_attempt", "give_attempt", "set_timer", "write_log", "judge"),
    *("decide", "forward", "choose_host", "pick", "attach", "send", "leave_upstream", "release_connection"),
)
"""Functions that are worth a place wherever they are called; the compiler decides about the others."""
OFTEN = (
    *("sample", "least", "put", "sift_up", "put_near", "drop", "look_far", "look_near", "see", "look_ahead"),
    *("look_at_calls", "look_at_timer", "look_at_flow", "look_at_cluster", "look_at_hosts", "advance", "find_first"),
    *("empty_bucket", "count_tally", "count_notes"),
    *("timer_live", "may_live"),
    *("on_timer", "end_try", "event_loop", "send_root", "plan_arrival", "on_source", "passage", "enter", "pass_out"),
    *("try_upstream", "ready_connection", "on_server", "on_arrive", "begin_service", "free_worker", "on_served"),
    *("failure", "make_calls", "answered", "launch", "join_calls", "respond", "send_back", "on_back"),
    *("on_response", "retriable", "note", "count_note", "note_stream", "note_end", "end_attempt", "beside"),
    *("retry_limit", "client_time", "bucket", "count_request", "finish", "on_request_event", "room", "do_step"),
    *("do_event", "run", "inject", "arrange", "sort_digit", "sort_outcomes", "write_series"),
)
"""Functions that most requests need; the code of those in neither list is kept out of the way of the others."""
