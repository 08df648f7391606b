"""What a fault is and what it may touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from meshsim.kube import Kube
from meshsim.network import Network

Revert: TypeAlias = Callable[[], None]
"""Takes a fault back, as its repair would."""


class Mesh(Protocol):
    """The parts of a world that faults act on."""

    @property
    def kube(self) -> Kube: ...
    @property
    def network(self) -> Network: ...


class Fault(Protocol):
    """Something that goes wrong."""

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        """Make it happen now; `cause` is the timeline id for the records."""
        ...
