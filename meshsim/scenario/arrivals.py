"""How the load of a traffic changes over time: ramps, series, bursts, replayed instants, connections and users."""

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from meshsim.scenario.node import Many, Name, Node, exactly_one
from meshsim.scenario.quantities import Duration, Load, Span

MOST_USERS: Final = 1_000_000

Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST_USERS)]
"""How many users, connections or sessions."""


class Arrivals(Enum):
    """How an open loop spaces its requests."""

    POISSON = "poisson"
    CONSTANT = "constant"
    JITTERED = "jittered"
    """Constant, each wait up to a tenth longer or shorter, as of `fortio load -jitter`."""


class RampPoint(Node):
    """A rate at an instant; between two points it changes evenly."""

    at: Duration
    """Time since the traffic's start."""
    rate: Load
    """Requests a second of all sending pods together."""


class UserPoint(Node):
    """A number of users at an instant; between two points it changes evenly."""

    at: Duration
    """Time since the traffic's start."""
    users: Annotated[int, Field(ge=0, le=MOST_USERS)]
    """How many users there are."""


Column: TypeAlias = Annotated[
    str | int,
    WithJsonSchema({"x-type": "name or number of a column", "anyOf": [{"type": "string"}, {"type": "integer"}]}),
]
"""A column of a CSV file: its name in the first line, or its number from 1."""


class Series(Node):
    """Rates, one for each interval: written here, or a column of a CSV file."""

    every: Span
    """How long each rate holds."""
    rates: Annotated[Many[Load], Field(min_length=1)] | None = None
    """The rates, the first from the traffic's start on."""
    file: str | None = None
    """CSV file beside the scenario, one line an interval."""
    column: Column | None = None
    """Column of that file. Nothing: its only one."""
    per: Span | None = None
    """The file's numbers are requests in so much time. Nothing: in each interval."""
    repeat: bool = False
    """Whether it begins anew after its end. If not, nothing is sent then."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "a series", "rates", "file")
        _of_file(self, "column", "per")
        return self


class Replay(Node):
    """Exact instants of requests: written here, or a column of a CSV file."""

    at: Annotated[Many[Duration], Field(min_length=1)] | None = None
    """The instants, counted from the traffic's start."""
    file: str | None = None
    """CSV file beside the scenario, one line a request."""
    column: Column | None = None
    """Column of that file. Nothing: its only one."""
    unit: Span | None = None
    """What 1 means in that file. Nothing: a second."""
    count_from: Literal["start", "first"] = "start"
    """Whether the file's times count from the traffic's start, or its first request is sent then."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "a replay", "at", "file")
        _of_file(self, "column", "unit", "count_from")
        return self


def _of_file(node: Series | Replay, *names: str) -> None:
    for name in names:
        if name in node.model_fields_set and node.file is None:
            key = type(node).model_fields[name].alias or name
            raise PydanticCustomError("of_file", f"'{key}' belongs to 'file'")


class Burst(Node):
    """A state of bursty traffic."""

    rate: Load
    """Poisson requests a second of all sending pods together while it lasts."""
    dwell: Span
    """How long it lasts in the mean; the times are exponential. The next state of the list follows, after the last the
    first; the traffic begins in a state drawn as it would be found at any time."""


class Connections(Node):
    """Connections that share a rate, each of which waits for its answer, as of `fortio load -c`.

    All start together. A connection's requests are due at fixed times, the last one at the traffic's end; after a slow
    answer it sends at once until it has caught up (fortio periodic/periodic.go).
    """

    count: Count
    """How many connections all sending pods have together."""
    jitter: bool = False
    """Waits are up to a tenth longer or shorter (`-jitter`)."""
    uniform: bool = False
    """They start one after the other, evenly over one interval (`-uniform`)."""
    catch_up: bool = True
    """Whether requests that were due meanwhile are sent late; if not they are left out (`-nocatchup`)."""


def _connections(value: object) -> Any:
    return {"count": value} if not isinstance(value, Mapping | Connections) else value


CountOrConnections: TypeAlias = Annotated[
    Connections, BeforeValidator(_connections, json_schema_input_type=Count | Connections)
]
"""Connections, which may be written as their number."""


class Sessions(Node):
    """Clients whose requests can be told apart; a request belongs to any of them with equal chance."""

    count: Count | None = None
    """How many there are. Nothing: as many as users or connections."""
    header: Name | None = None
    """Request header with the session's own value, for `consistentHash: {httpHeaderName: ...}`."""
    cookie: Name | None = None
    """Cookie with the session's own value, for `consistentHash: {httpCookie: ...}`."""


def _sessions(value: object) -> Any:
    return {"count": value} if not isinstance(value, Mapping | Sessions) else value


CountOrSessions: TypeAlias = Annotated[Sessions, BeforeValidator(_sessions, json_schema_input_type=Count | Sessions)]
"""Sessions, which may be written as their number."""


def assert_rising(points: Sequence[RampPoint | UserPoint], what: str) -> None:
    """Refuse points of a ramp that are not in the order of time."""
    if any(after.at <= before.at for before, after in pairwise(points)):
        raise PydanticCustomError("rising", f"the points of '{what}' must be in the order of time")
