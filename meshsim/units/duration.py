"""Durations: text as Go, protobuf JSON and Kubernetes write them, to and from integer nanoseconds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, TypeAlias

from meshsim.errors import InputError

Nanos: TypeAlias = int
"""A time or a span in nanoseconds."""

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 3_600 * SECOND

_UNITS: Final = {
    "ns": 1,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> Nanos:
    """Nanoseconds of a duration such as ``250ms``, ``1.5s`` or ``1m30s``; raises `InputError`."""
    body = text.strip()
    sign = -1 if body.startswith("-") else 1
    body = body[1:] if body[:1] in ("+", "-") else body
    if body == "0":
        return 0
    total = Decimal(0)
    end = 0
    for part in _PART.finditer(body):
        if part.start() != end:
            break
        total += Decimal(part.group(1)) * _UNITS[part.group(2)]
        end = part.end()
    if end == 0 or end != len(body):
        raise InputError(f"'{text}' is not a duration", None, "write a number with a unit, such as 200ms or 1m30s")
    return sign * int(total)


def format_duration(span: Nanos) -> str:
    """The shortest exact text of a duration, as Go prints it (``1m30s``, ``1.5s``, ``200ms``)."""
    if span == 0:
        return "0s"
    sign = "-" if span < 0 else ""
    span = abs(span)
    if span < SECOND:
        for unit, size in (("ms", MILLISECOND), ("us", MICROSECOND), ("ns", 1)):
            if span >= size:
                return f"{sign}{_trim(span, size)}{unit}"
    hours, rest = divmod(span, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes else ""
    if rest or not text:
        text += f"{_trim(rest, SECOND)}s"
    return sign + text


def _trim(span: Nanos, size: int) -> str:
    whole, rest = divmod(span, size)
    if not rest:
        return str(whole)
    return str(whole) + "." + str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")
