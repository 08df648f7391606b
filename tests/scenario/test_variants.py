"""Variants of a scenario by path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.errors import InputErrors, UsageError
from meshsim.scenario import LoadedScenario
from meshsim.scenario.variants import with_values
from meshsim.units import MINUTE, SECOND

Load = Callable[[str], LoadedScenario]
BODY = (
    "seeds: 2\ntraffic:\n  - {name: buyers, through: gateway, request: {host: a.b}, rate: 50/s}\n"
    "timeline:\n  - {id: slow, at: 5m, for: 1m, kill: {pod: cart-1}}\n"
)


def test_entries_are_named_by_name_id_or_index(load: Load) -> None:
    loaded = load(BODY)
    changed = with_values(loaded, {"traffic.buyers.rate": "80/s", "timeline.slow.for": "2m", "seeds": 4})
    assert changed.scenario.traffic[0].rate == 80
    assert changed.actions[0].until == 7 * MINUTE
    assert changed.scenario.seeds == (1, 2, 3, 4)
    assert with_values(loaded, {"traffic[0].rate": "9/s"}).scenario.traffic[0].rate == 9
    assert loaded.scenario.traffic[0].rate == 50


def test_a_bare_number_takes_the_unit_it_replaces(load: Load) -> None:
    changed = with_values(load(BODY), {"traffic.buyers.rate": 200, "duration": 20, "timeline.slow.at": 1.5})
    assert changed.scenario.traffic[0].rate == 200
    assert changed.scenario.duration == 20 * MINUTE
    assert changed.actions[0].at == 90 * SECOND


def test_what_is_not_there_yet_can_be_given(load: Load) -> None:
    changed = with_values(load(BODY), {"traffic.buyers.start": "5s", "traffic.buyers.request.path": "/x"})
    assert changed.scenario.traffic[0].start == 5 * SECOND
    assert changed.scenario.traffic[0].request.path == "/x"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("traffic.byers.rate", "did you mean 'buyers'"),
        ("trafic.buyers.rate", "did you mean 'traffic'"),
        ("traffic[3].rate", "has 1 entries"),
        ("duration.x", "no parts"),
        ("", "is not a path"),
        ("a..b", "is not a path"),
    ],
)
def test_paths_that_lead_nowhere(load: Load, path: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_values(load(BODY), {path: 1})


def test_a_bad_value_is_an_input_error(load: Load) -> None:
    with pytest.raises(InputErrors, match="unknown field 'rat'"):
        with_values(load(BODY), {"traffic.buyers.rat": "1/s"})
