"""Windows and policies of autoscalers."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.kube.scaling_rules import Behavior, History, Policy, Rules, behavior_of
from meshsim.units import SECOND

CALM = Behavior(
    Rules("Max", 0, (Policy(False, 4, 15 * SECOND), Policy(True, 100, 15 * SECOND))),
    Rules("Max", 300 * SECOND, (Policy(True, 100, 15 * SECOND),)),
)


def test_defaults_fill_what_a_behavior_leaves_out() -> None:
    assert behavior_of(Fields({})) is None
    assert behavior_of(Fields({"behavior": {}})) == CALM
    given = {
        "scaleUp": {"stabilizationWindowSeconds": 30, "selectPolicy": "Min", "tolerance": "0.05"},
        "scaleDown": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
    }
    made = behavior_of(Fields({"behavior": given}))
    assert made is not None
    assert made.up == Rules("Min", 30 * SECOND, CALM.up.policies, 0.05)
    assert made.down == Rules("Max", 300 * SECOND, (Policy(False, 2, 60 * SECOND),))


@pytest.mark.parametrize(
    ("current", "desired", "allowed"), [(1, 10, 4), (3, 10, 6), (10, 15, 15), (10, 50, 20), (10, 12, 12), (2, 1, 1)]
)
def test_without_a_behavior_at_most_twice_as_many_or_four(current: int, desired: int, allowed: int) -> None:
    assert History().plain(0, current, desired, 1, 40) == allowed


def test_without_a_behavior_the_highest_recommendation_of_five_minutes_counts() -> None:
    history = History()
    history.begin(0, 8)
    assert [history.plain(at * SECOND, 8, 2, 1, 10) for at in (15, 150, 300)] == [8, 8, 8]
    assert history.plain(301 * SECOND, 8, 2, 1, 10) == 2
    assert history.plain(316 * SECOND, 2, 1, 2, 10) == 2


def test_the_bounds_hold() -> None:
    assert History().plain(0, 5, 50, 1, 7) == 7
    assert History().plain(0, 5, 0, 2, 7) == 2
    assert History().with_behavior(0, 5, 50, 1, 7, CALM) == 7
    assert History().with_behavior(0, 5, 0, 2, 7, CALM) == 2


def _grow(behavior: Behavior, start: int, desired: int, ticks: int) -> list[int]:
    """Pods at each look, 15 s apart, while more are wanted than allowed."""
    history, current, seen = History(), start, [start]
    for tick in range(ticks):
        now = tick * 15 * SECOND
        found = history.with_behavior(now, current, desired, 1, 1000, behavior)
        if found != current:
            history.changed(now, current, found)
        current = found
        seen.append(current)
    return seen


def test_the_policy_that_allows_most_counts() -> None:
    assert _grow(CALM, 1, 100, 5) == [1, 5, 10, 20, 40, 80]


def test_the_policy_that_allows_least_counts() -> None:
    careful = CALM._replace(up=CALM.up._replace(select="Min"))
    assert _grow(careful, 1, 100, 4) == [1, 2, 4, 8, 12]


def test_what_was_added_within_the_period_is_counted() -> None:
    slow = CALM._replace(up=Rules("Max", 0, (Policy(False, 3, 60 * SECOND),)))
    assert _grow(slow, 2, 100, 9) == [2, 5, 5, 5, 5, 8, 8, 8, 8, 11]


def test_percentages_are_rounded_up_on_the_way_up_and_down_on_the_way_down() -> None:
    up = CALM._replace(up=Rules("Max", 0, (Policy(True, 10, 15 * SECOND),)))
    assert _grow(up, 5, 100, 3) == [5, 6, 7, 8]
    down = CALM._replace(down=Rules("Max", 0, (Policy(True, 10, 15 * SECOND),)))
    assert _grow(down, 100, 1, 3) == [100, 90, 81, 72]


def test_a_direction_may_be_disabled() -> None:
    fixed = Behavior(CALM.up._replace(select="Disabled"), CALM.down._replace(select="Disabled", window=0))
    assert _grow(fixed, 5, 100, 2) == [5, 5, 5]
    assert _grow(fixed, 5, 1, 2) == [5, 5, 5]


def test_windows_take_the_most_careful_recommendation() -> None:
    history = History()
    patient = CALM._replace(up=CALM.up._replace(window=60 * SECOND), down=CALM.down._replace(window=120 * SECOND))
    wanted = [3, 9, 9, 9, 9, 9, 2, 2, 2]
    seen = []
    current = 3
    for tick, desired in enumerate(wanted):
        current = history.with_behavior(tick * 30 * SECOND, current, desired, 1, 20, patient)
        seen.append(current)
    assert seen == [3, 3, 7, 9, 9, 9, 9, 9, 9], "up after 60 s above, four at once, not down within 120 s of the last 9"
