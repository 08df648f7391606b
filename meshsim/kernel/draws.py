"""Keyed random draws: a number is a function of who asks and what for, never of when or in which order.

Two variants of a scenario therefore see the same chance wherever they do the same thing, and adding one consumer
changes nobody else's numbers. The event core has its own integer mixer of the same shape (`meshsim.dataplane.core`).
"""

from __future__ import annotations

import hashlib
import math
from typing import Final

_BITS: Final = 62
_SPAN: Final = 1 << _BITS


def draw(seed: int, *key: str | int) -> int:
    """A 62-bit number for this key."""
    text = "\x1f".join(str(part) for part in (seed, *key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2


def unit(seed: int, *key: str | int) -> float:
    """A real number in the open interval (0, 1)."""
    return (draw(seed, *key) + 0.5) / _SPAN


def below(limit: int, seed: int, *key: str | int) -> int:
    """A whole number in ``[0, limit)``."""
    return draw(seed, *key) * limit >> _BITS


def exponential(mean: int, seed: int, *key: str | int) -> int:
    """A whole number with an exponential distribution of this mean."""
    return round(-math.log(unit(seed, *key)) * mean)
