"""One replication: recorded, with provenance that repeats it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from meshsim.errors import LimitError
from meshsim.experiment.replication import RunSettings, command, replicate, versions
from meshsim.recording import RunWriter, open_run
from meshsim.scenario import LoadedScenario
from meshsim.testing.runners import bookshop_runner, failing_runner
from meshsim.units import SECOND
from meshsim.world.model import RunOptions, RunOutcome


def test_a_replication_is_a_recording(loaded: LoadedScenario, tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    said: list[str] = []
    manifest = replicate(
        loaded, 7, tmp_path, RunSettings(), lambda *step: seen.append(step), said.append, bookshop_runner
    )
    run = open_run(tmp_path)
    assert run.manifest == manifest
    assert manifest.scenario_hash == loaded.digest()
    assert (manifest.seeds, manifest.engine, manifest.requests) == ((7,), "plain", 18_000)
    assert manifest.command == "meshsim run bookshop.yaml --seed 7"
    assert seen == [(7, 60 * SECOND, 18_000)]
    assert said == ["nothing is compiled"]


def test_a_failed_replication_is_no_recording(loaded: LoadedScenario, tmp_path: Path) -> None:
    with pytest.raises(LimitError):
        replicate(loaded, 2, tmp_path, RunSettings(), runner=failing_runner)
    assert not (tmp_path / "manifest.json").exists()


def test_a_shorter_run_says_so(loaded: LoadedScenario, tmp_path: Path) -> None:
    settings = RunSettings(until=10 * SECOND, sampling=0.5)
    manifest = replicate(loaded, 1, tmp_path, settings, runner=bookshop_runner)
    assert (manifest.until, manifest.duration) == (10 * SECOND, 60 * SECOND)
    assert command(loaded, (1, 2), settings) == "meshsim run bookshop.yaml --seed 1 --seed 2 --until 10s --sampling 50%"


def test_notes_say_what_was_sampled_and_what_is_not_simulated(loaded: LoadedScenario, tmp_path: Path) -> None:
    def noted(loaded: LoadedScenario, seed: int, sink: RunWriter, options: RunOptions) -> RunOutcome:
        return dataclasses.replace(bookshop_runner(loaded, seed, sink, options), notes=("not simulated: a thing",))

    manifest = replicate(loaded, 1, tmp_path, RunSettings(sampling=0.5), runner=noted)
    assert manifest.notes == (
        "50 % of the requests were recorded one by one; all were counted and judged",
        "not simulated: a thing",
    )
    assert manifest.mesh_config == ()


def test_versions_name_what_a_result_depends_on() -> None:
    assert {"python", "numpy", "xds-protos"} <= set(versions())
