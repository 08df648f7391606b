"""Clusters that outlive their port: which of them goes with the next push is chance in istiod.

Istiod remembers one cluster of a service and port, the last that the iteration of a map gave it; when a port with
subsets is gone, each push takes away that one alone (istio pilot/pkg/networking/core/cluster.go BuildDeltaClusters,
release 1.31). So of such a port only the number of clusters can be compared, not which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from meshsim.controlplane.cluster_names import ClusterName, parse_cluster_name
from meshsim.world.verify.push_recording import Event

_CLUSTERS: Final = "CDS"


class Leftovers:
    """The ports gone from their service of which one proxy may still hold clusters."""

    def __init__(self) -> None:
        self._ports: dict[tuple[str, int], None] = {}

    def lose(self, events: Sequence[Event]) -> None:
        """Take in what a step removed: a port is gone when clusters of it go and none of it is sent beside."""
        for event in events:
            if event.type == _CLUSTERS and not event.asks:
                sent = _ports(event.names["sent"])
                self._ports.update((port, None) for port in _ports(event.names["removed"]) if port not in sent)

    def regain(self, events: Sequence[Event]) -> None:
        """Take in which ports a step brought back, after the step was compared: all their clusters are known again."""
        for event in events:
            if event.type == _CLUSTERS and not event.asks:
                for port in _ports(event.names["sent"]):
                    self._ports.pop(port, None)

    def alike(self, one: Sequence[str], other: Sequence[str]) -> bool:
        """Whether two lists name the same, but for which clusters of a port that is gone."""
        return sorted(map(self._known, one)) == sorted(map(self._known, other))

    def _known(self, name: str) -> str:
        cluster = parse_cluster_name(name)
        return name if cluster is None or _port(cluster) not in self._ports else f"{cluster.port} of {cluster.hostname}"


def _port(cluster: ClusterName) -> tuple[str, int]:
    return cluster.hostname, cluster.port


def _ports(names: Sequence[str]) -> dict[tuple[str, int], None]:
    parsed = (parse_cluster_name(name) for name in names)
    return {_port(cluster): None for cluster in parsed if cluster is not None}
