"""The service graph laid out in columns: callers left of those they call, many of one distance in several columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.reporting.edges import Edge, depths

_TALL: Final = 12
"""Most vertices of a column."""


class Vertex(NamedTuple):
    """An application; `column` and `row` place it, rows count in halves so that columns can be centred."""

    name: str
    column: int
    row: float
    rate_per_s: float
    """Requests it receives; of an outermost caller those it sends."""
    good: float
    """Share of them answered well."""
    versions: tuple[tuple[str, float], ...]
    members: tuple[str, ...] = ()
    """The applications of a group, of which all this is the sum."""


class Arrow(NamedTuple):
    """All requests from one application to another."""

    source: str
    destination: str
    rate_per_s: float
    good: float
    p99: float
    """Nanoseconds, of the worst part of it."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Vertices in columns, arrows between them."""

    vertices: tuple[Vertex, ...]
    arrows: tuple[Arrow, ...]

    @property
    def columns(self) -> int:
        """How many columns."""
        return max((vertex.column for vertex in self.vertices), default=-1) + 1

    @property
    def rows(self) -> float:
        """How many vertices could stand one under another."""
        return max((vertex.row + 1 for vertex in self.vertices), default=0)

    def vertex(self, name: str) -> Vertex:
        """The vertex of an application."""
        return next(vertex for vertex in self.vertices if vertex.name == name)


def lay_out(edges: Sequence[Edge], members: Mapping[str, tuple[str, ...]] | None = None) -> Graph:
    """The graph of these edges; `members` are the applications of those names that are groups.

    Within a column each application stands near the middle of its callers. More than a page shows one under another
    stand in several columns, each half a row off the last, so that arrows pass between their boxes.
    """
    arrows = _arrows(edges)
    depth = depths(list(edges))
    levels: dict[int, list[str]] = {}
    for name in sorted(depth):
        levels.setdefault(depth[name], []).append(name)
    tallest = max((_height(len(names)) for names in levels.values()), default=0)
    rows: dict[str, float] = {}
    columns: dict[str, int] = {}
    first = 0
    for level in sorted(levels):
        names = levels[level]
        names.sort(key=lambda name: (_middle(name, arrows, rows), name))
        tall = _height(len(names))
        top = (tallest - tall) / 2
        for index, name in enumerate(names):
            columns[name] = first + index // tall
            rows[name] = top + index % tall + (index // tall % 2) / 2
        first += -(-len(names) // tall)
    ordered = sorted(depth, key=lambda name: (columns[name], rows[name]))
    groups = members or {}
    vertices = (_vertex(name, columns[name], rows[name], edges) for name in ordered)
    return Graph(tuple(vertex._replace(members=groups.get(vertex.name, ())) for vertex in vertices), arrows)


def _height(count: int) -> int:
    """How many of so many stand one under another."""
    return -(-count // -(-count // _TALL))


def _middle(name: str, arrows: Sequence[Arrow], rows: dict[str, float]) -> float:
    callers = [rows[arrow.source] for arrow in arrows if arrow.destination == name and arrow.source in rows]
    return sum(callers) / len(callers) if callers else 0.0


def _arrows(edges: Sequence[Edge]) -> tuple[Arrow, ...]:
    merged: dict[tuple[str, str], list[Edge]] = {}
    for edge in edges:
        merged.setdefault((edge.source, edge.destination), []).append(edge)
    return tuple(
        Arrow(
            source,
            destination,
            sum(part.rate_per_s for part in parts),
            _mean(parts),
            max(part.p99 for part in parts),
        )
        for (source, destination), parts in merged.items()
    )


def _mean(parts: Sequence[Edge]) -> float:
    total = sum(part.requests for part in parts)
    return sum(part.good * part.requests for part in parts) / total if total else 1.0


def _vertex(name: str, column: int, row: float, edges: Sequence[Edge]) -> Vertex:
    incoming = [edge for edge in edges if edge.destination == name]
    relevant = incoming or [edge for edge in edges if edge.source == name]
    total = sum(edge.requests for edge in incoming)
    versions: dict[str, float] = {}
    for edge in incoming:
        for version, share in edge.versions:
            versions[version] = versions.get(version, 0.0) + share * edge.requests / max(total, 1)
    return Vertex(
        name,
        column,
        row,
        sum(edge.rate_per_s for edge in relevant),
        _mean(relevant),
        tuple(sorted(versions.items())),
    )
