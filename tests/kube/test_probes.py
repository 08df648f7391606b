"""Probes tick like the kubelet's, and only while their result is about to change."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from meshsim.api import Fields
from meshsim.kernel import Environment
from meshsim.kube.probes import ProbeKind, Prober, ProbeSpec, Target, probe_spec
from meshsim.units import SECOND


@dataclass
class Watched:
    """A container under a probe."""

    env: Environment = field(default_factory=Environment)
    running: bool = True
    answers: bool = False
    hung: bool = False
    flips: list[tuple[float, bool]] = field(default_factory=list)

    def prober(self, spec: ProbeSpec, result: bool = False) -> Prober:
        def look() -> Target:
            return Target(self.running, self.answers, self.hung, 0)

        def flip(healthy: bool) -> None:
            self.flips.append((self.env.now / SECOND, healthy))

        return Prober(self.env, spec, look, flip, result)


def _spec(delay: int = 0, period: int = 10, timeout: int = 1, success: int = 1, failure: int = 3) -> ProbeSpec:
    return ProbeSpec(delay * SECOND, period * SECOND, timeout * SECOND, success, failure)


def test_defaults_of_the_api_server() -> None:
    assert probe_spec(Fields({}), ProbeKind.READINESS) is None
    given = {"readinessProbe": {"httpGet": {"port": 1}, "periodSeconds": 0}}
    assert probe_spec(Fields(given), ProbeKind.READINESS) == _spec()


@pytest.mark.parametrize(
    ("spec", "answers_at", "passes_at"),
    [
        (_spec(period=10), 0, 0),
        (_spec(period=10), 3, 10),
        (_spec(period=2), 3, 4),
        (_spec(delay=5, period=2), 0, 6),
        (_spec(delay=5, period=2), 7, 8),
        (_spec(period=2, success=3), 3, 8),
    ],
)
def test_when_a_probe_passes(spec: ProbeSpec, answers_at: int, passes_at: int) -> None:
    watched = Watched(answers=answers_at == 0)
    prober = watched.prober(spec)
    prober.start()

    def answer() -> None:
        watched.answers = True
        prober.wake()

    watched.env.call_at(answers_at * SECOND, answer)
    watched.env.run(60 * SECOND)
    assert watched.flips == [(passes_at, True)]


def test_failures_count_in_a_row_and_hangs_take_their_timeout() -> None:
    watched = Watched(answers=True)
    prober = watched.prober(_spec(period=5, timeout=2), result=True)
    prober.start(-3 * SECOND)

    def hang(hung: bool) -> None:
        watched.hung = hung
        prober.wake()

    watched.env.call_at(4 * SECOND, lambda: hang(True))
    # two failures at ticks 7 and 12, then one success: nothing changes
    watched.env.call_at(15 * SECOND, lambda: hang(False))
    watched.env.call_at(21 * SECOND, lambda: hang(True))
    watched.env.run(60 * SECOND)
    # ticks 22, 27 and 32 fail, each two seconds late; the next tick after a late failure is the following one
    assert watched.flips == [(34, False)]


def test_an_unknown_result_becomes_a_failure_too() -> None:
    watched = Watched()
    prober = watched.prober(_spec(period=2, failure=3))
    prober.result = None
    prober.start()
    watched.env.run(30 * SECOND)
    assert watched.flips == [(4, False)]


def test_a_steady_probe_makes_no_events() -> None:
    watched = Watched(answers=True)
    watched.prober(_spec(), result=True).start(-SECOND)
    assert watched.env.peek() == float("inf")


def test_a_stopped_probe_stays_silent() -> None:
    watched = Watched()
    prober = watched.prober(_spec(period=1))
    prober.start()
    watched.answers = True
    watched.env.call_at(SECOND // 2, lambda: prober.stop(False))
    prober.wake()
    watched.env.run()
    assert watched.flips == [(0, True)]
    assert not prober.result
