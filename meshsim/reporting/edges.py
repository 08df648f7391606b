"""Who called whom, how often, how well: the rows of a summary and the edges of a service graph."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from meshsim.checks.frame import Frame, Mask
from meshsim.checks.intervals import quantile_rank
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
    def caller(self) -> str:
        """The caller with its version where that matters."""
        return f"{self.source} {self.source_version}".rstrip()


def edges(frame: Frame, during: Span | None = None) -> list[Edge]:
    """The edges of a run (or of a part of it), callers before those they call."""
    rows = frame.all() if during is None else frame.within([during])
    length = (during.end - during.begin) if during is not None else frame.run.duration
    manifest = frame.run.manifest
    seconds = max(length, 1) / SECOND * max(len(manifest.seeds), 1) * manifest.sampling
    source, version, destination = (frame.names(n) for n in ("source", "source_version", "destination"))
    split = _callers_by_version(frame, rows)
    found: list[Edge] = []
    seen: set[tuple[str, str, str]] = set()
    for names in frame.combinations("source", "source_version", "destination", rows=rows):
        shown = names[1] if names[0] in split and names[1] not in _UNVERSIONED else ""
        key = (names[0], shown, names[2])
        if key in seen:
            continue
        seen.add(key)
        mask = rows & source.where([names[0]]) & destination.where([names[2]])
        if shown:
            mask &= version.where([shown])
        found.append(_edge(frame, key, mask, seconds))
    return _in_call_order(found)


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


def _edge(frame: Frame, key: tuple[str, str, str], mask: Mask, seconds: float) -> Edge:
    ordered = np.sort(frame.latency[mask])
    count = len(ordered)
    return Edge(
        source=key[0],
        source_version=key[1],
        destination=key[2],
        rate_per_s=count / seconds,
        requests=count,
        good=float(frame.good[mask].mean()) if count else 1.0,
        p50=float(ordered[quantile_rank(0.5, count)]) if count else 0.0,
        p99=float(ordered[quantile_rank(0.99, count)]) if count else 0.0,
        versions=_versions(frame, mask),
    )


def _versions(frame: Frame, mask: Mask) -> tuple[tuple[str, float], ...]:
    column = frame.names("destination_version")
    codes, sizes = np.unique(column.codes[mask], return_counts=True)
    reached = [
        (column.names[c], int(n)) for c, n in zip(codes.tolist(), sizes.tolist(), strict=True) if column.names[c]
    ]
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
