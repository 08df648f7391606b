"""What goes wrong between machines."""

from __future__ import annotations

from dataclasses import dataclass

from meshsim.faults.base import Mesh, Revert
from meshsim.network import LinkState, Selection
from meshsim.units import Nanos


@dataclass(frozen=True, slots=True)
class PartitionLink:
    """No packet passes between the parties of two selections."""

    one: tuple[Selection, ...]
    other: tuple[Selection, ...]

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        return _add(mesh, [LinkState(one=a, other=b, cut=True) for a in self.one for b in self.other])


@dataclass(frozen=True, slots=True)
class DelayLink:
    """Packets between the parties of two selections take longer, in both directions."""

    one: tuple[Selection, ...]
    other: tuple[Selection, ...]
    latency: Nanos
    jitter: Nanos = 0

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        states = [
            LinkState(one=a, other=b, delay=self.latency, jitter=self.jitter) for a in self.one for b in self.other
        ]
        return _add(mesh, states)


def _add(mesh: Mesh, states: list[LinkState]) -> Revert:
    handles = [mesh.network.add(state) for state in states]

    def revert() -> None:
        for handle in handles:
            mesh.network.remove(handle)

    return revert
