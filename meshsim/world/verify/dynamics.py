"""Scripted experiments on a real Envoy, and the event core under the same configuration, hosts and client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from meshsim.api import Fields
from meshsim.errors import InputError, Position
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.dynamics_chance import compare_by_chance
from meshsim.world.verify.dynamics_compare import compare_exactly
from meshsim.world.verify.dynamics_recording import played_run, recorded_run
from meshsim.world.verify.dynamics_replay import play
from meshsim.world.verify.folder import read_recording
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally

KIND: Final = "envoy-dynamics"
_ROTATES: Final = {"same": False, "rotated": True}
_ROUND_ROBIN: Final = ("", "ROUND_ROBIN")


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
        found = list(compare_exactly(recorded, first, rotates))
        if found and rotates is False and _takes_turns(experiment):
            found = list(compare_exactly(recorded, first, True))
        yield from found
        return
    yield from compare_by_chance(recorded, lambda seed: played_run(play(experiment, seed)))


def _takes_turns(experiment: Fields) -> bool:
    """Whether hosts are chosen by turns, which begin at one by chance: two runs may have begun at the same one."""
    clusters = experiment.fields("config").items("clusters")
    return all(
        cluster.text("lb_policy") in _ROUND_ROBIN and "load_balancing_policy" not in cluster for cluster in clusters
    )
