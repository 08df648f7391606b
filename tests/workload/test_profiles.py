"""Rates by time: pieces, their means, and the states of bursts against their theory."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from meshsim.errors import LimitError
from meshsim.scenario import Traffic
from meshsim.units import SECOND
from meshsim.workload import Piece, connection_count, mean_rate, most_users, profiles, rate_pieces, user_pieces


def traffic(**given: object) -> Traffic:
    base: dict[str, object] = {"name": "t", "through": "gateway", "request": {"host": "shop.example.com"}}
    return Traffic.model_validate(base | given)


RAMP = traffic(ramp=[{"at": "10s", "rate": "0/s"}, {"at": "20s", "rate": "100/s"}])
SERIES = {"every": "10s", "rates": ["10/s", "30/s"]}


def test_a_ramp_stays_outside_of_its_points() -> None:
    assert rate_pieces(RAMP, 60 * SECOND, 1) == (
        Piece(0, 0.0, 0.0),
        Piece(10 * SECOND, 0.0, 100.0),
        Piece(20 * SECOND, 100.0, 100.0),
    )


def test_a_series_ends_or_begins_anew() -> None:
    assert rate_pieces(traffic(series=SERIES), 60 * SECOND, 1) == (
        Piece(0, 10.0, 10.0),
        Piece(10 * SECOND, 30.0, 30.0),
        Piece(20 * SECOND, 0.0, 0.0),
    )
    again = rate_pieces(traffic(series={**SERIES, "repeat": True}), 45 * SECOND, 1)
    assert [piece.level for piece in again] == [10.0, 30.0, 10.0, 30.0, 10.0, 30.0]


@pytest.mark.parametrize(
    ("given", "mean"),
    [
        ({"rate": "7/s"}, 7.0),
        ({"ramp": [{"at": "10s", "rate": "0/s"}, {"at": "20s", "rate": "100/s"}]}, (500 + 4000) / 60),
        ({"ramp": [{"at": "0s", "rate": "0/s"}, {"at": "2m", "rate": "120/s"}]}, 30.0),
        ({"series": SERIES}, 400 / 60),
        ({"series": {**SERIES, "repeat": True}}, 20.0),
        ({"bursts": [{"rate": "10/s", "dwell": "1s"}, {"rate": "100/s", "dwell": "2s"}]}, 70.0),
        ({"replay": {"at": ["0s", "1s", "2s", "61s"]}}, 0.05),
        ({"users": 3, "think": "1s"}, None),
        ({"rate": "7/s", "connections": 2}, None),
    ],
)
def test_mean_rates(given: dict[str, object], mean: float | None) -> None:
    found = mean_rate(traffic(**given), 60 * SECOND)
    assert found == (mean if mean is None else pytest.approx(mean))


def test_users_come_and_go() -> None:
    ramp = traffic(userRamp=[{"at": "0s", "users": 1}, {"at": "10s", "users": 5}], think="1s")
    assert user_pieces(ramp) == (Piece(0, 1.0, 5.0), Piece(10 * SECOND, 5.0, 5.0))
    assert (most_users(ramp), most_users(traffic(users=3, think="1s")), most_users(RAMP)) == (5, 3, 0)
    assert user_pieces(traffic(users=3, think="1s")) == ()


def test_each_connection_has_two_requests_at_least() -> None:
    made = traffic(rate="10/s", connections=100)
    assert [connection_count(made, seconds * SECOND) for seconds in (1, 10, 60)] == [5, 50, 100]
    assert connection_count(traffic(rate="1/s"), SECOND) == 0


STATES = [{"rate": "10/s", "dwell": "1s"}, {"rate": "0/s", "dwell": "4s"}, {"rate": "100/s", "dwell": "500ms"}]


def test_states_dwell_exponentially_in_their_order_from_equilibrium() -> None:
    made = traffic(bursts=STATES)
    pieces = rate_pieces(made, 20_000 * SECOND, 3)
    order = [piece.level for piece in pieces]
    assert [(10.0, 0.0, 100.0).index(level) for level in order[:9]] == [
        ((10.0, 0.0, 100.0).index(order[0]) + turn) % 3 for turn in range(9)
    ]
    spans: dict[float, list[float]] = {10.0: [], 0.0: [], 100.0: []}
    for piece, after in pairwise(pieces):
        spans[piece.level].append((after.begin - piece.begin) / SECOND)
    for level, mean in ((10.0, 1.0), (0.0, 4.0), (100.0, 0.5)):
        n = len(spans[level])
        assert abs(sum(spans[level]) / n - mean) < 4 * mean / math.sqrt(n)
        assert abs(sum(span < mean for span in spans[level]) / n - (1 - math.exp(-1))) < 4 * math.sqrt(0.233 / n)
    seeds = 2_000
    first = [rate_pieces(made, 1, seed)[0].level for seed in range(seeds)]
    for level, share in ((10.0, 1 / 5.5), (0.0, 4 / 5.5), (100.0, 0.5 / 5.5)):
        assert abs(first.count(level) / seeds - share) < 4 * math.sqrt(share * (1 - share) / seeds)


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MOST_PIECES", 10)
    with pytest.raises(LimitError, match="the rate of traffic 't' changes 10 times within 1m40s"):
        rate_pieces(traffic(series={**SERIES, "repeat": True}), 600 * SECOND, 1)
