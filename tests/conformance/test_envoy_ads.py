"""The model's ADS client against a real Envoy: the same server, the same script of updates, the same log.

MESHSIM_ADS_SEEDS and MESHSIM_ADS_STEPS set the size of a longer run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from meshsim.scenario import load_scenario
from meshsim.testing.ads_pilot import ConfigStates, Resources, script_of
from meshsim.testing.ads_random import (
    RandomScript,
    broken_cluster,
    broken_listener,
    broken_table,
    malformed_cluster,
)
from meshsim.testing.ads_resources import assignment, eds_cluster, rds_listener, route_table, static_cluster
from meshsim.testing.ads_scripts import Played, Step, play_real, play_simulated
from meshsim.world.model import RunOptions, World
from meshsim.xds import type_urls

SEEDS = int(os.environ.get("MESHSIM_ADS_SEEDS", "2"))
STEPS = int(os.environ.get("MESHSIM_ADS_STEPS", "25"))
FIRST_PORT = 24001
SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
LONGEST = 6
"""States of a scenario that are played."""
C, E, L, R = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE

pytestmark = pytest.mark.needs_envoy

START = Step(
    "cold start",
    (
        eds_cluster("a"),
        eds_cluster("b"),
        assignment("a"),
        assignment("b"),
        rds_listener("l", FIRST_PORT, "80"),
        route_table("80"),
    ),
)

LIFE = (
    Step("a changed cluster waits", (eds_cluster("a", 2),), pushes=((C, ("a",)),)),
    Step("the same endpoints end it", pushes=((E, ("a",)),)),
    Step("clusters and endpoints back to back", (eds_cluster("a", 3),), pushes=((C, ("a",)), (E, ("a",)))),
    Step("nothing changed", pushes=((C, None), (E, None), (L, None), (R, None))),
    Step("a new cluster", (eds_cluster("c"),), pushes=((C, ("c",)),)),
    Step("its endpoints", (assignment("c"),), pushes=((E, ("c",)),)),
    Step("a cluster is removed", drops=((C, "b"),), pushes=((C, ("b",)),)),
    Step("a new listener waits for its table", (rds_listener("m", FIRST_PORT + 1, "81"),), pushes=((L, ("m",)),)),
    Step("its table", (route_table("81"),), pushes=((R, ("81",)),)),
    Step("a listener waits for a table", (rds_listener("m", FIRST_PORT + 1, "82"),), pushes=((L, ("m",)),)),
    Step("the active one again ends it", (rds_listener("m", FIRST_PORT + 1, "81"),), pushes=((L, ("m",)),)),
    Step("a listener takes another table", (rds_listener("l", FIRST_PORT, "81"),), pushes=((L, ("l",)),)),
    Step("the old one has drained", drains=True),
    Step("a listener is removed", drops=((L, "m"),), pushes=((L, ("m",)),)),
    Step("reconnect", reconnects=True),
    Step("reconnect with changes", (eds_cluster("a", 4),), ((C, "c"),), reconnects=True),
    Step("endpoints are removed", drops=((E, "a"),), pushes=((E, ("a",)),)),
    Step("an EDS cluster becomes static", (static_cluster("a"),), pushes=((C, ("a",)),)),
    Step("the last listener is removed", drops=((L, "l"),), pushes=((L, ("l",)),)),
    Step("it has drained too", drains=True),
)

REFUSALS = (
    Step(
        "the good cluster of a refused response is applied",
        (eds_cluster("good"), assignment("good"), broken_cluster("bad")),
        pushes=((C, ("good", "bad")),),
    ),
    Step(
        "nothing is applied when one cannot be read",
        (eds_cluster("later"), assignment("later"), malformed_cluster("worse")),
        ((C, "bad"),),
        ((C, ("later", "worse")),),
    ),
    Step("the next good response", drops=((C, "worse"),), pushes=((C, ("later",)),)),
    Step(
        "the good listener of a refused response is applied",
        (rds_listener("m", FIRST_PORT + 1, "81"), broken_listener("bad", FIRST_PORT + 2)),
        pushes=((L, ("m", "bad")),),
    ),
    Step("a refused table ends the waiting for it", (broken_table("81"),), pushes=((R, ("81",)),)),
    Step("a good table", (route_table("81"),), drops=((L, "bad"),), pushes=((R, ("81",)), (L, None))),
    Step("a refused table of nobody", (broken_table("99"),), pushes=((R, ("99",)),)),
    Step("endpoints of nobody", (assignment("nobody"),), pushes=((E, ("nobody",)),)),
    Step("a changed cluster waits", (eds_cluster("a", 2),), pushes=((C, ("a",)),)),
    Step("refused endpoints end it", (assignment("a", 70000),), pushes=((E, ("a",)),)),
    Step("a changed cluster waits again", (eds_cluster("a", 3),), pushes=((C, ("a",)),)),
    Step("reconnect meanwhile", (assignment("a", 2),), reconnects=True),
    Step("the endpoints", pushes=((E, ("a",)),)),
)

WAITING = (
    Step("endpoints of one", (assignment("a"),), pushes=((E, ("a",)),)),
    Step("endpoints of the other", (assignment("b"),), pushes=((E, ("b",)),)),
    Step("the table", (route_table("80"),), pushes=((R, None),)),
)


COLD_STARTS = {
    "nothing at all": (Step("nothing"), (Step("a cluster", (static_cluster("a"),), pushes=((C, ("a",)),)),)),
    "no cluster with endpoints by EDS": (
        Step("start", (static_cluster("s"), rds_listener("l", FIRST_PORT, "80"), route_table("80"))),
        (Step("one comes", (eds_cluster("a"), assignment("a")), pushes=((C, ("a",)),)),),
    ),
    "the cluster that is waited for goes": (
        Step("start", (eds_cluster("a"), static_cluster("s"), rds_listener("l", FIRST_PORT, "80"))),
        (
            Step("it goes", drops=((C, "a"),), pushes=((C, ("a",)),)),
            Step("the table", (route_table("80"),), pushes=((R, ("80",)),)),
        ),
    ),
    "the first clusters are refused": (
        Step("start", (malformed_cluster("bad"), rds_listener("l", FIRST_PORT, "80"), route_table("80"))),
        (Step("a good one", (static_cluster("s"),), ((C, "bad"),), ((C, ("s",)),)),),
    ),
    "the first listeners are refused": (
        Step("start", (static_cluster("s"), broken_listener("l", FIRST_PORT))),
        (Step("a good one", (rds_listener("l", FIRST_PORT, "80"), route_table("80")), pushes=((L, ("l",)),)),),
    ),
    "the first table is refused": (
        Step("start", (static_cluster("s"), rds_listener("l", FIRST_PORT, "80"), broken_table("80"))),
        (Step("a good one", (route_table("80"),), pushes=((R, ("80",)),)),),
    ),
}


def assert_same(start: Step, steps: Sequence[Step], folder: Path, *, delta: bool, patience: int = 0) -> list[Played]:
    model = play_simulated(start, steps, delta=delta, patience=patience)
    real = play_real(start, steps, folder, delta=delta, patience=patience)
    for ours, theirs in zip(model, real, strict=True):
        assert (ours.label, *ours.lines) == (theirs.label, *theirs.lines)
        assert (ours.label, ours.state) == (theirs.label, theirs.state)
        assert len(ours.reasons) == len(theirs.reasons)
    return model


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_a_life_of_updates(short_folder: Path, delta: bool) -> None:
    played = assert_same(START, LIFE, short_folder, delta=delta)
    waits, ended = played[1], played[2]
    assert not any(line.type == "cds" and line.kind == "ack" for line in waits.lines), "the CDS ACK is withheld"
    assert waits.state.warming_clusters == ("a",)
    assert [(line.type, line.kind) for line in ended.lines] == [("eds", "send"), ("cds", "ack"), ("eds", "ack")]


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_refusals(short_folder: Path, delta: bool) -> None:
    played = assert_same(START, REFUSALS, short_folder, delta=delta)
    assert "good" in played[1].state.clusters
    assert "later" not in played[2].state.clusters


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_a_cold_start_waits(short_folder: Path, delta: bool) -> None:
    start = Step("clusters alone", (eds_cluster("a"), eds_cluster("b"), rds_listener("l", FIRST_PORT, "80")))
    played = assert_same(start, WAITING, short_folder, delta=delta)
    assert [line.type for line in played[0].lines if line.kind == "ack"] == ["cds"], (
        "acknowledged although nothing is warm"
    )
    assert not any(line.type == "lds" for line in played[1].lines), "one cluster without endpoints is enough"
    assert any(line.type == "lds" for line in played[2].lines)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("name", COLD_STARTS)
def test_other_cold_starts(short_folder: Path, name: str, delta: bool) -> None:
    start, steps = COLD_STARTS[name]
    assert_same(start, steps, short_folder, delta=delta)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_updates(short_folder: Path, seed: int, delta: bool) -> None:
    script = RandomScript(seed, FIRST_PORT + 10)
    assert_same(script.start(), script.steps(STEPS), short_folder, delta=delta)


IMPATIENT = (
    Step("neither endpoints nor the table come", waits=3),
    Step("both come late", (assignment("a"), route_table("80")), pushes=((E, ("a",)), (R, ("80",)))),
    Step("a changed cluster waits", (eds_cluster("a", 2, patience=1),), pushes=((C, ("a",)),)),
    Step("its endpoints do not come", waits=2),
    Step("changed while it waits", (eds_cluster("a", 3, patience=1),), pushes=((C, ("a",)),)),
    Step("and again", (eds_cluster("a", 4, patience=1), assignment("a", 2)), pushes=((C, ("a",)), (E, ("a",)))),
    Step("a listener takes another table", (rds_listener("l", FIRST_PORT, "81", patience=1),), pushes=((L, ("l",)),)),
    Step("which does not come", waits=2),
    Step("nobody waits for it again", (rds_listener("m", FIRST_PORT + 1, "81", patience=1),), pushes=((L, ("m",)),)),
    Step("it comes late", (route_table("81"),), pushes=((R, ("81",)),)),
    Step(
        "one that waits for ever",
        (eds_cluster("b"), rds_listener("n", FIRST_PORT + 2, "82")),
        pushes=((C, ("b",)), (L, ("n",))),
    ),
    Step("waits on", waits=2),
)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_what_does_not_come_in_time_is_done_without(short_folder: Path, delta: bool) -> None:
    start = Step("start", (eds_cluster("a", patience=1), rds_listener("l", FIRST_PORT, "80", patience=1)))
    played = assert_same(start, IMPATIENT, short_folder, delta=delta)
    assert played[0].state.warming_clusters == ("a",)
    assert (played[1].state.clusters, played[1].state.listeners) == (("a",), ("l",))
    assert any(line.type == "cds" and line.kind == "ack" for line in played[4].lines)
    assert played[4].state.hosts == (("a", (1,)),), "the endpoints of the old one stay"
    assert played[-1].state.warming_clusters == ("b",)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_a_bootstrap_may_be_impatient_too(short_folder: Path, delta: bool) -> None:
    everything = (static_cluster("s"), rds_listener("l", FIRST_PORT, "80"), route_table("80"))
    steps = (
        Step("clusters do not come", waits=3, silent=(C, L)),
        Step("they come late", pushes=((C, None),), silent=(C, L)),
        Step("listeners too", pushes=((L, None),)),
    )
    played = assert_same(Step("start", everything, silent=(C, L)), steps, short_folder, delta=delta, patience=1)
    assert any(line.type == "lds" for line in played[1].lines), "listeners are asked for without clusters"
    assert played[-1].state.listeners == ("l",)


def states_of(name: str) -> list[Resources]:
    """What the proxy of a shipped scenario with the most changes was sent, state by state."""
    loaded = load_scenario(SCENARIOS / f"{name}.yaml")
    sink = ConfigStates()
    until = max((action.at for action in loaded.actions), default=0) + 2_000_000_000
    world = World(loaded, 1, sink, RunOptions(mode="plain", until=until))
    sink.keep()
    for action in loaded.actions:
        world.env.call_at(action.at + 1_000_000_000, sink.keep)
    world.traffic.silence()
    world.env.run(until=until)
    return max((sink.states[proxy] for proxy in sorted(sink.states)), key=len)[:LONGEST]


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("name", ["propagation", "canary"])
def test_what_pilot_sends(short_folder: Path, name: str, delta: bool) -> None:
    """Configuration of a shipped scenario: the same log on both sides, and nothing refused."""
    start, steps = script_of(states_of(name))
    assert steps
    played = assert_same(start, steps, short_folder, delta=delta)
    assert not any(step.reasons for step in played)
    assert not played[-1].state.warming_clusters
