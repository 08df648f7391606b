"""istiod's throttles by CPUs (istio pilot/pkg/features/tuning.go)."""

from __future__ import annotations

import pytest

from meshsim.controlplane.timing import PilotTiming


@pytest.mark.parametrize(("cpus", "throttle"), [(1, 20), (2, 25), (4, 35), (17, 100), (64, 100)])
def test_the_default_throttle(cpus: int, throttle: int) -> None:
    timing = PilotTiming(cpus=cpus)
    assert timing.throttle == throttle
    assert timing.stream_rate == throttle


def test_a_given_throttle_wins() -> None:
    assert PilotTiming(push_throttle=3).throttle == 3
