"""What services do with a request and what clients send: the `workloads` and `traffic` of a scenario."""

import re
from collections.abc import Mapping
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from meshsim.scenario.arrivals import (
    MOST_USERS,
    Arrivals,
    Burst,
    CountOrConnections,
    CountOrSessions,
    RampPoint,
    Replay,
    Series,
    UserPoint,
    assert_rising,
)
from meshsim.scenario.node import Headers, Labels, Many, Name, Node, exactly_one
from meshsim.scenario.quantities import Duration, Rate, Ratio, Size, Span, Time
from meshsim.units import Distribution

_MOST_CALLS: Final = 10_000
"""More calls for one request are a mistake."""
_LOADS: Final = ("rate", "ramp", "series", "bursts", "replay", "users", "user_ramp")
_AUTHORITY: Final = re.compile(r"^(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:(?P<port>[0-9]{1,5}))?$")

Status: TypeAlias = Annotated[int, Field(ge=200, le=599)]
"""An HTTP status code."""

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]


def _authority(value: object) -> object:
    if not isinstance(value, str) or not _AUTHORITY.match(value):
        raise PydanticCustomError("authority", f"expected a host such as reviews or reviews:9080, got {value!r}")
    return value


def _destination(value: object) -> object:
    _authority(value)
    if ":" not in str(value):
        raise PydanticCustomError("destination", f"'{value}' says no port; write host:port, such as {value}:80")
    return value


Authority: TypeAlias = Annotated[str, BeforeValidator(_authority)]
"""`host` or `host:port`."""

Destination: TypeAlias = Annotated[str, BeforeValidator(_destination)]
"""`host:port`."""


class Style(Enum):
    """What a worker of an application does while the handler waits for its own calls."""

    THREADS = "threads"
    """The worker stays occupied."""
    ASYNC = "async"
    """The worker takes the next request."""


class Failures(Node):
    """Answers that fail before the workload makes its calls."""

    rate: Ratio
    """Share of the requests."""
    status: Status = 500
    """What they are answered with."""


def error_rate(errors: tuple[Failures, ...]) -> float:
    """Share of the requests that fail in any of these ways."""
    return sum(failures.rate for failures in errors)


def _failures(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


OneOrMoreFailures: TypeAlias = Annotated[
    tuple[Failures, ...],
    Field(strict=False),
    BeforeValidator(_failures, json_schema_input_type=Failures | tuple[Failures, ...]),
]
"""Failing answers, which may be written as the only kind of them."""


class Queue(Node):
    """Requests that wait for a worker."""

    limit: Annotated[int, Field(ge=0, le=1_000_000)]
    """How many may wait."""
    status: Status = 503
    """What one more is answered with."""


def _queue(value: object) -> object:
    return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value


QueueOrLimit: TypeAlias = Annotated[Queue, BeforeValidator(_queue, json_schema_input_type=int | Queue)]
"""A queue, which may be written as its limit."""


class LoadPoint(Node):
    """How much longer service takes under some load."""

    busy: Annotated[int, Field(ge=1, le=1_000_000)]
    """Requests in service in the pod, that one among them."""
    factor: Annotated[float, Field(strict=False, gt=0, le=1000)]
    """Times its own service time."""


class Serve(Node):
    """What a workload does itself for a request."""

    time: Time | None = None
    """Own service time, without the calls and the waiting; a distribution. Nothing: it answers at once."""
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests a pod works on at once; the others wait in line. Nothing: no limit."""
    style: Annotated[Style, Field(strict=False)] = Style.THREADS
    """Whether a worker is occupied while its calls are under way (`threads`) or not (`async`)."""
    queue: QueueOrLimit | None = None
    """How many requests may wait in line, and what one more is answered with. Nothing: any number."""
    slowdown: Many[LoadPoint] = ()
    """How service time grows with the requests in service: straight between the points, after the last two as between
    them."""
    cpu: Ratio | None = None
    """How much of the service time is CPU time; the rest, which comes first, is waiting. The limits of the pod's
    containers (`resources.limits.cpu`) then hold it up, and autoscalers see it. Nothing: CPU plays no part."""
    errors: OneOrMoreFailures = ()
    """Failing answers of its own."""
    size: Size = 0
    """Size of its answers."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.queue is not None and self.concurrency is None:
            raise PydanticCustomError("queue", "a 'queue' needs a 'concurrency', without one nobody waits")
        if error_rate(self.errors) > 1:
            raise PydanticCustomError("errors", "the 'errors' together are more than 100%")
        if any(after.busy <= before.busy for before, after in pairwise(self.slowdown)):
            raise PydanticCustomError("slowdown", "the points of 'slowdown' must be in the order of 'busy'")
        if any(after.factor < before.factor for before, after in pairwise(self.slowdown)):
            raise PydanticCustomError("slowdown", "the factors of 'slowdown' must not fall")
        return self


class Again(Node):
    """How the caller's code makes a failed call again (no answer, or a status of 500 or more)."""

    attempts: Annotated[int, Field(ge=1, le=100)]
    """How often, beside the first time."""
    backoff: Time | None = None
    """Time before each of these; a distribution. Nothing: at once."""


class Call(Node):
    """A request the workload makes while it handles one."""

    to: Destination
    """`host:port`, the host as the application's code would write it (short name, FQDN or external host)."""
    path: Annotated[str, Field(pattern="^/")] = "/"
    """Request path."""
    method: Annotated[str, Field(pattern="^[A-Z]+$")] = "GET"
    """Request method."""
    headers: Headers = Field(default_factory=dict)
    """Request headers beside those the proxies add."""
    probability: Ratio = 1.0
    """How often it is made."""
    optional: bool = False
    """Whether the workload answers well although this call failed."""
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it is made, one after the other; each time `probability` counts anew."""
    size: Size = 0
    """Size of the request."""
    errors: Failures | None = None
    """How often the called workload answers this call with an error, beside its own errors."""
    timeout: Span | None = None
    """How long the caller's code waits for the answer. Nothing: as long as it takes."""
    retries: Again | None = None
    """How the caller's code makes it again when it failed. Nothing: it does not."""

    @property
    def host(self) -> str:
        return self.to.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.to.rpartition(":")[2])


def _call(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


CallOrHost: TypeAlias = Annotated[Call, BeforeValidator(_call, json_schema_input_type=str | Call)]
"""A call, which may be written as its `host:port`."""


def _member(value: object) -> Any:
    """What stands beside others is parsed as what it looks like, so that an error is about that."""
    if isinstance(value, Call | Sequence):
        return value
    if isinstance(value, Mapping) and "sequence" in value:
        return Sequence.model_validate(value)
    return Call.model_validate(_call(value))


def _step(value: object) -> Any:
    """A step is parsed as what it looks like, so that an error is about that and not about the alternatives."""
    if isinstance(value, Call | Parallel):
        return value
    if isinstance(value, Mapping) and "parallel" in value:
        return Parallel.model_validate(value)
    return Call.model_validate(_call(value))


class Sequence(Node):
    """Calls made one after the other while others are made beside them; after a failing one no more are made."""

    sequence: Annotated[Many["CallOrParallel"], Field(min_length=1)]
    """The calls and groups of calls."""


class Parallel(Node):
    """Calls made at the same time; the next ones wait for all of them."""

    parallel: Annotated[Many["CallOrSequence"], Field(min_length=1)]
    """The calls, and sequences of calls."""


CallOrSequence: TypeAlias = Annotated[
    Call | Sequence, BeforeValidator(_member, json_schema_input_type=str | Call | Sequence)
]
"""A call, which may be written as its `host:port`, or a sequence."""

CallOrParallel: TypeAlias = Annotated[
    Call | Parallel, BeforeValidator(_step, json_schema_input_type=str | Call | Parallel)
]
"""A call, which may be written as its `host:port`, or a group of calls."""

Sequence.model_rebuild(force=True)
Parallel.model_rebuild(force=True)

Steps: TypeAlias = Many[CallOrParallel]
"""Calls one after the other, some of them at the same time."""


def call_groups(steps: Steps) -> tuple[tuple[Call | Sequence, ...], ...]:
    """The calls in the order they are made; those of a group at the same time."""
    return tuple(step.parallel if isinstance(step, Parallel) else (step,) for step in steps)


def call_count(steps: tuple[Call | Parallel | Sequence, ...]) -> int:
    """How many calls the steps make at the most."""
    total = 0
    for step in steps:
        if isinstance(step, Call):
            total += step.times
        else:
            total += call_count(step.parallel if isinstance(step, Parallel) else step.sequence)
    return total


class Operation(Node):
    """What a workload does for some of its requests; what it says nothing of is as for the others."""

    path: Annotated[str, Field(pattern="^/")] = "/*"
    """Path of these requests without the query; with `*` at its end, every path that begins so."""
    method: Annotated[str, Field(pattern="^[A-Z]+$")] | None = None
    """Their method. Nothing: any."""
    time: Time | None = None
    """Own service time, instead of that of `serve`."""
    errors: OneOrMoreFailures | None = None
    """Failing answers of its own, instead of those of `serve`."""
    calls: Steps | None = None
    """What it calls for each of them, instead of the workload's calls."""

    def takes(self, method: str, path: str) -> bool:
        """Whether a request is one of these."""
        asked = path.partition("?")[0]
        fits = asked.startswith(self.path[:-1]) if self.path.endswith("*") else asked == self.path
        return fits and self.method in (None, method)


class Work(NamedTuple):
    """What becomes of one kind of request."""

    time: Distribution | None
    errors: tuple[Failures, ...]
    calls: Steps
    where: str
    """Where the calls stand in the workload, such as ``operations[0].calls``."""


class Workload(Node):
    """How the application containers of the pods with these labels behave."""

    match: Annotated[Labels, Field(min_length=1)]
    """Labels of the pods; the first entry that matches a pod counts."""
    namespace: Name | None = None
    """Only pods of this namespace. Nothing: of any."""
    serve: Serve = Serve()
    """What it does itself."""
    calls: Steps = ()
    """What it calls for each request, one after the other."""
    operations: Many[Operation] = ()
    """What it does for requests of some paths or methods instead; the first that takes a request counts."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for operation in range(-1, len(self.operations)):
            if call_count(self.work(operation).calls) > _MOST_CALLS:
                raise PydanticCustomError("calls", f"more than {_MOST_CALLS} calls for one request; see 'times'")
        return self

    @property
    def call_groups(self) -> tuple[tuple[Call | Sequence, ...], ...]:
        """The calls in the order they are made; those of a group at the same time."""
        return call_groups(self.calls)

    def operation_of(self, method: str, path: str) -> int:
        """Index of the operation that takes a request, -1 for what is done for all others."""
        return next((index for index, item in enumerate(self.operations) if item.takes(method, path)), -1)

    def work(self, operation: int) -> Work:
        """What is done for the requests of an operation, or (-1) for all others."""
        if operation < 0:
            return Work(self.serve.time, self.serve.errors, self.calls, "calls")
        own = self.operations[operation]
        return Work(
            own.time if own.time is not None else self.serve.time,
            own.errors if own.errors is not None else self.serve.errors,
            own.calls if own.calls is not None else self.calls,
            f"operations[{operation}].calls" if own.calls is not None else "calls",
        )


class Request(Node):
    """What a client asks for."""

    host: Authority
    """Host header, with the port if it is not 80."""
    path: Annotated[str, Field(pattern="^/")] = "/"
    """Request path."""
    method: Annotated[str, Field(pattern="^[A-Z]+$")] = "GET"
    """Request method."""
    headers: Headers = Field(default_factory=dict)
    """Request headers."""
    size: Size = 0
    """Size of the request."""

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return self.host.partition(":")[0]

    @property
    def port(self) -> int:
        """The port in the host, else 80."""
        return int(self.host.partition(":")[2] or 80)


class PodSelector(Node):
    """Pods that send traffic."""

    match: Annotated[Labels, Field(min_length=1)]
    """Labels of the pods."""
    namespace: Name | None = None
    """Only pods of this namespace. Nothing: of any."""


class Gateway(Node):
    """A gateway workload that traffic from outside enters through."""

    name: Name
    """Name of the gateway's Service."""
    namespace: Name | None = None
    """Its namespace. Nothing: the only Service of that name."""
    port: Port | None = None
    """Port of that Service. Nothing: the port of the request's host."""


def _gateway(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Traffic(Node):
    """A stream of requests: an open loop, connections that share a rate, or users who wait for the answer and think."""

    name: Name
    """Name, for expectations and results."""
    from_: PodSelector | None = Field(default=None, alias="from")
    """The pods that send it."""
    through: Annotated[Gateway, BeforeValidator(_gateway, json_schema_input_type=str | Gateway)] | None = None
    """The gateway it enters through, from outside the mesh."""
    request: Request
    """What is asked for."""
    rate: Rate | None = None
    """Requests a second of all sending pods together."""
    ramp: Annotated[Many[RampPoint], Field(min_length=1)] | None = None
    """Open loop whose rate changes evenly from point to point; before the first and after the last it stays."""
    series: Series | None = None
    """Open loop with a rate for each interval."""
    bursts: Annotated[Many[Burst], Field(min_length=2)] | None = None
    """Open loop with rates that hold for random times: a Markov-modulated Poisson process."""
    replay: Replay | None = None
    """Requests at exact instants."""
    arrivals: Annotated[Arrivals, Field(strict=False)] = Arrivals.POISSON
    """Spacing of an open loop's requests."""
    connections: CountOrConnections | None = None
    """Has the `rate` sent by so many connections, each of which waits for its answer."""
    users: Annotated[int, Field(ge=1, le=MOST_USERS)] | None = None
    """Closed loop: how many users."""
    user_ramp: Annotated[Many[UserPoint], Field(min_length=1)] | None = None
    """Closed loop whose number of users changes evenly from point to point; outside of them it stays."""
    sessions: CountOrSessions | None = None
    """Whose requests they are, for consistent hashing. Nothing: each user is somebody, and each request of an open loop
    somebody else's."""
    think: Time | None = None
    """Closed loop: time between an answer and the user's next request."""
    start: Duration = 0
    """When it begins."""
    stop: Duration | None = None
    """When it ends. Nothing: with the run."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "traffic", "from_", "through")
        load = exactly_one(self, "traffic", *_LOADS)
        closed = load in ("users", "user_ramp")
        if not closed and self.think is not None:
            raise PydanticCustomError("think", f"'think' belongs to 'users', an open loop ('{load}') does not wait")
        if closed and self.think is None:
            raise PydanticCustomError("think", "'users' need 'think', the time between an answer and the next request")
        self._check_arrivals(load)
        if self.sessions is not None and (closed or self.connections is not None) and self.sessions.count is not None:
            raise PydanticCustomError("sessions", "each user or connection is a session of its own; leave 'count' out")
        if self.sessions is not None and self.sessions.count is None and not (closed or self.connections is not None):
            raise PydanticCustomError("sessions", "the 'sessions' of an open loop need a 'count'")
        assert_rising(self.ramp or (), "ramp")
        assert_rising(self.user_ramp or (), "userRamp")
        if self.stop is not None and self.stop <= self.start:
            raise PydanticCustomError("stop", "'stop' must be later than 'start'")
        return self

    @property
    def columns(self) -> tuple[float, ...]:
        """The numbers that come from a file."""
        if self.series is not None and self.series.file is not None:
            return self.series.rates or ()
        if self.replay is not None and self.replay.file is not None:
            return self.replay.at or ()
        return ()

    def _check_arrivals(self, load: str) -> None:
        if self.connections is not None and load != "rate":
            raise PydanticCustomError("connections", "'connections' share a 'rate'; give one")
        given = "arrivals" in self.model_fields_set
        if given and self.connections is not None:
            raise PydanticCustomError("arrivals", "'arrivals' belongs to an open loop; 'connections' have 'jitter'")
        if given and load not in ("rate", "ramp", "series"):
            reason = {
                "bursts": "bursts are Poisson arrivals",
                "replay": "a replay has exact instants",
            }.get(load, "users send when they have thought")
            raise PydanticCustomError("arrivals", f"'arrivals' belongs to 'rate', 'ramp' or 'series'; {reason}")
