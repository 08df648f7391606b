"""Neighbours of the recorded experiments: other parameters, and features together, each run twice on a real Envoy.

The recordings stand beside the tests. Some of them are replayed here; MESHSIM_NEIGHBOURS=1 replays all of them, and
`meshsim verify tests/conformance/recorded` says what differs. A few are recorded anew, which shows that they tell what
a real Envoy does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.world.verify.dynamics import KIND, compare_experiment
from meshsim.world.verify.folder import read_recording

FOLDER = Path(__file__).parent / "recorded"
TOPICS = sorted(path.name.removesuffix(".json.gz") for path in (FOLDER / KIND).glob("*.json.gz"))
STEP = 1 if os.environ.get("MESHSIM_NEIGHBOURS") else 31
PORT = 25953
ANEW = ("retry-headers-5", "rl-desc-two", "more-idle-1-1s", "lb-clusters-hash", "retry-request-headers-two")
KNOWN = "upstream_cx_overflow"
"""A counter whose reason stands in the list of known deviations, for experiments with circuit breakers."""


def experiments(topic: str) -> Iterator[Fields]:
    recorded = read_recording(FOLDER, KIND, topic)
    assert isinstance(recorded, dict)
    yield from Fields(recorded).items("experiments")


def differences(experiment: Fields) -> list[str]:
    name = experiment.text("id")
    known = KNOWN if name.startswith("cb-") else " "
    return [f"{name}: {found}" for found in compare_experiment(experiment) if not found.path.endswith(known)]


@pytest.mark.parametrize("topic", TOPICS)
def test_neighbours_of_recorded_experiments(topic: str) -> None:
    chosen = list(experiments(topic))[::STEP]
    assert [found for experiment in chosen for found in differences(experiment)] == []


@pytest.mark.needs_envoy
@pytest.mark.parametrize("name", ANEW)
@measured_again
def test_a_neighbour_recorded_anew(name: str) -> None:
    kept = next(e for topic in TOPICS for e in experiments(topic) if e.text("id") == name)
    script = Fields({key: value for key, value in kept.body.items() if key not in ("runs", "compare_runs")})
    with tempfile.TemporaryDirectory(prefix="dy", dir="/tmp") as folder:
        assert differences(recorded_experiment(script, Path(folder), PORT, 2)) == []
