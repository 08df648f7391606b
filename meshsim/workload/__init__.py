"""What clients ask of services by time, the calls it causes, and whether the pods can carry it."""

from meshsim.workload.capacity import check_capacity, mean_time
from meshsim.workload.offered import offered_load
from meshsim.workload.profiles import Piece, connection_count, mean_rate, most_users, rate_pieces, user_pieces

__all__ = [
    "Piece",
    "check_capacity",
    "connection_count",
    "mean_rate",
    "mean_time",
    "most_users",
    "offered_load",
    "rate_pieces",
    "user_pieces",
]
