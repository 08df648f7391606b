"""What Pilot counts against what istiod counted, and planted differences that must be found."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import InputError
from meshsim.world.verify.push_status import recorded_worlds, verify_world
from meshsim.world.verify.run import present_kinds

WORLD = "se-workloadentry"


@pytest.mark.needs_shared
def test_the_same_conflicts_are_counted_in_every_recorded_world(oracle: Path) -> None:
    outcomes = [verify_world(oracle, name, []) for name in recorded_worlds(oracle)]
    assert {o.name: o.error or o.differences for o in outcomes if o.error or o.differences} == {}
    assert len(outcomes) == 75
    counted = [kind for o in outcomes for _, kind in o.counts if kind != "counts"]
    assert set(counted) >= {
        "pilot_conflict_inbound_listener",
        "pilot_conflict_outbound_listener_tcp_over_current_tcp",
        "pilot_destrule_subsets",
        "pilot_eds_no_instances",
        "pilot_vservice_dup_domain",
    }


def _folder(recorded_push: Path, into: Path, counts: object) -> Path:
    folder = into / "recorded"
    shutil.copytree(recorded_push, folder)
    path = folder / "xds" / WORLD / "push_status.json.gz"
    path.write_bytes(gzip.compress(json.dumps(counts).encode()))
    return folder


def test_a_world_without_conflicts_is_one_equal_count(recorded_push: Path) -> None:
    assert verify_world(recorded_push, WORLD, []).total().as_dict() == {"equal": 1, "different": 0, "deviations": 0}


def test_a_planted_count_is_found(recorded_push: Path, tmp_path: Path) -> None:
    folder = _folder(recorded_push, tmp_path, {"pilot_eds_no_instances": {"outbound|1||x": {}}})
    outcome = verify_world(folder, WORLD, [])
    (found,) = outcome.differences
    assert (found.type, found.resource, found.want, found.got) == (
        "pilot_eds_no_instances",
        "outbound|1||x",
        "{}",
        "absent",
    )


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("part", "value", "path"), [("message", "another", "/message"), ("proxy", "other.mix", "/proxy")]
)
def test_a_planted_proxy_or_message_is_found(oracle: Path, tmp_path: Path, part: str, value: str, path: str) -> None:
    world = "svc-port-conflicts"
    for folder in ("worlds", "xds"):
        shutil.copytree(oracle / folder / world, tmp_path / folder / world)
    shutil.copy(oracle / "worlds" / "meshconfig-base.yaml", tmp_path / "worlds")
    recorded = tmp_path / "xds" / world / "push_status.json.gz"
    counts: dict[str, Any] = json.loads(gzip.decompress(recorded.read_bytes()))
    counts["pilot_conflict_inbound_listener"]["front-0.mix"][part] = value
    recorded.chmod(0o644)
    recorded.write_bytes(gzip.compress(json.dumps(counts).encode()))
    assert [found.path for found in verify_world(tmp_path, world, []).differences] == [path]


def test_counts_of_another_layout_are_refused(recorded_push: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="counts are a JSON object of metrics"):
        verify_world(_folder(recorded_push, tmp_path, {"metric": 1}), WORLD, [])


def test_a_world_that_cannot_be_served_is_different(recorded_push: Path, tmp_path: Path) -> None:
    folder = _folder(recorded_push, tmp_path, {})
    (folder / "worlds" / "meshconfig-base.yaml").write_text("accessLogFile: [1")
    outcome = verify_world(folder, WORLD, [])
    assert outcome.error
    assert outcome.total().different == 1


def test_the_kind_is_there_where_counts_stand_beside_resources(recorded_push: Path, recorded: Path) -> None:
    assert present_kinds(recorded_push) == ("xds", "push-status", "push")
    assert "push-status" not in present_kinds(recorded)
