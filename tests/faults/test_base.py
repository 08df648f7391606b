"""Every fault has the one shape: applied to a mesh, it gives back how to revert it."""

from __future__ import annotations

import inspect

from meshsim import faults
from meshsim.faults import DelayLink, KillPods, KillWorkload, LoseNodes, PartitionLink


def test_every_fault_can_be_applied_and_reverted() -> None:
    for fault in (DelayLink, KillPods, KillWorkload, LoseNodes, PartitionLink):
        signature = inspect.signature(fault.apply)
        assert list(signature.parameters) == ["self", "mesh", "cause"]
        assert signature.return_annotation == "Revert"
        assert fault.__name__ in faults.__all__
