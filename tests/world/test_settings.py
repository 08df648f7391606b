"""Timing overrides of a scenario reach the rooms they are for."""

from __future__ import annotations

from meshsim.scenario import Mesh
from meshsim.units import MICROSECOND, MILLISECOND, SECOND
from meshsim.world.settings import settings_of


def test_nothing_given_leaves_the_documented_defaults() -> None:
    settings = settings_of(Mesh())
    assert settings.pilot.debounce_after == 100 * MILLISECOND
    assert settings.pilot.debounce_max == 10 * SECOND
    assert settings.kube.proxy_readiness_reported
    assert settings.proxy.workers == 2


def test_overrides_arrive() -> None:
    mesh = Mesh.model_validate(
        {
            "timing": {
                "pilot": {"debounceAfter": "50ms", "cpus": 4},
                "pods": {"appStart": "7s"},
                "envoy": {"start": "20ms"},
                "proxy": {"workers": 4, "outbound": "30us"},
                "network": {"sameZone": "250us"},
                "bandwidth": "1Gbit/s",
            }
        }
    )
    settings = settings_of(mesh)
    assert settings.pilot.debounce_after == 50 * MILLISECOND
    assert settings.pilot.throttle == 35
    assert settings.kube.stages.app_start == 7 * SECOND
    assert settings.envoy.start == 20 * MILLISECOND
    assert (settings.proxy.workers, settings.proxy.outbound.scale) == (4, 30 * MICROSECOND)
    assert settings.latencies.same_zone.one_way == 250 * MICROSECOND
    assert settings.wire == 8_000, "picoseconds a byte"
