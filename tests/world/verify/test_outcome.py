"""Counts add up and the JSON form is the documented one."""

from __future__ import annotations

from meshsim.world.verify.outcome import Counts, Difference, Outcome, WorldOutcome


def test_totals_and_json() -> None:
    world = WorldOutcome("w")
    world.at("ns/a", "cds").equal = 3
    world.at("ns/a", "lds").different = 1
    world.at("ns/b", "lds").deviations = 2
    world.differences.append(Difference("w", "ns/a", "lds", "l", "/x", "1", "2"))
    outcome = Outcome({"xds": {"w": world}})
    assert outcome.total("xds") == Counts(3, 1, 2)
    assert not outcome.ok
    body = outcome.as_dict()
    assert body["what"] == {"xds": {"equal": 3, "different": 1, "deviations": 2}}
    worlds = body["worlds"]
    assert isinstance(worlds, dict)
    assert worlds["w"]["xds"]["different"] == 1


def test_named_deviations_are_no_failure() -> None:
    world = WorldOutcome("w")
    world.at("ns/a", "cds").deviations = 5
    assert Outcome({"xds": {"w": world}}).ok
