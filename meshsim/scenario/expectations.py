"""What a run is expected to show: the `expect` list, structured keys instead of an expression language."""

from typing import Annotated, Final, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from meshsim.scenario.instants import Windows
from meshsim.scenario.node import Name, Node, OneOrMany, exactly_one
from meshsim.scenario.quantities import Duration, Ratio


class End(Node):
    """One end of an edge; every key given must be true of it."""

    app: Name | None = None
    """Canonical service name: the `app` label."""
    version: Name | None = None
    """The `version` label."""
    namespace: Name | None = None
    """Namespace."""
    pod: Name | None = None
    """Pod name."""
    service: str | None = None
    """Host of the Service it was asked for as, full or short (`reviews.default.svc.cluster.local`)."""


def _end(value: object) -> object:
    return {"app": value} if isinstance(value, str) else value


AppOrEnd: TypeAlias = Annotated[End, BeforeValidator(_end, json_schema_input_type=str | End)]
"""An end of an edge, which may be written as its app label."""

_STATUS: Final = r"^[1-5](xx|[0-9][0-9])$"


def _status(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


StatusClass: TypeAlias = Annotated[
    str, BeforeValidator(_status, json_schema_input_type=int | str), Field(pattern=_STATUS)
]
"""`503` or `5xx`."""


class Windowed(Node):
    """What happens in some windows of the run."""

    during: Windows | None = None
    """Only what began in these windows."""
    except_: Windows | None = Field(default=None, alias="except")
    """Not what began in these windows."""


class Selection(Windowed):
    """Requests of an edge."""

    from_: AppOrEnd | None = Field(default=None, alias="from")
    """Who sent them."""
    to: AppOrEnd | None = None
    """Who answered them (or should have); of a gateway, what clients outside send through it."""


class Bounds(Node):
    """Limits of a span of time."""

    min: Duration | None = None
    """Not less than this."""
    max: Duration | None = None
    """Not more than this."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise PydanticCustomError("bounds", "needs 'min' or 'max'")
        return self


class Limits(Windowed):
    """Limits of a share."""

    min: Ratio | None = None
    """Not less than this."""
    max: Ratio | None = None
    """Not more than this."""
    near: Ratio | None = None
    """About this: fails only when the 95 % interval of the sample lies outside `near` +- `tolerance`."""
    tolerance: Ratio | None = None
    """Half width of the band around `near`, in points of percent. Nothing: a tenth of `near`."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.min is None and self.max is None and self.near is None:
            raise PydanticCustomError("limits", "needs 'min', 'max' or 'near'")
        if self.near is not None and (self.min is not None or self.max is not None):
            raise PydanticCustomError("limits", "takes 'near', or 'min' and 'max', not both")
        if self.tolerance is not None and self.near is None:
            raise PydanticCustomError("limits", "'tolerance' belongs to 'near'")
        return self


class SuccessRate(Limits, Selection):
    """Share of requests that were answered without a 5xx status, a time-out or a reset."""

    of: Name | None = None
    """Name of a traffic: its own requests. Nothing: the requests of the edge given by `from` and `to`."""

    @model_validator(mode="after")
    def _subject(self) -> Self:
        _needs_subject(self, self.of)
        return self


class Share(Limits):
    """Share that one destination has of the requests to another, wider one."""

    of: AppOrEnd
    """The part."""
    among: AppOrEnd
    """The whole."""
    from_: AppOrEnd | None = Field(default=None, alias="from")
    """Only the requests of this caller."""


class Latency(Selection):
    """Time from a request's begin to the end of its answer as the caller sees it, retries included.
    A gateway is the caller of what it passes on; what its clients see, with their way to it, is that of their traffic.
    """

    of: Name | None = None
    """Name of a traffic: its own requests. Nothing: the requests of the edge given by `from` and `to`."""
    p50: Bounds | None = None
    """Median."""
    p75: Bounds | None = None
    """75th percentile."""
    p90: Bounds | None = None
    """90th percentile."""
    p95: Bounds | None = None
    """95th percentile."""
    p99: Bounds | None = None
    """99th percentile."""
    p999: Bounds | None = None
    """99.9th percentile."""
    mean: Bounds | None = None
    """Mean."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _needs_subject(self, self.of)
        _needs_statistic(self, LATENCY_STATISTICS)
        return self


LATENCY_STATISTICS: Final = ("p50", "p75", "p90", "p95", "p99", "p999", "mean")


class RequestCount(Selection):
    """Number of requests."""

    of: Name | None = None
    """Name of a traffic: its own requests."""
    status: OneOrMany[StatusClass] = ()
    """Only these answers: `503`, `5xx`."""
    flags: OneOrMany[Annotated[str, Field(pattern="^[A-Z]+$")]] = ()
    """Only requests with one of these Envoy response flags: `UO`, `URX`."""
    min: Annotated[int, Field(ge=0)] | None = None
    """Not less than this."""
    max: Annotated[int, Field(ge=0)] | None = None
    """Not more than this."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise PydanticCustomError("limits", "needs 'min' or 'max'")
        return self


class Propagation(Node):
    """Time from a configuration change until the proxies that receive it route by it."""

    of: OneOrMany[Name] = ()
    """Ids of timeline entries. Nothing: every change of the timeline."""
    p50: Bounds | None = None
    """Half of the proxies."""
    p90: Bounds | None = None
    """90 % of the proxies."""
    p99: Bounds | None = None
    """99 % of the proxies."""
    last: Bounds | None = None
    """The last proxy."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _needs_statistic(self, PROPAGATION_STATISTICS)
        return self


PROPAGATION_STATISTICS: Final = ("p50", "p90", "p99", "last")


class Nacks(Windowed):
    """Number of configuration updates that proxies rejected."""

    proxy: Name | None = None
    """Only this proxy."""
    min: Annotated[int, Field(ge=0)] | None = None
    """Not less than this."""
    max: Annotated[int, Field(ge=0)] | None = None
    """Not more than this."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is None and self.max is None:
            raise PydanticCustomError("limits", "needs 'min' or 'max'")
        return self


KINDS: Final = ("success_rate", "share", "latency", "requests", "propagation", "nacks")


class Expectation(Node):
    """One expectation; its verdict carries the line it stands on."""

    name: Annotated[str, Field(min_length=1)]
    """What is expected, in words."""
    success_rate: SuccessRate | None = Field(default=None, alias="success_rate")
    """Share of good answers."""
    share: Share | None = None
    """Share of one destination among others."""
    latency: Latency | None = None
    """Percentiles of the latency."""
    requests: RequestCount | None = None
    """Number of requests."""
    propagation: Propagation | None = None
    """How fast changes reach the proxies."""
    nacks: Nacks | None = None
    """Rejected configuration."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one(self, "an expectation", *KINDS)
        return self

    @property
    def kind(self) -> str:
        """Which expectation it is."""
        return next(name for name in KINDS if name in self.model_fields_set)


def _needs_subject(node: Selection, of: str | None) -> None:
    if of is not None and (node.from_ is not None or node.to is not None):
        raise PydanticCustomError("subject", "takes 'of' (a traffic), or 'from' and 'to' (an edge), not both")
    if of is None and node.from_ is None and node.to is None:
        raise PydanticCustomError("subject", "needs 'of' (a traffic), 'from' or 'to'")


def _needs_statistic(node: Node, names: tuple[str, ...]) -> None:
    if not any(name in node.model_fields_set for name in names):
        raise PydanticCustomError("statistic", "needs one of " + ", ".join(f"'{name}'" for name in names))
