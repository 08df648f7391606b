"""Who called whom, how often, how well: the rows of a summary and the edges of a service graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from meshsim.checks.frame import Chosen, Frame, Mask
from meshsim.scenario import Span
from meshsim.units import SECOND

_UNVERSIONED: Final = ("", "latest", "unknown")


class Edge(NamedTuple):
    """Requests from one application (or one version of it) to another."""

    source: str
    source_version: str
    """Empty where every version of the caller makes these calls."""
    destination: str
    rate_per_s: float
    """Requests a second while there was traffic to count, averaged over the replications."""
    requests: int
    good: float
    """Share answered with less than 500."""
    p50: float
    p99: float
    """Nanoseconds."""
    versions: tuple[tuple[str, float], ...]
    """Share of each version of the destination."""

    @property
    def failed(self) -> int:
        """Requests answered with 500 or more, or not at all."""
        return round(self.requests * (1 - self.good))

    @property
    def caller(self) -> str:
        """The caller with its version where that matters."""
        return f"{self.source} {self.source_version}".rstrip()


def edges(frame: Frame, during: Span | None = None) -> list[Edge]:
    """The edges of a run (or of a part of it), callers before those they call.

    What clients outside send is an edge to the gateway, and from there one to whom it passes the requests on to.
    """
    rows = frame.all() if during is None else frame.within([during])
    length = (during.end - during.begin) if during is not None else frame.run.duration
    seconds = max(length, 1) / SECOND * max(len(frame.run.manifest.seeds), 1) * frame.fraction
    split = _callers_by_version(frame, rows)
    whole = frame.groups("source", "destination", rows=rows)
    found: dict[_Key, Chosen] = {}
    for (source, version, destination), part in frame.groups(
        "source", "source_version", "destination", rows=rows
    ).items():
        shown = version if source in split and version not in _UNVERSIONED else ""
        found.setdefault(_Key(source, shown, destination), part if shown else whole[source, destination])
    listed = [_edge(frame, key, part, seconds, inside=True) for key, part in found.items()]
    return _in_call_order(_with_clients(frame, rows, listed, seconds))


def foremost(found: Sequence[Edge], most: int) -> list[Edge]:
    """At most so many edges, in their order: those on which most requests failed, then the busiest."""
    ordered = sorted(range(len(found)), key=lambda n: (-found[n].failed, -found[n].requests, n))
    return [found[n] for n in sorted(ordered[:most])]


class _Key(NamedTuple):
    source: str
    version: str
    destination: str


def _with_clients(frame: Frame, rows: Mask, found: list[Edge], seconds: float) -> list[Edge]:
    """The edges, and those of clients outside to the gateways that took their requests in.

    A client that met no gateway is a caller already; both are one edge.
    """
    entered = rows & frame.entered
    traffic, source = frame.names("traffic"), frame.names("source")
    clients: dict[_Key, Mask] = {}
    for name, gateway in frame.combinations("traffic", "source", rows=entered):
        mask = entered & traffic.where([name]) & source.where([gateway])
        missed = rows & source.where([name]) & frame.names("destination").where([gateway])
        clients[_Key(name, "", gateway)] = mask | missed
    kept = [edge for edge in found if (edge.source, edge.source_version, edge.destination) not in clients]
    return kept + [_edge(frame, key, mask, seconds, inside=False) for key, mask in clients.items()]


def _callers_by_version(frame: Frame, rows: Mask) -> set[str]:
    """Callers of which some version makes calls that another one does not."""
    called: dict[str, dict[str, set[str]]] = {}
    for source, version, destination in frame.combinations("source", "source_version", "destination", rows=rows):
        called.setdefault(source, {}).setdefault(version, set()).add(destination)
    versions: dict[str, set[str]] = {}
    for destination, version in frame.combinations("destination", "destination_version", rows=rows):
        if version:
            versions.setdefault(destination, set()).add(version)
    return {
        name
        for name, by_version in called.items()
        if len(versions.get(name, set()) | set(by_version)) > 1
        and (len(by_version) < len(versions.get(name, set())) or len({frozenset(d) for d in by_version.values()}) > 1)
    }


def _edge(frame: Frame, key: _Key, rows: Chosen, seconds: float, inside: bool) -> Edge:
    """`inside`: an edge between applications, not from clients outside to their gateway."""
    sample = frame.sample(rows, inside)
    count = frame.count(rows)
    return Edge(
        source=key.source,
        source_version=key.version,
        destination=key.destination,
        rate_per_s=count / seconds,
        requests=count,
        good=int(frame.counts[rows][frame.good[rows]].sum()) / count if count else 1.0,
        p50=sample.quantile(0.5),
        p99=sample.quantile(0.99),
        versions=_versions(frame, rows) if inside else (),
    )


def _versions(frame: Frame, rows: Chosen) -> tuple[tuple[str, float], ...]:
    column = frame.names("destination_version")
    sizes = np.bincount(column.codes[rows], weights=frame.counts[rows], minlength=len(column.names)).tolist()
    reached = [(name, size) for name, size in zip(column.names, sizes, strict=True) if name and size]
    total = sum(size for _, size in reached)
    return tuple(sorted((name, size / total) for name, size in reached))


def _in_call_order(found: list[Edge]) -> list[Edge]:
    """By distance from where requests come in, then by name."""
    depth = depths(found)
    return sorted(
        found, key=lambda e: (depth[e.source], e.source, e.source_version, depth[e.destination], e.destination)
    )


def depths(found: list[Edge]) -> dict[str, int]:
    """How many calls away from the outermost callers each application is; the longest way counts."""
    depth = {name: 0 for edge in found for name in (edge.source, edge.destination)}
    for _ in range(len(depth)):
        changed = False
        for edge in found:
            if edge.source != edge.destination and depth[edge.destination] < depth[edge.source] + 1 < len(depth):
                depth[edge.destination] = depth[edge.source] + 1
                changed = True
        if not changed:
            break
    return depth
