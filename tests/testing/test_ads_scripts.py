"""A script on the model: the log that a real Envoy leaves too (tests/conformance/test_envoy_ads.py)."""

from __future__ import annotations

import pytest

from meshsim.testing.ads_resources import assignment, eds_cluster, rds_listener, route_table
from meshsim.testing.ads_scripts import State, Step, play_simulated
from meshsim.xds import type_urls

START = Step("start", (eds_cluster("a"), assignment("a"), rds_listener("l", 80, "t"), route_table("t")))


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_a_cold_start(delta: bool) -> None:
    (played,) = play_simulated(START, (), delta=delta)
    assert [(line.type, line.kind) for line in played.lines] == [
        ("cds", "first"),
        ("cds", "send"),
        ("eds", "first"),
        ("eds", "send"),
        ("cds", "ack"),
        ("lds", "first"),
        ("lds", "send"),
        ("eds", "ack"),
        ("rds", "first"),
        ("rds", "send"),
        ("lds", "ack"),
        ("rds", "ack"),
    ]
    assert played.state == State(("a",), (), ("l",), (), (("a", (1,)),))
    assert [line.answers for line in played.lines if line.kind == "send"] == [1, 2, 3, 4]


def test_steps_are_told_apart_and_reasons_kept() -> None:
    bad = route_table("t", domains=("*", "*"))
    step = Step("bad", (bad,), pushes=((type_urls.ROUTE, ("t",)),))
    _, played = play_simulated(START, (step,), delta=True)
    assert played.label == "bad"
    assert [line.kind for line in played.lines] == ["send", "nack"]
    assert played.reasons == ("Only a single wildcard domain is permitted in route t",)
