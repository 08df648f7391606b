"""Pilot against istiod: every recorded world, and planted differences that must be found."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.world.verify import verify_folder
from meshsim.world.verify.deviations import load_deviations
from meshsim.world.verify.folder import world_names
from meshsim.world.verify.xds import verify_world

WORLD = "vs-weights"


@pytest.mark.needs_shared
def test_every_recorded_world_is_equal(oracle: Path) -> None:
    """istiod 1.31 recorded; a deviation that names nothing any more has healed and must go."""
    deviations = load_deviations()
    different = {}
    equal = 0
    for name in world_names(oracle):
        outcome = verify_world(oracle, name, deviations)
        equal += outcome.total().equal
        if outcome.total().different or outcome.error:
            different[name] = outcome.differences[:3] or outcome.error
    assert different == {}
    assert equal > 18_800
    assert all(deviation.seen for deviation in deviations if deviation.what == "xds")


def _folder(oracle: Path, into: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    shutil.copytree(oracle / "worlds" / WORLD, into / "worlds" / WORLD)
    shutil.copy(oracle / "worlds" / "meshconfig-base.yaml", into / "worlds")
    target = into / "xds" / WORLD
    target.mkdir(parents=True)
    for path in sorted((oracle / "xds" / WORLD).glob("*__*.json.gz")):
        body = json.loads(gzip.decompress(path.read_bytes()))
        change(body)
        (target / path.name).write_bytes(gzip.compress(json.dumps(body).encode()))
    return into


def _drop_cluster(body: dict[str, Any]) -> None:
    del body["cds"][-1]


def _add_route(body: dict[str, Any]) -> None:
    body["rds"].append({"name": "99999"})


def _change_endpoint(body: dict[str, Any]) -> None:
    body["eds"][0]["endpoints"] = []


def _change_filter_order(body: dict[str, Any]) -> None:
    inbound = next(x for x in body["lds"] if x["name"] == "virtualInbound")
    chain = next(c for c in inbound["filter_chains"] if len(c["filters"]) > 1)
    chain["filters"].reverse()


def _change_name_table(body: dict[str, Any]) -> None:
    body["nds"][0]["table"].popitem()


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_drop_cluster, "cds"),
        (_add_route, "rds"),
        (_change_endpoint, "eds"),
        (_change_filter_order, "lds"),
        (_change_name_table, "nds"),
    ],
)
def test_planted_differences_are_found(
    oracle: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], kind: str
) -> None:
    folder = _folder(oracle, tmp_path, change)
    outcome = verify_folder(folder)
    assert not outcome.ok
    assert {d.type for d in outcome.worlds["xds"][WORLD].differences} == {kind}


@pytest.mark.needs_shared
def test_a_folder_of_another_place_is_equal_too(oracle: Path, tmp_path: Path) -> None:
    assert verify_folder(_folder(oracle, tmp_path, lambda body: None)).ok
