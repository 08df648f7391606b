"""What counts as equal, as different, and as a known deviation."""

from __future__ import annotations

from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.outcome import Counts, WorldOutcome
from meshsim.world.verify.tally import Tally, shown

WRONG = [Mismatch("status", 200, 404), Mismatch("cluster", "a", None)]


def test_counting() -> None:
    tally = Tally("calls", WorldOutcome("w"), [Deviation("calls", "why", resource="named")])
    tally.add("p", "inbound", "fine", [])
    tally.add("p", "inbound", "wrong", WRONG)
    tally.add("p", "inbound", "named", WRONG)
    tally.add("p", "inbound", "told", WRONG, "the recording says so")
    assert tally.outcome.total() == Counts(1, 1, 2)
    assert [d.deviation for d in tally.outcome.differences] == ["", "", "why", "why", *["the recording says so"] * 2]
    first = tally.outcome.differences[1]
    assert (first.world, first.proxy, first.type, first.resource, first.path) == (
        "w",
        "p",
        "inbound",
        "wrong",
        "cluster",
    )
    assert (first.want, first.got) == ("a", "absent")


def test_one_difference_without_a_name_makes_the_whole_different() -> None:
    tally = Tally("calls", WorldOutcome("w"), [Deviation("calls", "why", path="status")])
    tally.add("p", "inbound", "x", WRONG)
    assert tally.outcome.total() == Counts(0, 1, 0)


def test_long_values_are_cut() -> None:
    assert shown("x" * 500) == "x" * 397 + "..."
    assert shown(None) == "absent"
