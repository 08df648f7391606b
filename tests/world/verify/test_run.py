"""Which kinds and worlds can be verified."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meshsim.errors import InputError, UsageError
from meshsim.world.verify import verify_folder
from meshsim.world.verify.run import present_kinds


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(["nonsense"], "unknown kind"), (["istioctl"], "not modelled yet")],
)
def test_kinds_that_cannot_be_verified(tmp_path: Path, kinds: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        verify_folder(tmp_path, kinds)


@pytest.mark.needs_shared
def test_an_unknown_world_is_refused(oracle: Path) -> None:
    with pytest.raises(UsageError, match="no world 'nowhere'"):
        verify_folder(oracle, ["xds"], ["nowhere"])


def test_without_kinds_all_that_the_folder_has_are_run(recorded: Path, tmp_path: Path) -> None:
    assert present_kinds(recorded) == ("xds", "calls", "simulation", "envoy-calls", "envoy-dynamics")
    for part in ("worlds", "xds", "envoy-calls"):
        shutil.copytree(recorded / part, tmp_path / part)
    seen: list[str] = []
    outcome = verify_folder(tmp_path, worlds=["gw-tls-modes"], progress=lambda kind, world: seen.append(kind))
    assert seen == ["xds", "envoy-calls"]
    assert outcome.total("envoy-calls").equal == 11


def test_simulation_alone_needs_no_worlds(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded / "simulation", tmp_path / "simulation")
    outcome = verify_folder(tmp_path)
    assert list(outcome.worlds) == ["simulation"]
    assert outcome.ok


def test_a_world_of_one_kind_is_no_world_of_another(recorded: Path) -> None:
    outcome = verify_folder(recorded, ["simulation", "calls"], ["gateway_conflicts"])
    assert {kind: list(worlds) for kind, worlds in outcome.worlds.items()} == {
        "simulation": ["gateway_conflicts"],
        "calls": [],
    }


def test_a_folder_without_recordings_is_refused(tmp_path: Path, recorded: Path) -> None:
    with pytest.raises(InputError, match="has no recordings"):
        verify_folder(tmp_path)
    with pytest.raises(InputError, match="no recording of kind 'simulation'"):
        verify_folder(tmp_path, ["simulation"])
