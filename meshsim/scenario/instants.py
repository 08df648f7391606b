"""Instants and windows of a run, written as times or relative to a timeline action (`shift+5s`, `slow-v2.end`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from meshsim.errors import InputError
from meshsim.units import Nanos, format_duration, parse_duration

START: Final = "start"
END: Final = "end"

_OFFSET: Final = re.compile(r"^(?P<anchor>.*?)(?P<offset>[+-](?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+)?$")
_ANCHOR: Final = re.compile(r"^[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.end)?$")


class Instant(NamedTuple):
    """A point in time: an anchor and a distance from it."""

    anchor: str
    """`start`, `end` (of the run) or a timeline id."""
    offset: Nanos = 0
    reverted: bool = False
    """For a timeline id: the instant at which its `for:` undoes it instead of the one at which it begins."""

    def __str__(self) -> str:
        if self.anchor == START:
            return format_duration(self.offset)
        sign = "+" if self.offset > 0 else ""
        offset = f"{sign}{format_duration(self.offset)}" if self.offset else ""
        return f"{self.anchor}{'.end' if self.reverted else ''}{offset}"


class Window(NamedTuple):
    """A half-open span of time `[begin, end)`; with no end given, the time an action is in force."""

    begin: Instant
    end: Instant | None = None

    def __str__(self) -> str:
        return str(self.begin) if self.end is None else f"[{self.begin}, {self.end}]"


def parse_instant(text: str) -> Instant:
    """The instant of `90s`, `shift`, `shift+5s`, `slow-v2.end`, `end-1m`; raises `InputError`."""
    match = _OFFSET.match(text.strip())
    anchor = match["anchor"] if match else text
    offset = parse_duration(match["offset"]) if match and match["offset"] else 0
    if not anchor and match and match["offset"] and not text.startswith("-"):
        return Instant(START, offset)
    if _ANCHOR.match(anchor):
        name, _, suffix = anchor.partition(".")
        return Instant(name, offset, bool(suffix))
    span = parse_duration(anchor)
    if span < 0 or offset:
        raise InputError(f"'{text}' is not an instant")
    return Instant(START, span)


def _instant(value: object) -> Instant:
    if isinstance(value, Instant):
        return value
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except InputError:
            pass
    raise PydanticCustomError(
        "instant", f"expected a time such as 90s or a timeline id such as shift+5s, got {_shown(value)}"
    )


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value}"


def _window(value: object) -> Window:
    if isinstance(value, Window):
        return value
    if isinstance(value, str):
        return Window(_instant(value))
    if isinstance(value, list | tuple) and len(value) == 2:
        return Window(_instant(value[0]), _instant(value[1]))
    if isinstance(value, list | tuple) and len(value) == 1:
        return Window(_instant(value[0]))
    raise PydanticCustomError("window", "expected a timeline id, or a window such as [shift+5s, slow-v2]")


def _windows(value: object) -> tuple[Window, ...]:
    if isinstance(value, list | tuple) and value and all(isinstance(item, list | tuple) for item in value):
        return tuple(_window(item) for item in value)
    return (_window(value),)


_INSTANT_SCHEMA: Final[dict[str, Any]] = {
    "x-type": "instant",
    "type": "string",
    "examples": ["90s", "shift+5s", "slow-v2.end", "end"],
}
_WINDOW_SCHEMA: Final[dict[str, Any]] = {
    "x-type": "windows",
    "anyOf": [
        {"type": "string", "title": "the time a timeline action is in force"},
        {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2, "title": "from, to"},
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "title": "several windows",
        },
    ],
}

At: TypeAlias = Annotated[Instant, BeforeValidator(_instant), PlainSerializer(str), WithJsonSchema(_INSTANT_SCHEMA)]
"""A time of the run, absolute or relative to a timeline id."""

Windows: TypeAlias = Annotated[
    tuple[Window, ...],
    BeforeValidator(_windows),
    PlainSerializer(lambda windows: [str(w) for w in windows]),
    WithJsonSchema(_WINDOW_SCHEMA),
]
"""A timeline id, a pair `[from, to]`, or a list of pairs."""


class Span(NamedTuple):
    """A resolved window `[begin, end)` in nanoseconds."""

    begin: Nanos
    end: Nanos


class Anchors:
    """When the timeline's actions begin and are undone."""

    def __init__(self, duration: Nanos, spans: Mapping[str, Span], undone: frozenset[str] = frozenset()) -> None:
        """`spans`: each id from its begin to its revert or the end of the run; `undone`: the ids with a revert."""
        self.duration = duration
        self._spans = dict(spans)
        self._undone = undone

    def __contains__(self, anchor: str) -> bool:
        return anchor in (START, END) or anchor in self._spans

    @property
    def ids(self) -> list[str]:
        """The timeline ids in the order of the file."""
        return list(self._spans)

    def span(self, anchor: str) -> Span:
        """From when to when a timeline action is in force."""
        return self._spans[anchor]

    def is_undone(self, anchor: str) -> bool:
        """Whether a timeline action reverts before the run ends."""
        return anchor in self._undone

    def at(self, instant: Instant) -> Nanos:
        """Nanoseconds since the start; raises `KeyError` for an unknown id."""
        if instant.anchor == START:
            return instant.offset
        if instant.anchor == END:
            return self.duration + instant.offset
        span = self._spans[instant.anchor]
        return (span.end if instant.reverted else span.begin) + instant.offset

    def resolve(self, window: Window) -> Span:
        """The window in nanoseconds, cut to the run."""
        begin = self.at(window.begin)
        if window.end is not None:
            end = self.at(window.end)
        elif window.begin.anchor in self._spans:
            end = self._spans[window.begin.anchor].end
        else:
            end = self.duration
        return Span(max(begin, 0), min(end, self.duration))
