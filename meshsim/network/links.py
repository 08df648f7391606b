"""What goes wrong on the way between two parties: extra delay, loss, partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.network.topology import Latency, Topology
from meshsim.units import Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of a path: a pod, or (without node) something outside the kube."""

    namespace: str = ""
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    workload: str = ""
    """Name of the Deployment or StatefulSet it belongs to."""
    node: str = ""
    zone: str = ""
    region: str = ""


OUTSIDE_PARTY: Final = Party()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A set of parties; every given condition must hold, none given means everybody, outside included."""

    labels: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    name: str = ""
    workload: str = ""
    node: str = ""
    zone: str = ""
    region: str = ""
    outside: bool = False
    """Only what is outside the kube."""

    def holds(self, party: Party) -> bool:
        """Whether a party belongs to the set."""
        if self.outside:
            return not party.node
        return (
            (not self.namespace or party.namespace == self.namespace)
            and (not self.name or party.name == self.name)
            and (not self.workload or party.workload == self.workload)
            and (not self.node or party.node == self.node)
            and (not self.zone or party.zone == self.zone)
            and (not self.region or party.region == self.region)
            and all(party.labels.get(key) == value for key, value in self.labels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """A condition of every path with one end in `one` and the other end in `other`.

    DEVIATION: a condition holds in both directions; a real link can lose or delay one direction only.
    """

    one: Selection
    other: Selection
    delay: Nanos = 0
    """Added to the one-way latency."""
    jitter: Nanos = 0
    """Added to the mean of the exponential part."""
    lost: float = 0.0
    """Share of attempts lost on the way."""
    cut: bool = False
    """Partition: nothing passes."""

    def holds(self, here: Party, there: Party) -> bool:
        """Whether the path between both is concerned, whichever end is which."""
        return (self.one.holds(here) and self.other.holds(there)) or (self.one.holds(there) and self.other.holds(here))


class Path(NamedTuple):
    """The way between two parties as it is now."""

    one_way: Nanos
    jitter: Nanos
    lost: float = 0.0
    reachable: bool = True


class Network:
    """The topology and the conditions on it; `version` counts every change, for whoever keeps derived values."""

    def __init__(self, topology: Topology | None = None) -> None:
        self.topology = topology if topology is not None else Topology()
        self.version = 0
        self._states: dict[int, LinkState] = {}
        self._next = 0

    def add(self, state: LinkState) -> int:
        """Put a condition on the network; returns the handle for `remove`."""
        self._next += 1
        self._states[self._next] = state
        self.version += 1
        return self._next

    def remove(self, handle: int) -> None:
        """Take a condition away again."""
        if self._states.pop(handle, None) is not None:
            self.version += 1

    def touched(self) -> None:
        """Say that the topology has changed (nodes or links)."""
        self.version += 1

    @property
    def states(self) -> tuple[LinkState, ...]:
        """Conditions in force, oldest first."""
        return tuple(self._states.values())

    def party(self, namespace: str, name: str, labels: Mapping[str, str], node: str, workload: str = "") -> Party:
        """A pod as a party, with the zone and region of its node."""
        vertex = self.topology.node(node)
        zone, region = (vertex.zone, vertex.region) if vertex is not None else ("", "")
        return Party(
            namespace=namespace, name=name, labels=labels, workload=workload, node=node, zone=zone, region=region
        )

    def latency(self, here: Party, there: Party) -> Latency:
        """Latency of the path with the delays in force."""
        path = self.between(here, there)
        return Latency(path.one_way, path.jitter)

    def between(self, here: Party, there: Party) -> Path:
        """The path between two parties; outside to outside has no network in between."""
        if not here.node and not there.node:
            return Path(0, 0)
        one_way, jitter = self.topology.latency(here.node, there.node)
        if not self._states:
            return Path(one_way, jitter)
        kept = 1.0
        reachable = True
        for state in self._states.values():
            if state.holds(here, there):
                one_way += state.delay
                jitter += state.jitter
                kept *= 1.0 - state.lost
                reachable = reachable and not state.cut
        return Path(one_way, jitter, 1.0 - kept, reachable)
