"""Collecting changes until they are quiet, without a clock of its own (istio pilot/pkg/xds/discovery.go 1.31).

One push at a time: what arrives while a push context is built waits and, if already quiet, goes as soon as that ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from meshsim.controlplane.changes import PushRequest
from meshsim.units import Nanos


class Reaction(NamedTuple):
    """What the owner does next: start a push of `push`, or call `on_timer` at `timer`."""

    push: PushRequest | None = None
    first_change: Nanos = 0
    timer: Nanos | None = None


@dataclass(slots=True)
class Debouncer:
    """The state of Istio's debounce loop."""

    after: Nanos
    maximum: Nanos
    _pending: PushRequest | None = None
    _first: Nanos = 0
    _last: Nanos = 0
    _free: bool = field(default=True)

    def on_request(self, request: PushRequest, now: Nanos) -> Reaction:
        """A change arrived; the timer is armed by the first of a batch."""
        self._last = now
        if self._pending is not None:
            self._pending.merge(request)
            return Reaction()
        self._pending = request.copy()
        self._first = now
        return Reaction(timer=now + self.after)

    def on_timer(self, now: Nanos) -> Reaction:
        """The timer fired; while a push runs it is not re-armed."""
        return self._work(now) if self._free else Reaction()

    def on_push_done(self, now: Nanos) -> Reaction:
        """The push context is built and every connection queued."""
        self._free = True
        return self._work(now)

    def _work(self, now: Nanos) -> Reaction:
        if self._pending is None:
            return Reaction()
        if now - self._first < self.maximum and now - self._last < self.after:
            return Reaction(timer=now + self.after - (now - self._last))
        request, self._pending = self._pending, None
        self._free = False
        return Reaction(push=request, first_change=self._first)

    def reset(self) -> None:
        """istiod restarted: nothing pending."""
        self._pending = None
        self._free = True
