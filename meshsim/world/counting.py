"""Statistics of clusters as columns of a recording: at each look, those that have changed since the last one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from meshsim.dataplane.counters import ALWAYS, ClusterCounts
from meshsim.recording import Coded, RunSink
from meshsim.units import SECOND, Nanos

Ints = np.ndarray[Any, np.dtype[np.int64]]

_LOOKS: Final = 300
"""Most looks at the statistics of a run."""
_NAMED: Final = frozenset(ALWAYS)


def look_interval(duration: Nanos) -> Nanos:
    """How often statistics are looked at: every second, or so many whole seconds that there are few enough looks."""
    return max(1, -(-duration // (_LOOKS * SECOND))) * SECOND


class CountedCluster(NamedTuple):
    """A cluster of the engine by its names."""

    proxy: str
    """Proxy id; empty where an application calls without one, which has no statistics."""
    name: str


class CounterRecorder:
    """Remembers what it has handed over."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._last: Ints = np.zeros((0, 0), np.int64)
        """Places by names."""
        self._places: dict[CountedCluster, int] = {}
        self._place_of: list[int] = []

    def write(self, counts: ClusterCounts, clusters: Sequence[CountedCluster], time: Nanos, sink: RunSink) -> None:
        """Hand over what has changed; a cluster's first row of a statistic that it always has may be 0.

        Clusters of one name are one: the engine has several where Envoy finds the endpoint by itself.
        """
        for cluster in clusters[len(self._place_of) :]:
            self._place_of.append(self._places.setdefault(cluster, len(self._places)))
        now = counts.values
        if len(self._places) < len(self._place_of):
            now = np.zeros((len(self._places), len(counts.names)), np.int64)
            np.add.at(now, self._place_of, counts.values)
        before = self._aligned(counts.names)
        self._names, self._last = counts.names, now
        if np.array_equal(now, before):
            return
        named = [cluster.proxy != "" for cluster in self._places]
        stat, row = np.nonzero(((now != before) & np.array(named, bool)[:, None]).T)
        if len(row):
            sink.add_counters(
                {
                    "time": np.full(len(row), time),
                    "proxy": _coded(row, [cluster.proxy for cluster in self._places]),
                    "cluster": _coded(row, [cluster.name for cluster in self._places]),
                    "stat": Coded(stat.astype(np.int32), counts.names),
                    "value": now[row, stat],
                }
            )

    def _aligned(self, names: tuple[str, ...]) -> Ints:
        """What was handed over last, by these names and for all clusters; -1 or 0 where nothing was."""
        known = self._last
        if names == self._names and len(known) == len(self._places):
            return known
        found = np.tile(np.array([-1 if name in _NAMED else 0 for name in names], np.int64), (len(self._places), 1))
        columns = {name: at for at, name in enumerate(self._names)}
        for at, name in enumerate(names):
            if name in columns:
                found[: len(known), at] = known[:, columns[name]]
        return found


def _coded(rows: Ints, names: Sequence[str]) -> Coded:
    """Names of numbered things, equal ones under one code."""
    distinct = {name: code for code, name in enumerate(dict.fromkeys(names))}
    table = np.array([distinct[name] for name in names], np.int32)
    return Coded(table[rows], list(distinct))
