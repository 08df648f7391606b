"""A tap is false until somebody listens and hands every record to all listeners."""

from __future__ import annotations

import pytest

from meshsim.trace import Taps, TimelineMark


def test_a_tap_nobody_listens_to_is_false() -> None:
    taps = Taps()
    assert not taps.timeline
    taps.timeline(TimelineMark(1, "shift", "apply", True, ""))


def test_every_listener_gets_every_record() -> None:
    taps = Taps()
    first: list[TimelineMark] = []
    second: list[TimelineMark] = []
    taps.timeline.listen(first.append)
    taps.timeline.listen(second.append)
    record = TimelineMark(1, "shift", "apply", True, "")
    taps.timeline(record)
    assert taps.timeline
    assert first == second == [record]


def test_a_listener_that_raises_fails_the_run() -> None:
    taps = Taps()

    def lose(record: TimelineMark) -> None:
        raise ValueError(record.id)

    taps.timeline.listen(lose)
    with pytest.raises(ValueError, match="shift"):
        taps.timeline(TimelineMark(1, "shift", "apply", True, ""))
