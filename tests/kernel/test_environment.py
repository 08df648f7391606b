"""The master clock: whole nanoseconds, and the subordinate brought up to each event before it runs."""

from __future__ import annotations

from meshsim.kernel import Environment


def test_the_subordinate_is_advanced_before_each_event() -> None:
    env = Environment()
    seen: list[tuple[str, int]] = []
    env.before_each_event(lambda until: seen.append(("advance", until)))
    env.call_at(5, lambda: seen.append(("event", env.instant)))
    env.call_at(5, lambda: seen.append(("second", env.instant)))
    env.call_at(9, lambda: seen.append(("event", env.instant)))
    env.run()
    assert seen == [
        ("advance", 5),
        ("event", 5),
        ("advance", 5),
        ("second", 5),
        ("advance", 9),
        ("event", 9),
    ]


def test_the_clock_stays_an_integer() -> None:
    env = Environment()
    env.call_at(10**18 + 1, lambda: None)
    env.run()
    assert env.now == 10**18 + 1
    assert isinstance(env.instant, int)
