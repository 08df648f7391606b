"""Each fault one class: apply it to a mesh, get back how to revert it."""

from meshsim.faults.base import Fault, Mesh, Revert
from meshsim.faults.links import DelayLink, PartitionLink
from meshsim.faults.loss import KillPods, KillWorkload, LoseNodes

__all__ = ["DelayLink", "Fault", "KillPods", "KillWorkload", "LoseNodes", "Mesh", "PartitionLink", "Revert"]
