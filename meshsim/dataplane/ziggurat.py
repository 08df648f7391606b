"""The layers that the event core draws exponential numbers from (Marsaglia and Tsang 2000, "The ziggurat method").

The area under exp(-x) is cut into layers of one size: each but the lowest is a rectangle from 0 to an edge, between the
heights of the curve at its own edge and at the next one; the lowest has the tail beside it.
"""

from __future__ import annotations

import math
from typing import Final

from meshsim.dataplane.core import EDGE, HEIGHT, TAIL

LAYERS: Final = 256
PLACES: Final = 1 << 30
"""Places that a layer has from 0 to its edge."""


def edges() -> list[float]:
    """Edge of each layer from the lowest up, then 0, which is where the curve ends at the top.

    The lowest layer's edge is where a rectangle of its size would end: what lies beyond `TAIL` stands for the tail.
    """
    size = (TAIL + 1.0) * math.exp(-TAIL)
    found = [size * math.exp(TAIL), TAIL]
    while len(found) < LAYERS:
        found.append(-math.log(size / found[-1] + math.exp(-found[-1])))
    return [*found, 0.0]


def layer_words() -> list[int]:
    """The column `core.State.layer`: for each edge how many of its `PLACES` are left of the next one, and the edge."""
    found = edges()
    words: list[int] = []
    for edge, following in zip(found, [*found[1:], 0.0]):
        words += [int(following / edge * PLACES) if edge else 0, round(edge / EDGE)]
    return words


def heights() -> list[int]:
    """The column `core.State.height`: how high the curve is at each edge."""
    return [round(math.exp(-edge) / HEIGHT) for edge in edges()]
