"""Fractional percentages and the random numbers of one stream.

One random number of the stream decides runtime fraction, weighted clusters and mirror fraction (Envoy
source/common/router/config_impl.cc, measured on 1.40); the fault filter draws its own. Chances of combined decisions
are exact fractions, found by counting residues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple, Protocol, TypeVar

from meshsim.xds.messages import percent_pb2

T = TypeVar("T")

_DENOMINATORS = {0: 100, 1: 10_000, 2: 1_000_000}


class Fractional(NamedTuple):
    """A share; numerators above the denominator mean always."""

    numerator: int
    denominator: int

    @property
    def always(self) -> bool:
        return self.numerator >= self.denominator

    @property
    def never(self) -> bool:
        return self.numerator == 0

    @property
    def parts_per_million(self) -> int:
        """The share as the event core takes it."""
        return min(1_000_000, self.numerator * 1_000_000 // self.denominator)


ALWAYS = Fractional(100, 100)
NEVER = Fractional(0, 100)
_CERTAIN = Fraction(1)


def decode_fraction(message: percent_pb2.FractionalPercent) -> Fractional:
    """A FractionalPercent."""
    return Fractional(message.numerator, _DENOMINATORS[message.denominator])


class Chance(Protocol):
    """Where the decisions of one stream take their random numbers from."""

    def stream_below(self, modulus: int, bound: int) -> bool:
        """Whether the stream's number modulo `modulus` lies below `bound`."""

    def stream_interval(self, modulus: int, bounds: Sequence[int]) -> int:
        """Index of the interval that the stream's number modulo `modulus` lies in; `bounds` are the upper ends."""

    def stream_weights(self, modulus: int, bounds: Sequence[int]) -> list[int]:
        """Weights of the intervals, given what was asked of the stream's number before."""

    def fresh_below(self, modulus: int, bound: int) -> bool:
        """The question of `stream_below` on a number of its own."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The stream has this random number, and so has every other draw."""

    number: int

    def stream_below(self, modulus: int, bound: int) -> bool:
        return self.number % modulus < bound

    def stream_interval(self, modulus: int, bounds: Sequence[int]) -> int:
        value = self.number % modulus
        return next(i for i, bound in enumerate(bounds) if value < bound)

    def stream_weights(self, modulus: int, bounds: Sequence[int]) -> list[int]:
        chosen = self.stream_interval(modulus, bounds)
        return [int(i == chosen) for i in range(len(bounds))]

    def fresh_below(self, modulus: int, bound: int) -> bool:
        return self.number % modulus < bound


@dataclass(frozen=True, slots=True)
class Undrawn:
    """Nothing is drawn: whatever can happen counts as happening, and weights stay as they are."""

    def stream_below(self, modulus: int, bound: int) -> bool:
        return bound > 0

    def stream_interval(self, modulus: int, bounds: Sequence[int]) -> int:
        return next(i for i, bound in enumerate(bounds) if bound > 0)

    def stream_weights(self, modulus: int, bounds: Sequence[int]) -> list[int]:
        return [high - low for low, high in zip((0, *bounds), bounds)]

    def fresh_below(self, modulus: int, bound: int) -> bool:
        return bound > 0


class _Range(NamedTuple):
    modulus: int
    low: int
    high: int


class _Replay:
    """Follows a list of answers, then takes the first possible one and remembers what else was possible."""

    def __init__(self, script: Sequence[int]) -> None:
        self.script = list(script)
        self.asked = 0
        self.ranges: dict[int, _Range] = {}
        self.fresh = _CERTAIN
        self.open: list[int] = []
        """Other answers that were possible at the last new question."""
        self.pending: list[tuple[int, ...]] = []

    def _answer(self, possible: Sequence[int]) -> int:
        if self.asked < len(self.script):
            answer = self.script[self.asked]
        else:
            answer = possible[0]
            self.pending += [(*self.script, other) for other in possible[1:]]
            self.script.append(answer)
        self.asked += 1
        return answer

    def _stream(self, modulus: int, bounds: Sequence[int]) -> int:
        """Narrow the residues of the stream's number to one of the intervals between bounds."""
        before = self.ranges.get(modulus, _Range(modulus, 0, modulus))
        possible = []
        low = 0
        for index, high in enumerate(bounds):
            narrowed = _Range(modulus, max(low, before.low), min(high, before.high))
            if narrowed.low < narrowed.high and _share({**self.ranges, modulus: narrowed}):
                possible.append(index)
            low = high
        answer = self._answer(possible)
        low = bounds[answer - 1] if answer else 0
        self.ranges[modulus] = _Range(modulus, max(low, before.low), min(bounds[answer], before.high))
        return answer

    def stream_below(self, modulus: int, bound: int) -> bool:
        return self._stream(modulus, (min(bound, modulus), modulus)) == 0

    def stream_interval(self, modulus: int, bounds: Sequence[int]) -> int:
        return self._stream(modulus, bounds)

    def stream_weights(self, modulus: int, bounds: Sequence[int]) -> list[int]:
        if not self.ranges:
            return [high - low for low, high in zip((0, *bounds), bounds)]
        before = self.ranges.get(modulus, _Range(modulus, 0, modulus))
        shares = []
        for low, high in zip((0, *bounds), bounds):
            narrowed = _Range(modulus, max(low, before.low), min(high, before.high))
            shares.append(_share({**self.ranges, modulus: narrowed}) if narrowed.low < narrowed.high else Fraction(0))
        common = lcm(*(share.denominator for share in shares))
        return [int(share * common) for share in shares]

    def fresh_below(self, modulus: int, bound: int) -> bool:
        bound = min(bound, modulus)
        possible = ([0] if bound else []) + ([1] if bound < modulus else [])
        yes = self._answer(possible) == 0
        self.fresh *= Fraction(bound if yes else modulus - bound, modulus)
        return yes

    @property
    def probability(self) -> Fraction:
        return self.fresh * _share(self.ranges) if self.ranges else self.fresh


def _share(ranges: dict[int, _Range]) -> Fraction:
    """Share of all numbers whose residues lie in every range.

    Given the residue modulo the common part of the moduli, the ranges are independent (Chinese remainder theorem).
    """
    moduli = list(ranges)
    common = 1
    for i, a in enumerate(moduli):
        for b in moduli[i + 1 :]:
            shared = gcd(a, b)
            common = lcm(common, shared)
    total = Fraction(0)
    for residue in range(common):
        part = Fraction(1)
        for r in ranges.values():
            step = gcd(common, r.modulus)
            first = residue % step
            hits = _count(r.high, first, step) - _count(r.low, first, step)
            part *= Fraction(hits, r.modulus // step)
            if not hits:
                break
        total += part
    return total / common


def _count(end: int, first: int, step: int) -> int:
    """How many of first, first + step, ... lie below end."""
    return max(0, (end - first + step - 1) // step)


def enumerate_chances(decide: Callable[[Chance], T]) -> list[tuple[Fraction, T]]:
    """Every way the random numbers can fall, with its exact probability; the sum is 1."""
    found: list[tuple[Fraction, T]] = []
    open_scripts: list[tuple[int, ...]] = [()]
    while open_scripts:
        replay = _Replay(open_scripts.pop())
        result = decide(replay)
        found.append((replay.probability, result))
        open_scripts += replay.pending
    return found
