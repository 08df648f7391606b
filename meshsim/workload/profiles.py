"""How the rate of a traffic changes over time, as pieces in which it is constant or changes evenly.

All times count from the traffic's start. What is random about bursts is when their states change; given these times the
arrivals are those of a Poisson process whose rate is known, so the states are drawn here, before the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from meshsim.errors import LimitError
from meshsim.kernel import unit
from meshsim.scenario import Burst, Series, Traffic, UserPoint
from meshsim.units import SECOND, Nanos, format_duration

MOST_PIECES: Final = 1_000_000


class Piece(NamedTuple):
    """A stretch of time in which a level (requests a second, or users) goes evenly from one value to another; it lasts
    until the next one begins."""

    begin: Nanos
    level: float
    end_level: float


def rate_pieces(traffic: Traffic, length: Nanos, seed: int) -> tuple[Piece, ...]:
    """The rate of a traffic of this length by time; empty where one rate holds all the time, or none is given.

    Raises `LimitError` for more than a million pieces.
    """
    if traffic.ramp is not None:
        return tuple(_between([(point.at, point.rate) for point in traffic.ramp]))
    if traffic.series is not None:
        return _limited(_series(traffic.series, length), traffic.name)
    if traffic.bursts is not None:
        return _limited(_bursts(traffic.bursts, length, seed, traffic.name), traffic.name)
    return ()


def user_pieces(traffic: Traffic) -> tuple[Piece, ...]:
    """The number of users by time; empty where it never changes."""
    if traffic.user_ramp is None:
        return ()
    return tuple(_between([(point.at, float(point.users)) for point in traffic.user_ramp]))


def most_users(traffic: Traffic) -> int:
    """How many users there are at the most, 0 for an open loop."""
    ramp: Sequence[UserPoint] = traffic.user_ramp or ()
    return max((point.users for point in ramp), default=traffic.users or 0)


def connection_count(traffic: Traffic, length: Nanos) -> int:
    """How many connections share the rate of a traffic, 0 without: each has at least two requests to send.

    fortio periodic/periodic.go, runQPSSetup, lowers the number of its threads until they have.
    """
    if traffic.connections is None or traffic.rate is None:
        return 0
    requests = int(traffic.rate * length / SECOND + 1e-9)
    return max(min(traffic.connections.count, requests // 2), 1)


def mean_rate(traffic: Traffic, length: Nanos) -> float | None:
    """Requests a second of an open loop, averaged over its length; `None` where slow answers hold requests back."""
    if traffic.connections is not None or traffic.users is not None or traffic.user_ramp is not None:
        return None
    if traffic.rate is not None:
        return traffic.rate
    if traffic.replay is not None:
        return sum(at < length for at in traffic.replay.at or ()) * SECOND / length
    if traffic.bursts is not None:
        total = sum(state.dwell for state in traffic.bursts)
        return sum(state.rate * state.dwell for state in traffic.bursts) / total
    return sum(_areas(rate_pieces(traffic, length, 0), length)) / length


def _areas(pieces: Sequence[Piece], length: Nanos) -> Iterator[float]:
    """Level times nanoseconds of each piece, as far as it lies within the length."""
    ends = [piece.begin for piece in pieces[1:]] + [max(length, pieces[-1].begin)]
    for piece, end in zip(pieces, ends, strict=True):
        span = max(0, min(end, length) - piece.begin)
        last = piece.level + (piece.end_level - piece.level) * span / max(end - piece.begin, 1)
        yield span * (piece.level + last) / 2


def _between(points: Sequence[tuple[Nanos, float]]) -> Iterator[Piece]:
    """Pieces through points; before the first and after the last the level stays."""
    first, last = points[0], points[-1]
    if first[0] > 0:
        yield Piece(0, first[1], first[1])
    for (at, level), (_, after) in pairwise(points):
        yield Piece(at, level, after)
    yield Piece(last[0], last[1], last[1])


def _series(series: Series, length: Nanos) -> Iterator[Piece]:
    rates = series.rates or ()
    at = 0
    while at < length:
        for rate in rates:
            yield Piece(at, rate, rate)
            at += series.every
        if not series.repeat:
            yield Piece(at, 0.0, 0.0)
            return


def _bursts(states: Sequence[Burst], length: Nanos, seed: int, name: str) -> Iterator[Piece]:
    """The states of a Markov-modulated Poisson process in equilibrium: at any time a state is found with the share of
    its mean dwell time, and lasts exponentially long from then on."""
    left = unit(seed, "burst", name) * sum(state.dwell for state in states)
    number = 0
    while left > states[number].dwell and number < len(states) - 1:
        left -= states[number].dwell
        number += 1
    at = turn = 0
    while at < length:
        state = states[number]
        yield Piece(at, state.rate, state.rate)
        at += max(1, round(-math.log(unit(seed, "dwell", name, turn)) * state.dwell))
        number = (number + 1) % len(states)
        turn += 1


def _limited(pieces: Iterator[Piece], name: str) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for piece in pieces:
        if len(found) == MOST_PIECES:
            message = f"the rate of traffic '{name}' changes {MOST_PIECES} times within {format_duration(piece.begin)}"
            raise LimitError(message, None, "make its intervals longer")
        found.append(piece)
    return tuple(found)
