"""How the load of a traffic is written: what is taken, and what is refused with its place."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario import Traffic
from meshsim.scenario.arrivals import Arrivals
from meshsim.units import MILLISECOND, SECOND

from .conftest import Complain


def traffic(**given: object) -> Traffic:
    base: dict[str, object] = {"name": "t", "through": "gateway", "request": {"host": "shop.example.com"}}
    return Traffic.model_validate(base | given)


def test_a_ramp_is_points() -> None:
    made = traffic(ramp=[{"at": "0s", "rate": "0/s"}, {"at": "1m", "rate": "100/s"}], arrivals="jittered")
    assert made.ramp is not None
    assert [(point.at, point.rate) for point in made.ramp] == [(0, 0.0), (60 * SECOND, 100.0)]
    assert made.arrivals is Arrivals.JITTERED


def test_a_series_is_written_or_in_a_file() -> None:
    made = traffic(series={"every": "10s", "rates": ["50/s", "0/s"], "repeat": True}).series
    assert made is not None
    assert (made.every, made.rates, made.repeat) == (10 * SECOND, (50.0, 0.0), True)


def test_connections_may_be_their_number() -> None:
    made = traffic(rate="100/s", connections=16).connections
    assert made is not None
    assert (made.count, made.jitter, made.uniform, made.catch_up) == (16, False, False, True)
    made = traffic(rate="100/s", connections={"count": 2, "jitter": True, "catchUp": False}).connections
    assert made is not None
    assert (made.count, made.jitter, made.catch_up) == (2, True, False)


def test_bursts_and_replays() -> None:
    made = traffic(bursts=[{"rate": "10/s", "dwell": "5s"}, {"rate": "0/s", "dwell": "500ms"}]).bursts
    assert made is not None
    assert [(state.rate, state.dwell) for state in made] == [(10.0, 5 * SECOND), (0.0, 500 * MILLISECOND)]
    replay = traffic(replay={"at": ["0s", "1.5s"]}).replay
    assert replay is not None
    assert replay.at == (0, 1_500_000_000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ramp": [{"at": "1s", "rate": "1/s"}, {"at": "1s", "rate": "2/s"}]}, "'ramp' must be in the order of time"),
        (
            {"userRamp": [{"at": "1s", "users": 1}, {"at": "0s", "users": 2}], "think": "1s"},
            "'userRamp' must be in the order of time",
        ),
        ({"userRamp": [{"at": "1s", "users": 1}]}, "need 'think'"),
        ({"ramp": [{"at": "1s", "rate": "1/s"}], "rate": "1/s"}, "not 'rate' and 'ramp'"),
        ({"series": {"every": "1s"}}, "a series needs one of 'rates' or 'file'"),
        ({"series": {"every": "0s", "rates": ["1/s"]}}, "'0s' is no time at all"),
        ({"series": {"every": "1s", "rates": ["1/s"], "per": "1s"}}, "'per' belongs to 'file'"),
        ({"series": {"every": "1s", "rates": [5]}}, "bare number 5"),
        ({"replay": {"at": ["1s"], "countFrom": "first"}}, "'countFrom' belongs to 'file'"),
        ({"replay": {"at": ["1s"]}, "arrivals": "constant"}, "a replay has exact instants"),
        ({"bursts": [{"rate": "1/s", "dwell": "1s"}]}, "at least 2"),
        ({"bursts": [{"rate": "1/s", "dwell": "1s"}] * 2, "arrivals": "poisson"}, "bursts are Poisson arrivals"),
        ({"series": {"every": "1s", "rates": ["1/s"]}, "connections": 4}, "'connections' share a 'rate'"),
        ({"rate": "1/s", "connections": 4, "arrivals": "constant"}, "'connections' have 'jitter'"),
        ({"rate": "1/s", "connections": 0}, "greater than or equal to 1"),
        ({"replay": {"at": ["1s"]}, "think": "1s"}, "'replay') does not wait"),
    ],
)
def test_contradictions(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        traffic(**given)
    assert message in str(caught.value)


def test_errors_have_their_place(complain: Complain, first_line: int) -> None:
    body = (
        "traffic:\n"
        "  - name: t\n"
        "    through: gateway\n"
        "    request: {host: cart}\n"
        "    ramp: [{at: 0s, rate: 5}, {at: 1s, rte: 5/s}]\n"
    )
    found = complain(body)
    assert [(error.message, error.position.line, error.position.column) for error in found if error.position] == [
        ("expected a rate, such as 50/s or 1200/m, got the bare number 5", first_line + 4, 27),
        ("unknown field 'rte'", first_line + 4, 40),
    ]
    assert found[1].hint == "did you mean 'rate'?"
