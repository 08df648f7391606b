"""Typed taps: where a record appears, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from meshsim.trace.records import (
    ConfigChange,
    PodPhase,
    ProxyEffective,
    Push,
    PushAnswer,
    PushSent,
    TimelineMark,
    XdsEvent,
)

T = TypeVar("T")


class Tap(Generic[T]):
    """A place where records of one type appear; false while nobody listens, so a hot path pays one test."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[Callable[[T], None]] = []

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def __call__(self, record: T) -> None:
        for listener in self._listeners:
            listener(record)

    def listen(self, listener: Callable[[T], None]) -> None:
        """Hand every later record to `listener`; an exception it raises fails the run."""
        self._listeners.append(listener)


@dataclass(slots=True)
class Taps:
    """One tap for each record type."""

    config_change: Tap[ConfigChange] = field(default_factory=Tap)
    push: Tap[Push] = field(default_factory=Tap)
    push_sent: Tap[PushSent] = field(default_factory=Tap)
    push_answer: Tap[PushAnswer] = field(default_factory=Tap)
    proxy_effective: Tap[ProxyEffective] = field(default_factory=Tap)
    xds_event: Tap[XdsEvent] = field(default_factory=Tap)
    pod_phase: Tap[PodPhase] = field(default_factory=Tap)
    timeline: Tap[TimelineMark] = field(default_factory=Tap)
