"""docs/architecture.md draws the rooms that the import contract has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def layers() -> list[list[str]]:
    """The lines of the contract, top to bottom."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    return [line.split(" | ") for line in contract["layers"] if line != "__main__"]


def test_the_picture_is_the_contract() -> None:
    (picture,) = re.findall(r"```\n(cli \| testing\n.*?)```", PAGE, re.DOTALL)
    assert [line.split(" | ") for line in picture.strip().splitlines()] == layers()


def test_every_room_is_described_and_exists() -> None:
    described = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    rooms = [room for line in layers() for room in line]
    assert sorted(described) == sorted(room.strip("()") for room in rooms)
    built = [room for room in rooms if not room.startswith("(")]
    assert sorted(built) == sorted(p.parent.name for p in (ROOT / "meshsim").glob("*/__init__.py"))
