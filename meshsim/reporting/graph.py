"""The service graph laid out in columns: callers left of those they call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from meshsim.reporting.edges import Edge, depths


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
    def rows(self) -> int:
        """How many vertices the fullest column has."""
        return max((sum(v.column == c for v in self.vertices) for c in range(self.columns)), default=0)

    def vertex(self, name: str) -> Vertex:
        """The vertex of an application."""
        return next(vertex for vertex in self.vertices if vertex.name == name)


def lay_out(edges: Sequence[Edge]) -> Graph:
    """The graph of these edges. Within a column each application stands near the middle of its callers."""
    arrows = _arrows(edges)
    depth = depths(list(edges))
    columns: dict[int, list[str]] = {}
    for name in sorted(depth):
        columns.setdefault(depth[name], []).append(name)
    rows: dict[str, float] = {}
    tallest = max((len(names) for names in columns.values()), default=0)
    for column in sorted(columns):
        names = columns[column]
        names.sort(key=lambda name: (_middle(name, arrows, rows), name))
        top = (tallest - len(names)) / 2
        for index, name in enumerate(names):
            rows[name] = top + index
    ordered = sorted(depth, key=lambda name: (depth[name], rows[name]))
    vertices = tuple(_vertex(name, depth[name], rows[name], edges) for name in ordered)
    return Graph(vertices, arrows)


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
