"""Quantities of a scenario file: text with a unit in, plain numbers in one unit out.

A bare number is refused: `rate: 50` could mean a second, a minute or a user. Each type carries the JSON Schema that an
editor needs to say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from meshsim.errors import InputError
from meshsim.units import (
    HOUR,
    Distribution,
    Nanos,
    format_bandwidth,
    format_distribution,
    format_duration,
    format_percent,
    format_rate,
    format_size,
    parse_bandwidth,
    parse_distribution,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
)

_LONGEST: Final = 87_600 * HOUR
_MOST_SIZE: Final = 2 * 10**9
_LEAST_BANDWIDTH: Final = 10_000
_RATES: Final = (1 / (7 * 86_400), 1e9)
_RATE_PATTERN: Final = r"^[0-9.]+ *[kM]? */ *(ms|sec|s|min|m|h|d)$"
_DURATION_PATTERN: Final = r"^[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$"


def _reader(what: str, example: str, parse: Callable[[str], Any]) -> Callable[[object], Any]:
    """A validator that takes text only and says what was expected."""

    def read(value: object) -> Any:
        if not isinstance(value, str):
            raise PydanticCustomError("quantity", f"expected {what}, such as {example}, got {_shown(value)}")
        try:
            return parse(value)
        except InputError as error:
            reason = f"{error.message} ({error.hint})" if error.hint else error.message
            raise PydanticCustomError("quantity", reason) from error

    return read


def _shown(value: object) -> str:
    """The value as a person wrote it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, int | float):
        return f"the bare number {value}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _span(text: str) -> Nanos:
    span = parse_duration(text)
    if span < 0:
        raise InputError(f"'{text}' is negative")
    return _bounded(span, text)


def _bounded(span: Nanos, text: str) -> Nanos:
    """A span that can be added to any time of a run: clocks count nanoseconds in 64 bits."""
    if span > _LONGEST:
        raise InputError(f"'{text}' is longer than 10 years")
    return span


def _time(text: str) -> Distribution:
    time = parse_distribution(text)
    _bounded(max(time.first, time.second), text)
    return time


def _some_time(text: str) -> Nanos:
    span = _span(text)
    if span == 0:
        raise InputError(f"'{text}' is no time at all")
    return span


def _bandwidth(text: str) -> int:
    bandwidth = parse_bandwidth(text)
    if bandwidth < _LEAST_BANDWIDTH:
        raise InputError(f"'{text}' is less than {format_bandwidth(_LEAST_BANDWIDTH)}")
    return bandwidth


def _size(text: str) -> int:
    size = parse_size(text)
    if size > _MOST_SIZE:
        raise InputError(f"'{text}' is more than 2GB")
    return size


def _load(text: str) -> float:
    return 0.0 if parse_rate(text) == 0 else _positive_rate(text)


def _positive_rate(text: str) -> float:
    rate = parse_rate(text)
    if not rate > 0:
        raise InputError(f"'{text}' is not more than 0")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise InputError(f"'{text}' is not between one request in a week and a billion a second")
    return rate


Duration: TypeAlias = Annotated[
    Nanos,
    BeforeValidator(_reader("a duration", "200ms or 1m30s", _span)),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {"x-type": "duration", "type": "string", "pattern": _DURATION_PATTERN, "examples": ["200ms", "1m30s"]}
    ),
]
"""A span of time in nanoseconds, not negative."""

Span: TypeAlias = Annotated[
    Nanos,
    BeforeValidator(_reader("a duration", "200ms or 1m30s", _some_time)),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {"x-type": "duration", "type": "string", "pattern": _DURATION_PATTERN, "examples": ["200ms", "1m30s"]}
    ),
]
"""A span of time in nanoseconds, longer than 0."""

Rate: TypeAlias = Annotated[
    float,
    BeforeValidator(_reader("a rate", "50/s or 1200/m", _positive_rate)),
    PlainSerializer(format_rate),
    WithJsonSchema(
        {
            "x-type": "rate",
            "type": "string",
            "pattern": _RATE_PATTERN,
            "examples": ["50/s", "1200/m"],
        }
    ),
]
"""Requests a second."""

Load: TypeAlias = Annotated[
    float,
    BeforeValidator(_reader("a rate", "50/s or 1200/m", _load)),
    PlainSerializer(format_rate),
    WithJsonSchema(
        {"x-type": "rate", "type": "string", "pattern": _RATE_PATTERN, "examples": ["50/s", "1200/m", "0/s"]}
    ),
]
"""Requests a second, 0 for none."""

Ratio: TypeAlias = Annotated[
    float,
    BeforeValidator(_reader("a percentage", "99%", parse_percent)),
    PlainSerializer(format_percent),
    WithJsonSchema({"x-type": "percentage", "type": "string", "pattern": r"^[0-9.]+ ?%$", "examples": ["99%", "0.1%"]}),
]
"""A share of 1, written in percent."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(_reader("a size", "512B, 20KB or 4MiB", _size)),
    PlainSerializer(format_size),
    WithJsonSchema(
        {
            "x-type": "size",
            "type": "string",
            "pattern": r"^[0-9.]+ *([kKMGT]i?)?[bB]$",
            "examples": ["512B", "20KB", "4MiB"],
        }
    ),
]
"""Bytes."""

Bandwidth: TypeAlias = Annotated[
    int,
    BeforeValidator(_reader("a bandwidth", "1Gbit/s or 125MB/s", _bandwidth)),
    PlainSerializer(format_bandwidth),
    WithJsonSchema(
        {
            "x-type": "bandwidth",
            "type": "string",
            "pattern": r"^[0-9.]+ *[kKMGT]?(bit/s|bps|B/s)$",
            "examples": ["1Gbit/s", "125MB/s"],
        }
    ),
]
"""Bits a second."""

Time: TypeAlias = Annotated[
    Distribution,
    BeforeValidator(_reader("a duration or a distribution", "5ms, exponential(5ms) or lognormal(8ms, 1.4)", _time)),
    PlainSerializer(format_distribution),
    WithJsonSchema(
        {
            "x-type": "duration or distribution",
            "type": "string",
            "examples": ["5ms", "exponential(5ms)", "lognormal(8ms, 1.4)", "empirical(p0 1ms, p50 8ms, p100 90ms)"],
        }
    ),
]
"""How a span of time is distributed."""
