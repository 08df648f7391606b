"""Applications that are alike as one, where there are too many to draw each.

Alike are those with callers that are alike and callees that are alike (regular equivalence, as of social networks), as
far from the outermost callers, and either all with failures or all without. First those with the very same callers and
callees are joined; only where that is not enough, those whose callers and callees merely play the same parts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.reporting.edges import Edge, depths

_BOXES: Final = 30
"""Up to so many applications are drawn one by one, wherever they stand."""
_ALONE: Final = 3
"""So few that are alike are not joined."""
_WELL: Final = 0.999
"""An application with a greater share of answers below 500 has no failures to speak of."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Edges between applications and groups of them."""

    edges: tuple[Edge, ...]
    parts: tuple[int, ...]
    """Of each edge, how many of the given ones it stands for."""
    members: Mapping[str, tuple[str, ...]]
    """Applications of each group, by its name."""


def group_alike(found: Sequence[Edge]) -> Grouped:
    """The edges with many alike as one; as they are where there are few applications."""
    depth = depths(list(found))
    if len(depth) <= _BOXES:
        return Grouped(tuple(found), (1,) * len(found), {})
    near = _Neighbours(found)
    places = {name: (depth[name], near.failing(name)) for name in depth}
    classes: Mapping[str, Hashable] = {
        name: (place, tuple(near.callers[name]), tuple(near.callees[name])) for name, place in places.items()
    }
    if len(_groups(classes)) > _BOXES:
        classes = near.parts_played(places)
    members = {_name(names): names for names in _groups(classes) if len(names) > _ALONE}
    return _joined(found, members)


def _groups(classes: Mapping[str, Hashable]) -> list[tuple[str, ...]]:
    """Names of each class, by name; small classes as single names."""
    found: dict[Hashable, list[str]] = {}
    for name in sorted(classes):
        found.setdefault(classes[name], []).append(name)
    joined = [tuple(names) for names in found.values() if len(names) > _ALONE]
    return joined + [(name,) for names in found.values() if len(names) <= _ALONE for name in names]


def _name(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1:,} more"


class _Neighbours:
    """Callers, callees and failures of each application."""

    def __init__(self, found: Sequence[Edge]) -> None:
        names = [name for edge in found for name in (edge.source, edge.destination)]
        self.callers: dict[str, dict[str, None]] = {name: {} for name in names}
        self.callees: dict[str, dict[str, None]] = {name: {} for name in names}
        self._asked = dict.fromkeys(names, 0)
        self._failed = dict.fromkeys(names, 0)
        for edge in sorted(found, key=lambda edge: (edge.source, edge.destination)):
            self.callers[edge.destination][edge.source] = None
            self.callees[edge.source][edge.destination] = None
            self._asked[edge.destination] += edge.requests
            self._failed[edge.destination] += edge.failed

    def failing(self, name: str) -> bool:
        """Whether more than a few of its requests failed."""
        return self._failed[name] > (1 - _WELL) * self._asked[name]

    def parts_played(self, places: Mapping[str, Hashable]) -> dict[str, Hashable]:
        """The coarsest classes in which members of one have callers and callees of the same classes."""
        numbers = _numbered(places)
        while True:
            finer = _numbered(
                {
                    name: (
                        number,
                        tuple(sorted({numbers[other] for other in self.callers[name]})),
                        tuple(sorted({numbers[other] for other in self.callees[name]})),
                    )
                    for name, number in numbers.items()
                }
            )
            if len(set(finer.values())) == len(set(numbers.values())):
                return dict(finer)
            numbers = finer


def _numbered(classes: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {name: numbers.setdefault(part, len(numbers)) for name, part in classes.items()}


def _joined(found: Sequence[Edge], members: Mapping[str, tuple[str, ...]]) -> Grouped:
    group = {name: whole for whole, names in members.items() for name in names}
    parts: dict[tuple[str, str], list[Edge]] = {}
    for edge in found:
        ends = group.get(edge.source, edge.source), group.get(edge.destination, edge.destination)
        parts.setdefault(ends, []).append(edge)
    edges = tuple(_sum(*ends, of, ends[1] in members) for ends, of in parts.items())
    return Grouped(edges, tuple(map(len, parts.values())), members)


def _sum(source: str, destination: str, parts: Sequence[Edge], several: bool) -> Edge:
    """One edge for these; versions are those of a single application."""
    requests = sum(part.requests for part in parts)
    versions: dict[str, float] = {}
    for part in parts if not several else ():
        for version, share in part.versions:
            versions[version] = versions.get(version, 0.0) + share * part.requests / max(requests, 1)
    return Edge(
        source=source,
        source_version=parts[0].source_version if len(parts) == 1 else "",
        destination=destination,
        rate_per_s=sum(part.rate_per_s for part in parts),
        requests=requests,
        good=sum(part.good * part.requests for part in parts) / requests if requests else 1.0,
        p50=max(part.p50 for part in parts),
        p99=max(part.p99 for part in parts),
        versions=tuple(sorted(versions.items())),
    )
