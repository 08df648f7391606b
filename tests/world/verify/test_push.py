"""Pilot's pushes against istiod's: every recorded change, and planted differences that must be found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from meshsim.world.verify import verify_folder
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import load_deviations
from meshsim.world.verify.push import step_mismatches, verify_world
from meshsim.world.verify.push_leftovers import Leftovers
from meshsim.world.verify.push_recording import Event, RecordedStep, Seen, read_pushes, recorded_worlds
from meshsim.world.verify.push_replay import Replay

WORLD = "se-workloadentry"
CLIENT = "vm/client-0"
Change: TypeAlias = Callable[[list[Event]], None]


@pytest.mark.needs_shared
def test_every_recorded_change_is_pushed_as_istiod_did(oracle: Path) -> None:
    """istiod 1.31 recorded; a deviation that names nothing any more has healed and must go."""
    deviations = [d for d in load_deviations() if d.what == "push"]
    outcomes = [verify_world(oracle, name, deviations) for name in recorded_worlds(oracle)]
    assert {o.name: o.error or o.differences[:3] for o in outcomes if o.error or o.total().different} == {}
    assert sum(o.total().equal for o in outcomes) > 12_100
    assert all(deviation.seen for deviation in deviations)


def test_a_recorded_world_of_a_bare_clone(recorded_push: Path) -> None:
    outcome = verify_folder(recorded_push, ["push"]).worlds["push"][WORLD]
    assert outcome.total().as_dict() == {"equal": 282, "different": 0, "deviations": 0}
    assert len(outcome.counts) == 94 * 3, "every step of every proxy, also those that nobody saw"


def test_a_world_that_cannot_be_replayed_is_different_throughout(recorded_push: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    shutil.copytree(recorded_push, folder)
    world = folder / "worlds" / WORLD / "world.yaml"
    world.write_text(world.read_text().replace("ratings-1", "ratings-7"))
    outcome = verify_world(folder, WORLD, [])
    assert "the world has no pod" in outcome.error
    assert outcome.total().as_dict() == {"equal": 0, "different": 282, "deviations": 0}


# --- planted differences --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replayed(recorded_push: Path) -> tuple[tuple[RecordedStep, ...], list[Seen]]:
    """The recorded steps, and what the model's clients saw of them."""
    recorded = read_pushes(recorded_push, WORLD)
    return recorded.steps, list(Replay(recorded_push, WORLD, recorded).run())


Replayed: TypeAlias = tuple[tuple[RecordedStep, ...], list[Seen]]


def _step(replayed: Replayed, name: str) -> tuple[RecordedStep, Seen]:
    return next((step, seen) for step, seen in zip(*replayed, strict=True) if step.name == name)


def _planted(replayed: Replayed, name: str, change: Change) -> list[Mismatch]:
    """Mismatches of one step after a change of what was recorded of the client."""
    step, seen = _step(replayed, name)
    events = list(step.seen.get(CLIENT, ()))
    change(events)
    return step_mismatches(replace(step, seen={**step.seen, CLIENT: tuple(events)}), CLIENT, seen, Leftovers())


def _with(role: str, at: int, *names: str, without: Sequence[str] = ()) -> Change:
    def change(events: list[Event]) -> None:
        event = events[at]
        kept = [name for name in event.names[role] if name not in without]
        events[at] = replace(event, names={**event.names, role: tuple(sorted([*kept, *names]))})

    return change


def _drop(at: int) -> Change:
    return lambda events: events.__delitem__(at)


def _swap(events: list[Event]) -> None:
    events[0], events[1] = events[1], events[0]


def _repeat(events: list[Event]) -> None:
    events.append(events[-2])


MIXED = "outbound|80||mixed.vm.example.com"


@pytest.mark.parametrize(
    ("step", "change", "paths"),
    [
        ("create-authz-ns", _drop(0), ["order"]),
        ("create-vs-new", _drop(1), ["order"]),
        ("create-se-static", _drop(1), ["order"]),
        ("create-se-static", _swap, ["order"]),
        ("create-se-static", _repeat, ["order"]),
        ("create-vs-new", _with("sent", 0, "outbound|1||extra"), ["cds/sent"]),
        ("create-vs-new", _with("sent", 0, without=["PassthroughCluster"]), ["cds/sent"]),
        ("create-vs-new", _with("changed", 1, "virtualInbound"), ["lds/changed"]),
        ("create-se-static", _with("added", 0, without=["outbound|8080||static.zz.example"]), ["cds/added"]),
        ("delete-se-static", _with("removed", 0, without=["outbound|8080||static.zz.example"]), ["cds/removed"]),
        ("delete-se-static", _with("removed", 0, MIXED), ["cds/removed"]),
        ("create-se-static", _with("subscribe", 1, MIXED), ["eds/subscribe"]),
        ("delete-se-static", _with("unsubscribe", 1, MIXED), ["eds/unsubscribe"]),
        ("slice-unready-vm-ratings-1", _with("sent", 0, MIXED), ["eds/sent"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_planted_difference_is_found(replayed: Replayed, step: str, change: Change, paths: list[str]) -> None:
    assert _planted(replayed, step, lambda events: None) == []
    assert [found.path for found in _planted(replayed, step, change)] == paths


def test_a_push_that_nobody_saw_is_found(replayed: Replayed) -> None:
    step, seen = _step(replayed, "create-proxyconfig")
    assert step_mismatches(step, CLIENT, seen, Leftovers()) == []
    loud = {**seen, CLIENT: _step(replayed, "create-authz-ns")[1][CLIENT]}
    assert step_mismatches(step, CLIENT, loud, Leftovers()) == [Mismatch("order", "nothing", "LDS")]
    recorded = replace(step, seen={CLIENT: loud[CLIENT]})
    assert step_mismatches(recorded, CLIENT, seen, Leftovers()) == [Mismatch("order", "LDS", "nothing")]


def test_a_difference_shows_what_the_other_side_has_not(replayed: Replayed) -> None:
    (found,) = _planted(replayed, "create-vs-new", _with("sent", 0, "outbound|1||extra"))
    assert (found.want, found.got) == ("4 names, among them outbound|1||extra", "3 names")


def test_the_place_of_the_name_table_means_nothing(replayed: Replayed) -> None:
    def first(events: list[Event]) -> None:
        names = next(event for event in events if event.type == "NDS")
        events.remove(names)
        events.insert(0, names)

    def lost(events: list[Event]) -> None:
        events[:] = [event for event in events if event.type != "NDS"]

    assert _planted(replayed, "create-se-static", first) == []
    assert [found.path for found in _planted(replayed, "create-se-static", lost)] == ["order"]


# --- steps that two runs saw differently ----------------------------------------------------------------------


def _removed(*names: str) -> tuple[Event, ...]:
    return (Event("CDS", False, {"sent": (), "changed": (), "added": (), "removed": names}),)


@pytest.mark.parametrize(
    ("model", "differs"),
    [("a", False), ("b", False), ("c", True), ("ab", True), ("", True), (None, True)],
    ids=lambda value: str(value),
)
def test_a_step_that_two_runs_saw_differently_is_as_one_of_them(model: str | None, differs: bool) -> None:
    step = RecordedStep("x", (), (), {"p": _removed("a")}, {"p": _removed("b")})
    seen = {} if model is None else {"p": _removed(*model)}
    assert bool(step_mismatches(step, "p", seen, Leftovers())) is differs


def test_a_step_that_came_as_one_push_or_as_two_is_either(replayed: Replayed) -> None:
    once, twice = _removed("a"), _removed("a") + _removed("a")
    step = RecordedStep("x", (), (), {"p": once}, {"p": twice})
    assert step_mismatches(step, "p", {"p": once}, Leftovers()) == []
    assert step_mismatches(step, "p", {"p": twice}, Leftovers()) == []
    assert step_mismatches(step, "p", {"p": twice + once}, Leftovers()) != []


def test_which_cluster_of_a_port_that_is_gone_goes_first_is_chance() -> None:
    """Step by step: one of two goes, then the other, whichever istiod took first."""
    left, port, subset = Leftovers(), _removed("outbound|80||h"), _removed("outbound|80|v1|h")
    first, second = (RecordedStep(name, (), (), {"p": events}, None) for name, events in (("1", port), ("2", subset)))
    assert step_mismatches(first, "p", {"p": subset}, left) == []
    assert step_mismatches(second, "p", {"p": port}, left) == []
    assert [m.path for m in step_mismatches(first, "p", {"p": _removed("outbound|81||h")}, left)] == ["cds/removed"]
