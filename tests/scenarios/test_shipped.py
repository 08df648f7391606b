"""Every shipped scenario: its verdicts, the same digest twice, interpreted as compiled, side by side as in sequence.

Interpreted, its tables are sound all the way; with bounds checks compiled code finds nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.invariants import check_invariants
from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, run_loaded
from meshsim.reporting.outcome import ScenarioOutcome
from meshsim.reporting.summary import Summary
from meshsim.scenario import load_scenario
from meshsim.units import SECOND, Nanos
from meshsim.world.explain_scenario import NullSink
from meshsim.world.model import RunOptions, World

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.yaml"))
CUT = {"autoscale": 110, "canary": 64, "failure": 64, "policy": 50, "propagation": 24}
"""Seconds that the interpreted engine runs: past the first action of each."""


def _run(path: Path, results: Path, **settings: object) -> ScenarioOutcome:
    seeds = settings.pop("seeds", ())
    jobs = settings.pop("jobs", None)
    request = RunRequest(
        seeds=seeds,  # type: ignore[arg-type]
        settings=RunSettings(**settings),  # type: ignore[arg-type]
        results=results,
        jobs=jobs,  # type: ignore[arg-type]
    )
    outcome = run_loaded(load_scenario(path), request)
    assert outcome.run is not None
    return outcome


def _digest(outcome: ScenarioOutcome) -> str:
    assert outcome.run is not None
    return outcome.run.manifest.digest


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_a_shipped_scenario_meets_its_expectations_twice_alike(path: Path, tmp_path: Path) -> None:
    first = _run(path, tmp_path / "first")
    assert [v.name for v in first.verdicts if not v.met] == []
    again = _run(path, tmp_path / "again")
    assert _digest(first) == _digest(again)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_a_sample_of_the_requests_is_judged_as_all_of_them(path: Path, tmp_path: Path) -> None:
    full = _run(path, tmp_path / "full")
    part = _run(path, tmp_path / "part", sampling=0.01)
    assert _digest(full) == _digest(part)
    assert [(v.name, v.outcome) for v in part.verdicts] == [(v.name, v.outcome) for v in full.verdicts]
    assert full.run is not None
    assert part.run is not None
    assert part.run.requests(["root"]).num_rows < full.run.requests(["root"]).num_rows / 30
    assert part.run.series().equals(full.run.series())
    for seen, known in zip(Summary(part.run, ()).edges, Summary(full.run, ()).edges, strict=True):
        assert (seen.caller, seen.destination, seen.requests) == (known.caller, known.destination, known.requests)
        assert seen.p50 == pytest.approx(known.p50, rel=0.04)
        assert seen.p99 == pytest.approx(known.p99, rel=0.07)


def _findings(path: Path, until: Nanos) -> list[str]:
    """What the invariant checker says of an interpreted run, at its end and a hundred times on the way."""
    found: list[str] = []

    def look(now: Nanos, finished: int) -> None:
        found.extend(check_invariants(world.engine.tables))

    options = RunOptions(mode="plain", until=until, sampling=0.01, progress=look, steps=100)
    world = World(load_scenario(path), 1, NullSink(), options)
    world.run()
    return found


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_tables_are_sound_all_the_way(path: Path) -> None:
    assert _findings(path, CUT[path.stem] * SECOND) == []


def test_a_leak_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that is not given back, a count that is not taken off."""
    path = next(p for p in SCENARIOS if p.stem == "policy")
    give = core.give_attempt

    def forget(s: core.State, a: int) -> None:
        if s.ctl[0].attempts % 50:
            give(s, a)

    with monkeypatch.context() as planted:
        planted.setattr(core, "give_attempt", forget)
        assert any("att" in finding for finding in _findings(path, SECOND))
    leave = core.leave_upstream

    def stay(s: core.State, a: int) -> None:
        leave(s, a)
        s.cluster[s.att[a].cluster].active += s.ctl[0].attempts % 50 == 0

    monkeypatch.setattr(core, "leave_upstream", stay)
    assert any("active" in finding for finding in _findings(path, SECOND))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_compiled_with_bounds_checks_nothing_is_found(path: Path, tmp_path: Path) -> None:
    until = CUT[path.stem] * SECOND
    checked = _run(path, tmp_path / "checked", mode="numba-checked", until=until)
    assert _digest(checked) == _digest(_run(path, tmp_path / "compiled", mode="numba", until=until))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_interpreted_and_compiled_agree(path: Path, tmp_path: Path) -> None:
    until = CUT[path.stem] * SECOND
    compiled = _run(path, tmp_path / "compiled", mode="numba", until=until)
    interpreted = _run(path, tmp_path / "interpreted", mode="plain", until=until)
    assert compiled.run is not None
    assert interpreted.run is not None
    assert (compiled.run.manifest.engine, interpreted.run.manifest.engine) == ("numba", "plain")
    assert _digest(compiled) == _digest(interpreted)


def test_sampling_changes_no_result(tmp_path: Path) -> None:
    path = next(p for p in SCENARIOS if p.stem == "policy")
    whole = _run(path, tmp_path / "whole", until=20 * SECOND)
    sampled = _run(path, tmp_path / "sampled", until=20 * SECOND, sampling=0.1)
    assert _digest(whole) == _digest(sampled)


def test_three_replications_side_by_side_equal_three_in_sequence(tmp_path: Path) -> None:
    path = next(p for p in SCENARIOS if p.stem == "policy")
    parallel = _run(path, tmp_path / "parallel", until=20 * SECOND, seeds=(1, 2, 3), jobs=3)
    sequential = _run(path, tmp_path / "sequential", until=20 * SECOND, seeds=(1, 2, 3), jobs=1)
    assert _digest(parallel) == _digest(sequential)
    assert len(parallel.run.manifest.seeds) == 3  # type: ignore[union-attr]
