"""simpy's environment as master clock: integer nanoseconds, and something to bring up to date before each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy

from meshsim.units import Nanos

Advance = Callable[[Nanos], None]
"""Bring a subordinate simulation up to, not including, an instant."""


class Environment(simpy.Environment):
    """A simpy environment whose clock counts nanoseconds and which advances a subordinate before each event.

    The subordinate (the event core) processes everything strictly before the instant of the next simpy event, then the
    event runs: control events win ties, so what a controller sets at an instant holds for the requests of that instant.
    """

    def __init__(self, start: Nanos = 0) -> None:
        super().__init__(start)
        self._advance: Advance | None = None

    def before_each_event(self, advance: Advance) -> None:
        """Have `advance` called with the instant of each event before it runs."""
        self._advance = advance

    @property
    def instant(self) -> Nanos:
        """The current time in nanoseconds."""
        return int(self.now)

    def step(self) -> None:
        if self._advance is not None:
            upcoming = self.peek()
            if upcoming != float("inf"):
                self._advance(int(upcoming))
        super().step()

    def at(self, when: Nanos) -> simpy.Timeout:
        """An event at an absolute instant."""
        return self.timeout(when - self.instant)

    def call_at(self, when: Nanos, action: Callable[[], None]) -> None:
        """Run `action` at an instant."""
        timeout: Any = self.at(when)
        timeout.callbacks.append(lambda _: action())
