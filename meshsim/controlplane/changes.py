"""What changed and what it asks for: push requests and how they merge (istio pilot/pkg/model/push_context.go, 1.31)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.units import Nanos

_PROXY: Final = "proxy"
"""Reason of a push to one proxy."""


class ConfigKey(NamedTuple):
    """One changed thing: a kind of Pilot's own list, its name and namespace."""

    kind: str
    name: str
    namespace: str


@dataclass(slots=True)
class PushRequest:
    """Merged changes waiting to be pushed."""

    keys: dict[ConfigKey, None] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    forced: bool = False
    """Regenerate everything, whatever the keys."""
    changes: list[int] = field(default_factory=list)
    """Numbers of the `meshsim.trace.ConfigChange` records in it."""
    push: int = 0
    """Number of the global push that carries it, 0 before it has one."""
    started: Nanos = 0

    def merge(self, other: PushRequest) -> None:
        """Unite with a later request: the first start kept, forced or-ed, the newest push."""
        self.keys.update(other.keys)
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        self.forced = self.forced or other.forced
        self.changes += [c for c in other.changes if c not in self.changes]
        self.push = max(self.push, other.push)
        self.started = self.started or other.started

    def copy(self) -> PushRequest:
        """A request of its own with the same content."""
        return PushRequest(
            dict(self.keys), dict(self.reasons), self.forced, list(self.changes), self.push, self.started
        )

    @property
    def kinds(self) -> list[str]:
        """Kinds among the keys, sorted."""
        return sorted({key.kind for key in self.keys})

    @property
    def is_proxy_update(self) -> bool:
        """Whether it is, among others, for a workload that became ready or changed its labels."""
        return _PROXY in self.reasons

    @property
    def only_endpoints(self) -> bool:
        """Whether nothing but endpoints changed."""
        return not self.forced and self.kinds == ["Endpoints"]


def proxy_request() -> PushRequest:
    """A pod became ready for the first time or changed its labels: everything for its own proxy, past the debounce."""
    return PushRequest(forced=True, reasons={_PROXY: 1})
