"""Scripted experiments on a real Envoy, and the event core under the same configuration, hosts and client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from meshsim.api import Fields
from meshsim.errors import InputError, Position
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.dynamics_compare import compare_counts, compare_exactly
from meshsim.world.verify.dynamics_recording import Run, played_run, recorded_run
from meshsim.world.verify.dynamics_replay import play
from meshsim.world.verify.folder import read_recording
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally

KIND: Final = "envoy-dynamics"
_SEEDS: Final = 20
_ROTATES: Final = {"same": False, "rotated": True}


def verify_topic(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Compare every experiment of a topic; raises `InputError` for a recording of another layout."""
    recorded = read_recording(folder, KIND, name)
    if not isinstance(recorded, dict) or "experiments" not in recorded:
        raise InputError("a recording of experiments is a JSON object", Position(f"{folder / KIND / name}.json.gz"))
    tally = Tally(KIND, WorldOutcome(name), deviations)
    for experiment in Fields(recorded).items("experiments"):
        kind = "deterministic" if experiment.flag("deterministic") else "random"
        tally.add("envoy", kind, experiment.text("id"), list(compare_experiment(experiment)))
    return tally.outcome


def compare_experiment(experiment: Fields) -> Iterator[Mismatch]:
    """Where the replays of an experiment and its recorded runs differ."""
    runs = experiment.items("runs")
    rejected = any("config_rejected" in run for run in runs)
    try:
        first = played_run(play(experiment, 1))
    except InputError as error:
        if not rejected:
            yield Mismatch("configuration", "accepted", error.message)
        return
    if rejected:
        yield Mismatch("configuration", "rejected", "accepted")
        return
    recorded = [recorded_run(run) for run in runs]
    if experiment.flag("deterministic"):
        rotates = _ROTATES.get(experiment.fields("compare_runs").text("hosts"))
        yield from compare_exactly(recorded, first, rotates)
        return
    played = []
    for number in range(len(runs)):
        seed = _seed(experiment, recorded[number], 1 + number * _SEEDS)
        played.append(played_run(play(experiment, seed)))
    yield from compare_counts(recorded, played)


def _seed(experiment: Fields, recorded: Run, least: int) -> int:
    """A seed whose first request goes to the host of the recorded one, as where round robin begins is drawn."""
    first = recorded.reached.get(0)
    alone = Fields({**experiment.body, "client": [{}]})
    for seed in range(least, least + _SEEDS):
        if not first or [attempt.host for attempt in play(alone, seed).attempts][:1] == first[:1]:
            return seed
    return least
