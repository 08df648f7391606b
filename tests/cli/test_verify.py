"""`meshsim verify`: figures a world, exit code by what is not named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.world.verify import Difference, Outcome, WorldOutcome
from meshsim.world.verify.outcome import Counts


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What the comparison is made to say."""
    world = WorldOutcome(
        "shop",
        {("gateway", "cds"): Counts(4, 1, 0), ("gateway", "lds"): Counts(3, 0, 1)},
        [
            Difference("shop", "gateway", "cds", "outbound|80||a", "connect_timeout", "10s", "1s"),
            Difference("shop", "gateway", "lds", "0.0.0.0_80", "", "{}", "", "known"),
        ],
    )
    result = Outcome({"xds": {"shop": world}})

    def verify(
        folder: Path,
        kinds: object,
        worlds: object,
        progress: Callable[[str, WorldOutcome], None] | None,
        deviations: object,
    ) -> Outcome:
        if progress is not None:
            progress("xds", world)
        return result

    monkeypatch.setattr("meshsim.world.verify.verify_folder", verify)
    return result


def test_differences_are_shown(meshsim: Callable, outcome: Outcome) -> None:
    done = meshsim("verify", ".")
    assert done.code == 1
    assert "xds  shop  DIFFERS: 7 equal, 1 different, 1 known deviations" in done.out
    assert "gateway cds outbound|80||a connect_timeout: recorded 10s, model 1s" in done.out
    assert "0.0.0.0_80" not in done.out
    assert "xds: 0 of 1 worlds equal; 7 resources equal, 1 different, 1 known deviations" in done.out


def test_equal_worlds_are_zero(meshsim: Callable, outcome: Outcome) -> None:
    outcome.worlds["xds"]["shop"].counts["gateway", "cds"] = Counts(5, 0, 0)
    assert meshsim("verify", ".").code == 0


def test_json(meshsim: Callable, outcome: Outcome) -> None:
    done = meshsim("verify", ".", "-o", "json")
    document = json.loads(done.out)
    assert done.code == 1
    assert document["what"]["xds"] == {"equal": 7, "different": 1, "deviations": 1}
    assert document["worlds"]["shop"]["xds"]["different"] == 1


@pytest.mark.parametrize("arguments", [("--what", "dreams"), ("--what", "push"), ("--world", "nowhere")])
def test_what_cannot_be_verified(meshsim: Callable, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "worlds").mkdir()
    assert meshsim("verify", tmp_path, *arguments).code == 2
