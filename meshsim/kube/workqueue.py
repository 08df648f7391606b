"""What controllers are made of: a queue of keys to bring up to date, and a limit on their writes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from meshsim.kernel import Environment
from meshsim.units import SECOND, Nanos

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys that wait to be synced, each once however often it was added (client-go workqueue)."""

    def __init__(self, env: Environment, sync: Callable[[K], None], latency: Nanos) -> None:
        self._env = env
        self._sync = sync
        self._latency = latency
        self._due: dict[K, Nanos] = {}

    def add(self, key: K, after: Nanos | None = None) -> None:
        """Sync a key after a while (the controller's latency by default), or earlier when it already waits."""
        when = self._env.instant + (self._latency if after is None else after)
        if self._due.get(key, when + 1) <= when:
            return
        self._due[key] = when
        self._env.call_at(when, lambda: self._run(key, when))

    def _run(self, key: K, when: Nanos) -> None:
        if self._due.get(key) == when:
            del self._due[key]
            self._sync(key)


class TokenBucket:
    """A client's rate limit (client-go flowcontrol): `burst` writes at once, then `qps` a second."""

    def __init__(self, env: Environment, qps: float, burst: int) -> None:
        self._env = env
        self._gap = round(SECOND / qps)
        self._burst = burst
        self._empty_at: Nanos = env.instant - burst * self._gap
        """The instant at which the bucket would have been empty had it filled from there on."""

    def reserve(self) -> Nanos:
        """Take a token; returns how long to wait for it."""
        now = self._env.instant
        self._empty_at = max(self._empty_at, now - self._burst * self._gap) + self._gap
        return max(0, self._empty_at - now)
