"""What services do for a request and what clients ask of them, as one call graph; and whether the pods can carry it."""

from meshsim.workload.capacity import check_capacity, mean_time
from meshsim.workload.graph import CallGraph, Edge, Member, ServiceKey, build_call_graph
from meshsim.workload.offered import offered_load

__all__ = [
    "CallGraph",
    "Edge",
    "Member",
    "ServiceKey",
    "build_call_graph",
    "check_capacity",
    "mean_time",
    "offered_load",
]
