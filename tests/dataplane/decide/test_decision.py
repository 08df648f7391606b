"""The values of a decision."""

from __future__ import annotations

from meshsim.dataplane.decide.decision import ORDINARY, Decision, Disposition, Flag, Step, Trail, Upstream


def test_the_cluster_is_told_when_there_is_one() -> None:
    one = Upstream("a", 1, None, None, None, False, ())
    assert Decision(Disposition.FORWARDED, upstreams=(one,)).cluster == "a"
    assert Decision(Disposition.FORWARDED, upstreams=(one, one)).cluster == ""
    assert not one.known


def test_flags_are_written_as_in_a_log() -> None:
    decision = Decision(Disposition.REPLIED, flags=(Flag.DELAY_INJECTED, Flag.FAULT_INJECTED))
    assert decision.flag_text == "DI,FI"


def test_a_trail_is_false_unless_wanted() -> None:
    trail = Trail(True)
    trail.add("listener", "l", "why")
    assert trail
    assert trail.steps == [Step("listener", "l", "why")]
    assert not Trail(False)


def test_external_services_allow_unless_told_otherwise() -> None:
    assert ORDINARY.authorize("any").allowed
