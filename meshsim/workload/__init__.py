"""What clients ask of services at least, by the calls it causes, and whether the pods can carry it."""

from meshsim.workload.capacity import check_capacity, mean_time
from meshsim.workload.offered import offered_load

__all__ = ["check_capacity", "mean_time", "offered_load"]
