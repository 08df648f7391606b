"""`meshsim init`: a first scenario, never over something that is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def test_what_is_written_is_said_and_valid(meshsim: Callable, tmp_path: Path) -> None:
    done = meshsim("init", "shop")
    assert done.code == 0
    assert done.out.splitlines()[0] == "wrote shop/scenarios/canary.yaml"
    assert done.out.splitlines()[-1] == "next: cd shop && meshsim run scenarios/canary.yaml"
    checked = meshsim("validate", tmp_path / "shop")
    assert (checked.code, checked.out) == (0, "6 files checked: nothing to complain about\n")


def test_nothing_is_overwritten(meshsim: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "shop" / "networking" / "gateway.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = meshsim("init", "shop")
    assert done.code == 2
    assert "'shop/networking/gateway.yaml' exists already, nothing was written" in done.err
    assert [path for path in (tmp_path / "shop").rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_a_folder_that_is_a_file(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    done = meshsim("init", "shop")
    assert done.code == 2
    assert "'shop' cannot be written: " in done.err
