"""Active health checks on a real Envoy and in the event core: when each host is asked, when it gets no requests.

Each experiment is made from a number: kinds of checks, intervals and thresholds, and hosts that fail them in all their
ways for a while. MESHSIM_DYNAMICS_EXPERIMENTS sets the size of a longer run.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import assignment, make_experiment
from meshsim.units import MILLISECOND
from meshsim.world.verify.dynamics import compare_experiment
from meshsim.world.verify.dynamics_replay import Played, play

EXPERIMENTS = int(os.environ.get("MESHSIM_DYNAMICS_EXPERIMENTS", "8"))
PORT = 25961
HOSTS = 3
EVERY_MS = 6
REQUESTS = 230
SETTLE_MS = 142
"""So that checks before and after the first request are both half an interval away."""
TIMER_MS = 28.0
"""What a timer and a busy machine add to the time between two checks."""
PHASE_MS = 30.0
"""How much earlier or later a check may come for when its cluster began, and how long its result takes to show."""
DRIFT = 0.05
"""How much later than in the model a check may be, as each waits for the answer to the last."""
USED_MS, UNUSED_MS = 40.0, 95.0
"""A host without requests for so long may not be in use, or is not."""

pytestmark = pytest.mark.needs_envoy


def answers(chance: random.Random) -> dict[str, Any]:
    """What a failing host does with checks."""
    return chance.choice(
        (
            {"status": 503},
            {"status": 500},
            {"hang": True},
            {"reset": "before_headers"},
            {"garbage": True},
            {"status": 200, "delay_ms": 130},
            {"status": 200, "delay_ms": 20},
            {"status": 201},
            {"status": 200, "headers": {"x-envoy-degraded": "true"}},
            {"status": 503, "headers": {"x-envoy-immediate-health-check-fail": "true"}},
        )
    )


def check(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "timeout": chance.choice(("0.05s", "0.08s")),
        "interval": chance.choice(("0.1s", "0.15s")),
        "no_traffic_interval": "0.1s",
        "healthy_threshold": chance.choice((1, 2, 3)),
        "unhealthy_threshold": chance.choice((1, 2, 3)),
        "reuse_connection": chance.random() < 0.7,
        "http_health_check": {"path": "/hc"},
    }
    for name in ("unhealthy_interval", "unhealthy_edge_interval", "healthy_edge_interval"):
        if chance.random() < 0.4:
            found[name] = chance.choice(("0.06s", "0.2s"))
    if chance.random() < 0.5:
        found["http_health_check"]["expected_statuses"] = [{"start": 200, "end": chance.choice((201, 300))}]
    if chance.random() < 0.5:
        found["http_health_check"]["retriable_statuses"] = [{"start": 500, "end": 600}]
    return found


def random_experiment(number: int) -> Fields:
    chance = random.Random(number)
    scripts = {}
    for host in range(HOSTS):
        checks: list[dict[str, Any]] = [{}]
        for _ in range(2):
            checks += [{}] * chance.randint(0, 2) + [answers(chance)] * chance.choice((1, 1, 2, 3, 4))
        scripts[host] = {"checks": [*checks, {}] if chance.random() < 0.8 else [{}]}
    return checked(scripts, check(chance))


def checked(scripts: dict[int, dict[str, Any]], how: dict[str, Any], *steps: dict[str, Any], **cluster: Any) -> Fields:
    """Steady requests to hosts that are checked."""
    common = {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"}
    own = {"lb_policy": "ROUND_ROBIN", "health_checks": [how], "common_lb_config": common, **cluster}
    steady = {"count": REQUESTS, "every": EVERY_MS}
    made = make_experiment([steady, *steps], scripts=scripts, cluster=own, hosts=HOSTS)
    # So that degraded hosts get nothing while one is healthy, instead of a random share.
    made.body["config"]["clusters"][0]["load_assignment"]["policy"] = {"overprovisioning_factor": 1000}  # type: ignore[index]
    return Fields({**made.body, "settle_ms": SETTLE_MS})


def recorded(experiment: Fields) -> Fields:
    with tempfile.TemporaryDirectory(prefix="hc", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, 1)


def gaps(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def unused(times: Sequence[float]) -> list[tuple[float, float]]:
    """Stretches of time without requests, or with a single one: two hosts may change within a few milliseconds."""
    edges = [0.0, *times, REQUESTS * EVERY_MS]
    alone = {b for a, b, c in zip(edges, edges[1:], edges[2:], strict=False) if min(b - a, c - b) > USED_MS}
    edges = [edge for edge in edges if edge not in alone]
    return [(a, b) for a, b in pairwise(edges) if b - a > USED_MS]


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far the edges of two stretches are apart, less what a busy machine explains."""
    return max(abs(a - b) - DRIFT * max(a, b) for a, b in zip(one, other, strict=True)) - PHASE_MS


def same_checks(found: Fields, played: Played) -> None:
    """Every host is asked at the same times, but for when its cluster began."""
    seen = found.items("runs")[0].value("checks")
    assert isinstance(seen, list)
    for host in range(HOSTS):
        real = [at for number, at in seen if number == host]
        ours = [at / MILLISECOND for number, at in played.checks if number == host and at >= 0]
        assert abs(real[0] - ours[0]) < PHASE_MS, (host, real, ours)
        assert abs(real[-1] - ours[-1]) < 250, (host, real, ours)
        for before, after in zip(gaps(real), gaps(ours), strict=False):
            assert abs(before - after) < TIMER_MS, (host, gaps(real), gaps(ours))


def same_use(found: Fields, played: Played) -> None:
    """Every host is without requests at the same times."""
    attempts = found.items("runs")[0].items("attempts")
    for host in range(HOSTS):
        real = unused([row.number("t_ms") for row in attempts if row.integer("host") == host])
        ours = unused([a.time / MILLISECOND for a in played.attempts if a.host == host])
        for some, others in ((real, ours), (ours, real)):
            for one in some:
                short = one[1] - one[0] < UNUSED_MS
                assert short or any(apart(one, other) < 0 for other in others), (host, real, ours)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_random_checks(number: int) -> None:
    found = recorded(random_experiment(number))
    played = play(found, 1)
    same_checks(found, played)
    same_use(found, played)
    assert list(compare_experiment(found)) == []


CHECK = {
    "timeout": "0.08s",
    "interval": "0.1s",
    "no_traffic_interval": "0.1s",
    "healthy_threshold": 2,
    "unhealthy_threshold": 2,
}
HTTP = {**CHECK, "http_health_check": {"path": "/hc"}}


@pytest.mark.parametrize("how", [HTTP, {**CHECK, "tcp_health_check": {}}], ids=["http", "tcp"])
@measured_again
def test_a_host_that_stops_listening(how: dict[str, Any]) -> None:
    down = {"at": 300, "host_do": "down", "host_idx": 1}
    up = {"at": 800, "host_do": "open_listener", "host_idx": 1}
    found = recorded(checked({}, how, down, up))
    played = play(found, 1)
    if "http_health_check" in how:
        same_checks(found, played)
    same_use(found, played)


@measured_again
def test_an_ordinary_answer_may_ask_for_failure() -> None:
    """x-envoy-immediate-health-check-fail: the host is out until so many checks have passed."""
    fails = {"status": 200, "headers": {"x-envoy-immediate-health-check-fail": "true"}}
    found = recorded(checked({0: {"windows": [[300, 330, fails]], "checks": [{}]}}, HTTP))
    played = play(found, 1)
    same_use(found, played)
    stats = found.items("runs")[0].fields("stats").fields("cluster c")
    assert stats.integer("health_check.passive_failure") == played.health["c"].passive == 1


@pytest.mark.parametrize("ignores", [False, True], ids=["stays", "goes"])
@measured_again
def test_a_removed_host_stays_until_it_fails(ignores: bool) -> None:
    removal = {"at": 200, "eds_update": {"file": "eds-c.json", "assignment": assignment(0, 1)}}
    made = checked({2: {"checks": [{}] * 6 + [{"status": 503}]}}, HTTP, removal, ignore_health_on_host_removal=ignores)
    (own,) = made.body["config"]["clusters"]  # type: ignore[index]
    own.pop("load_assignment")
    own["type"] = "EDS"
    own["eds_cluster_config"] = {"eds_config": {"path_config_source": {"path": "./eds-c.json"}}}
    made.body["config"]["eds"] = {"eds-c.json": assignment(0, 1, 2)}  # type: ignore[index]
    found = recorded(made)
    same_use(found, play(found, 1))


@measured_again
def test_a_check_that_passes_ends_an_ejection() -> None:
    outlier = {"consecutive_5xx": 3, "interval": "10s", "base_ejection_time": "10s", "max_ejection_percent": 100}
    scripts = {0: {"windows": [[360, 410, {"status": 503}]], "checks": [{}]}}
    found = recorded(checked(scripts, HTTP, outlier_detection=outlier))
    same_use(found, play(found, 1))
    assert list(compare_experiment(found)) == []
