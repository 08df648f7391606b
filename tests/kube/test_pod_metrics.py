"""Metrics between two looks."""

from __future__ import annotations

from meshsim.api import ApiObject
from meshsim.kernel import Environment
from meshsim.kube.pod_metrics import RESOLUTION, PodMetrics, Reading
from meshsim.kube.replica_calculator import Sample
from meshsim.units import MILLISECOND, SECOND

from .conftest import Make

POD = Make.pod("p")


class Steady:
    """A pod that works half of the time and serves 8 requests a second."""

    def __init__(self, env: Environment, cpu: bool = True) -> None:
        self.env = env
        self.cpu = cpu

    def read(self, pod: ApiObject) -> Reading | None:
        del pod
        return Reading(self.env.instant // 2 if self.cpu else None, 8 * self.env.instant // SECOND, 3, 7)


def _looked(cpu: bool = True) -> PodMetrics:
    env = Environment()
    metrics = PodMetrics(env, 1_000 * SECOND, Steady(env, cpu), 1)
    for at in (1, 16):
        env.call_at(at * SECOND, lambda: metrics.look([POD]))
    env.run(until=20 * SECOND)
    return metrics


def test_usage_is_that_between_the_last_two_looks() -> None:
    metrics = _looked()
    assert metrics.cpu([POD]) == {"p": Sample(500, 1_016 * SECOND, 15 * SECOND)}
    assert metrics.custom("requests_per_second", [POD]) == {"p": Sample(8_000, 1_016 * SECOND, 15 * SECOND)}
    assert metrics.custom("requests_in_flight", [POD])["p"].value == 3_000
    assert metrics.custom("queue_length", [POD])["p"].value == 7_000
    assert metrics.custom("temperature", [POD]) == {}
    assert 0 <= metrics.phase < RESOLUTION


def test_what_is_not_told_is_no_sample() -> None:
    assert _looked(cpu=False).cpu([POD]) == {}


def test_one_look_is_none_and_who_is_gone_is_forgotten() -> None:
    env = Environment()
    metrics = PodMetrics(env, 0, Steady(env), 1)
    metrics.look([POD])
    assert metrics.cpu([POD]) == {}
    env.call_at(500 * MILLISECOND, lambda: metrics.look([]))
    env.call_at(SECOND, lambda: metrics.look([POD]))
    env.run(until=2 * SECOND)
    assert metrics.cpu([POD]) == {}
