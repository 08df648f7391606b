"""Overrides of timings: every field exists in the room it overrides, with nothing given by default."""

from __future__ import annotations

from dataclasses import fields

import pytest

from meshsim.controlplane.timing import PilotTiming as Pilot
from meshsim.kube import KubeSettings, Stages
from meshsim.network import LatencyDefaults
from meshsim.scenario.timing import (
    EnvoyTiming,
    KubeTiming,
    LinkLatency,
    NetworkTiming,
    PilotTiming,
    PodTiming,
    Timing,
)
from meshsim.units import MICROSECOND, MILLISECOND
from meshsim.world.envoy_timing import EnvoyTiming as Envoy


@pytest.mark.parametrize(
    ("overrides", "modelled"),
    [
        (PilotTiming, Pilot),
        (EnvoyTiming, Envoy),
        (KubeTiming, KubeSettings),
        (PodTiming, Stages),
        (NetworkTiming, LatencyDefaults),
    ],
)
def test_every_override_is_a_parameter_of_its_room(overrides: type, modelled: type) -> None:
    known = {field.name for field in fields(modelled)}
    assert set(overrides.model_fields) <= known  # type: ignore[attr-defined]


def test_nothing_is_overridden_by_default() -> None:
    timing = Timing()
    for part in (timing.pilot, timing.kube, timing.pods, timing.envoy, timing.proxy, timing.network):
        assert part.overrides() == {}
        assert all(value is None for value in vars(part).values())


def test_keys_are_written_in_camel_case() -> None:
    pilot = PilotTiming.model_validate({"debounceAfter": "0s", "pushThrottle": 20})
    assert pilot.overrides() == {"debounce_after": 0, "push_throttle": 20}


def test_a_latency_may_be_its_duration() -> None:
    network = NetworkTiming.model_validate({"sameZone": "100us", "crossZone": {"oneWay": "1ms", "jitter": "50us"}})
    assert network.same_zone == LinkLatency.model_validate({"oneWay": "100us"})
    assert network.cross_zone is not None
    assert (network.cross_zone.one_way, network.cross_zone.jitter) == (MILLISECOND, 50 * MICROSECOND)
