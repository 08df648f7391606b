"""Istio's traffic simulation on the recorded worlds, in its own terms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError
from meshsim.world.verify.call_worlds import CallWorld
from meshsim.world.verify.calls import KIND, simulated, verify_world
from meshsim.world.verify.folder import recorded_names
from meshsim.world.verify.outcome import Counts

TLS = "gw-tls-modes"
Plant = Callable[[str, Callable[[Any], None]], Path]


def test_worlds_beside_the_tests(recorded: Path) -> None:
    for name, calls in ((TLS, 11), ("vs-direct-mirror-fault", 10)):
        outcome = verify_world(recorded, name, [])
        assert (outcome.differences, outcome.total()) == ([], Counts(calls, 0, 0))


@pytest.mark.needs_shared
def test_every_simulated_call_of_every_world(oracle: Path) -> None:
    total, wrong = Counts(), []
    for name in recorded_names(oracle, KIND):
        outcome = verify_world(oracle, name, [])
        total.add(outcome.total())
        wrong += outcome.differences
    assert (wrong, total) == ([], Counts(815, 0, 0))


@pytest.mark.parametrize(
    "field", ["listener", "filter_chain", "route_config", "virtual_host", "route", "cluster", "error"]
)
def test_planted_differences_are_found(planted: Plant, field: str) -> None:
    def change(body: Any) -> None:
        body[1]["result"][field] = "planted"

    outcome = verify_world(planted(f"{KIND}/{TLS}", change), TLS, [])
    assert [d.path for d in outcome.differences] == [field]


def test_where_the_simulation_and_an_envoy_part(recorded: Path) -> None:
    """A secret of another name: a certificate is refused, and none is missed; a real Envoy does the contrary."""
    world = CallWorld(recorded, TLS, ResourceCache())
    assert simulated(world.calls["04-gateway-mhttp-mtls-example-com-8443"], world)["error"] == "invalid mTLS"
    without = simulated(world.calls["05-gateway-https-mtls-example-com-8443"], world)
    assert without["cluster"] == "outbound|80||web.sec.svc.cluster.local"


def test_a_recording_of_another_layout(planted: Plant) -> None:
    folder = planted(f"{KIND}/{TLS}", lambda body: None)
    (folder / KIND / f"{TLS}.json").write_text("{}")
    with pytest.raises(InputError, match="JSON list"):
        verify_world(folder, TLS, [])


def test_a_call_that_the_world_does_not_have(planted: Plant) -> None:
    def change(body: Any) -> None:
        body[0]["name"] = "nobody"

    with pytest.raises(InputError, match="no call 'nobody'"):
        verify_world(planted(f"{KIND}/{TLS}", change), TLS, [])
