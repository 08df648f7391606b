"""Debounce: quiet for 100 ms, or 10 s from the first change; one push at a time (istio pilot/pkg/xds/discovery.go)."""

from __future__ import annotations

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.debounce import Debouncer
from meshsim.units import MILLISECOND, SECOND

AFTER = 100 * MILLISECOND
MAX = 10 * SECOND


def _change(name: str) -> PushRequest:
    return PushRequest({ConfigKey("VirtualService", name, "d"): None}, {"config": 1})


def test_a_single_change_is_pushed_after_the_quiet_time() -> None:
    debouncer = Debouncer(AFTER, MAX)
    assert debouncer.on_request(_change("a"), 0).timer == AFTER
    reaction = debouncer.on_timer(AFTER)
    assert reaction.push is not None
    assert [k.name for k in reaction.push.keys] == ["a"]


def test_changes_within_the_quiet_time_merge_and_wait_on() -> None:
    debouncer = Debouncer(AFTER, MAX)
    debouncer.on_request(_change("a"), 0)
    assert debouncer.on_request(_change("b"), 60 * MILLISECOND).timer is None
    again = debouncer.on_timer(AFTER)
    assert again.push is None
    assert again.timer == 160 * MILLISECOND
    reaction = debouncer.on_timer(160 * MILLISECOND)
    assert reaction.push is not None
    assert sorted(k.name for k in reaction.push.keys) == ["a", "b"]
    assert reaction.first_change == 0


def test_changes_that_never_stop_are_pushed_at_the_maximum() -> None:
    debouncer = Debouncer(AFTER, MAX)
    now = 0
    timer = debouncer.on_request(_change("0"), now).timer
    pushed_at = None
    while pushed_at is None and now < 20 * SECOND:
        now += 50 * MILLISECOND
        if timer is not None and timer <= now:
            reaction = debouncer.on_timer(timer)
            if reaction.push is not None:
                pushed_at = timer
            timer = reaction.timer
        if pushed_at is None:
            debouncer.on_request(_change(str(now)), now)
    assert pushed_at is not None
    assert MAX <= pushed_at <= MAX + AFTER


def test_only_one_push_runs_and_what_waited_goes_at_once() -> None:
    debouncer = Debouncer(AFTER, MAX)
    debouncer.on_request(_change("a"), 0)
    assert debouncer.on_timer(AFTER).push is not None
    timer = debouncer.on_request(_change("b"), 150 * MILLISECOND).timer
    assert timer == 250 * MILLISECOND
    assert debouncer.on_timer(timer).push is None
    reaction = debouncer.on_push_done(400 * MILLISECOND)
    assert reaction.push is not None
    assert [k.name for k in reaction.push.keys] == ["b"]


def test_a_restart_forgets_what_was_pending() -> None:
    debouncer = Debouncer(AFTER, MAX)
    debouncer.on_request(_change("a"), 0)
    debouncer.reset()
    assert debouncer.on_timer(AFTER).push is None
