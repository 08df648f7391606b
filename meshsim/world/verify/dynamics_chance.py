"""Whether recorded runs of a random experiment are runs that the model has too.

A count is first compared as if every request were drawn by itself (`compare_counts`). In many experiments they are not:
where a hanging request is held, or which host is thrown out first, decides many later ones. So what looks different is
compared again with more runs of other seeds, of which the spread between runs is seen. Only what neither explains is a
difference: chance alone calls for one of the `EXPERIMENTS` different in one of a hundred comparisons of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import exp, inf, lgamma, sqrt
from statistics import fmean, variance
from typing import Final

from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.dynamics_compare import COUNTS, DEVIATIONS, compare_counts
from meshsim.world.verify.dynamics_recording import Run

EXPERIMENTS: Final = 550
_ERROR: Final = 0.01
"""Probability that any of so many experiments is called different by chance."""
_COUNTS: Final = 8
"""Counts that an experiment has, about."""
LEVEL: Final = _ERROR / (EXPERIMENTS * _COUNTS)
FEW: Final = 10
MANY: Final = 40
"""Runs of the model: first to see whether runs differ among themselves, then to be sure."""
_BOUND: Final = 5.54
"""Quantile of Student's t with `MANY` - 1 degrees of freedom at `LEVEL`, for both sides."""

Player = Callable[[int], Run]
"""Plays the experiment with a seed, from 1."""


def compare_by_chance(recorded: Sequence[Run], play: Player) -> Iterator[Mismatch]:
    """Differences of a random experiment that are no chance."""
    played = [play(1 + number) for number in range(len(recorded))]
    doubts = list(compare_counts(recorded, played))
    for number, bound, level in ((FEW, DEVIATIONS, 1.0), (MANY, _BOUND, LEVEL)):
        if not doubts:
            return
        played += [play(1 + seed) for seed in range(len(played), number)]
        doubts = [
            found
            for found in compare_counts(recorded, played)
            if not by_chance(found.path, recorded, played, bound, level)
        ]
    yield from doubts


def by_chance(path: str, recorded: Sequence[Run], played: Sequence[Run], bound: float, level: float) -> bool:
    """Whether a count differs by no more than `bound` standard errors of its mean over runs, or not even so much that
    independent requests differ like that with a probability of `level`."""
    name, _, key = path.partition("/")
    if name not in COUNTS:
        return False
    counts = [[_count(run, name, key) for run in runs] for runs in (recorded, played)]
    totals = [sum(sum(run.outcomes.values()) for run in runs) for runs in (recorded, played)]
    if level < 1 and share_chance([sum(numbers) for numbers in counts], totals) >= level:
        return True
    return abs(runs_apart(*counts)) <= bound


def _count(run: Run, name: str, key: str) -> int:
    return next((count for value, count in getattr(run, name).items() if str(value) == key), 0)


def runs_apart(recorded: Sequence[int], played: Sequence[int]) -> float:
    """How many standard errors the mean of recorded runs is away from that of played ones, by the spread of these."""
    apart = fmean(recorded) - fmean(played)
    error = sqrt(variance(played) * (1 / len(recorded) + 1 / len(played)))
    if error == 0:
        return inf if apart else 0.0
    return apart / error


def share_chance(counts: Sequence[int], totals: Sequence[int]) -> float:
    """Probability that two samples of one share are at least so far apart to this side, twice: Fisher's exact test."""
    found, n, m = sum(counts), *totals
    low, high = max(0, found - m), min(found, n)
    scale = _choices(n + m, found)
    chances = [exp(_choices(n, k) + _choices(m, found - k) - scale) for k in range(low, high + 1)]
    at = counts[0] - low
    return min(1.0, 2 * min(sum(chances[: at + 1]), sum(chances[at:])))


def _choices(n: int, k: int) -> float:
    """Logarithm of a binomial coefficient."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
