"""What a verification says: counts by kind and world, and the differences found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

KINDS: Final = ("xds", "push-status", "push", "calls", "simulation", "envoy-calls", "envoy-dynamics")
"""Kinds of recordings the model is compared with."""

RECORDED_KINDS: Final = (*KINDS, "istioctl")
"""Kinds of recordings the layout knows."""


class Difference(NamedTuple):
    """One place where the model and a recording disagree."""

    world: str
    proxy: str
    type: str
    resource: str
    path: str
    """Path inside the resource; empty when only one side has the resource."""
    want: str
    got: str
    deviation: str = ""
    """The reason given by the list of known deviations, empty when it names none."""


@dataclass(slots=True)
class Counts:
    """Resources (or outcomes) compared."""

    equal: int = 0
    different: int = 0
    deviations: int = 0
    """Different, and named by the list of known deviations."""

    def add(self, other: Counts) -> None:
        self.equal += other.equal
        self.different += other.different
        self.deviations += other.deviations

    def as_dict(self) -> dict[str, int]:
        return {"equal": self.equal, "different": self.different, "deviations": self.deviations}


@dataclass(slots=True)
class WorldOutcome:
    """The comparison of one world: counts by proxy and type."""

    name: str
    counts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    """By (proxy, type)."""
    differences: list[Difference] = field(default_factory=list)
    error: str = ""
    """Why the world could not be replayed at all; its resources then count as different."""

    def at(self, proxy: str, kind: str) -> Counts:
        return self.counts.setdefault((proxy, kind), Counts())

    def total(self) -> Counts:
        total = Counts()
        for counts in self.counts.values():
            total.add(counts)
        return total


@dataclass(slots=True)
class Outcome:
    """A whole verification."""

    worlds: dict[str, dict[str, WorldOutcome]] = field(default_factory=dict)
    """By kind (``xds``), then world."""

    def total(self, kind: str) -> Counts:
        total = Counts()
        for world in self.worlds.get(kind, {}).values():
            total.add(world.total())
        return total

    @property
    def ok(self) -> bool:
        """Whether nothing differs but what the list of deviations names."""
        return all(self.total(kind).different == 0 for kind in self.worlds)

    def as_dict(self) -> dict[str, object]:
        """The JSON form of ``meshsim verify -o json``."""
        worlds: dict[str, dict[str, object]] = {}
        for kind, outcomes in self.worlds.items():
            for name, world in outcomes.items():
                entry = worlds.setdefault(name, {})
                entry[kind] = {
                    **world.total().as_dict(),
                    "proxies": _by_proxy(world),
                    "error": world.error or None,
                    "differences": [d._asdict() for d in world.differences],
                }
        return {"what": {kind: self.total(kind).as_dict() for kind in self.worlds}, "worlds": worlds}


def _by_proxy(world: WorldOutcome) -> dict[str, dict[str, dict[str, int]]]:
    out: dict[str, dict[str, dict[str, int]]] = {}
    for (proxy, kind), counts in sorted(world.counts.items()):
        out.setdefault(proxy, {})[kind] = counts.as_dict()
    return out
