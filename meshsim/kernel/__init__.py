"""The simpy environment on an integer-nanosecond clock, keyed random draws, the run digest; knows no mesh word."""

from meshsim.kernel.digest import RunDigest
from meshsim.kernel.draws import below, draw, exponential, unit
from meshsim.kernel.environment import Environment

__all__ = ["Environment", "RunDigest", "below", "draw", "exponential", "unit"]
