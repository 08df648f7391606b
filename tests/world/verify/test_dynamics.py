"""Experiments on a real Envoy replayed by the event core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import InputError
from meshsim.world.verify.deviations import load_deviations
from meshsim.world.verify.dynamics import KIND, verify_topic
from meshsim.world.verify.outcome import Counts

Plant = Callable[[str, Callable[[Any], None]], Path]
SAMPLE = f"{KIND}/sample"


def experiment(body: Any, name: str) -> Any:
    return next(e for e in body["experiments"] if e["id"] == name)


def test_the_experiments_beside_the_tests(recorded: Path) -> None:
    outcome = verify_topic(recorded, "sample", [])
    assert [d for d in outcome.differences if not d.deviation] == []
    assert outcome.total() == Counts(9, 0, 0)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("requests[1]/status", lambda run: run["requests"][1].update(status=503)),
        ("requests[1]/flags", lambda run: run["requests"][1].update(flags="UT")),
        ("requests[2]/attempts", lambda run: run["requests"][2].update(attempts=2)),
        ("requests[3]/details", lambda run: run["requests"][3].update(details="response_timeout")),
        ("requests[4]/duration_ms", lambda run: run["requests"][4].update(duration_ms=60)),
        ("requests[0]/error", lambda run: run["requests"][0].update(error="connection_closed")),
        ("requests[2]/hosts", lambda run: run["attempts"].pop(3)),
        ("stats/c/upstream_cx_total", lambda run: run["stats"]["cluster c"].update(upstream_cx_total=7)),
        ("requests", lambda run: run["requests"].pop()),
    ],
)
def test_planted_differences_are_found(planted: Plant, path: str, change: Callable[[Any], None]) -> None:
    def plant(body: Any) -> None:
        for run in experiment(body, "retry-num-2")["runs"]:
            change(run)

    outcome = verify_topic(planted(SAMPLE, plant), "sample", [])
    assert outcome.total() == Counts(8, 1, 0)
    assert path in [d.path for d in outcome.differences]


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        ("retry-backoff-40-40", "gaps_ms/3", lambda run: run["gaps_ms"].update({"3": [50.0] * 200})),
        ("retry-backoff-40-40", "outcomes/503 URX", lambda run: run.update(counts={"503 URX": 190, "503 -": 10})),
        ("mirror-two", "shadows", lambda run: run.update(shadow_requests={"1": 300, "2": 300})),
        ("retry-maxretries-0-burst5", "duration_ms", lambda run: [q.update(duration_ms=60) for q in run["requests"]]),
    ],
)
def test_counts_beyond_chance_are_found(planted: Plant, name: str, path: str, change: Callable[[Any], None]) -> None:
    def plant(body: Any) -> None:
        for run in experiment(body, name)["runs"]:
            change(run)

    outcome = verify_topic(planted(SAMPLE, plant), "sample", [])
    assert outcome.total() == Counts(8, 1, 0)
    assert path in [d.path for d in outcome.differences]


def test_a_configuration_that_is_refused_is_compared(planted: Plant) -> None:
    def plant(body: Any) -> None:
        experiment(body, "retry-num-2")["runs"][0]["config_rejected"] = "planted"

    outcome = verify_topic(planted(SAMPLE, plant), "sample", [])
    assert [(d.path, d.want, d.got) for d in outcome.differences] == [("configuration", "rejected", "accepted")]


def test_another_layout_is_refused(planted: Plant) -> None:
    with pytest.raises(InputError, match="a recording of experiments"):
        verify_topic(planted(SAMPLE, lambda body: body.pop("experiments")), "sample", [])


@pytest.mark.needs_shared
@pytest.mark.parametrize("topic", ["retries", "timeouts", "circuit-breakers", "connections-and-flags", "filters"])
def test_deterministic_experiments(oracle: Path, topic: str) -> None:
    """What a real Envoy did twice alike, the model does too, but for what the list of deviations names."""
    deviations = load_deviations()
    outcome = verify_topic(oracle, topic, deviations)
    counts = outcome.at("envoy", "deterministic")
    assert [d for d in outcome.differences if d.type == "deterministic" and not d.deviation] == []
    assert counts.equal > 2 * counts.deviations
