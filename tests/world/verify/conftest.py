"""A small folder of recordings that lies beside these tests, and copies of it to plant differences in."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).with_name("recorded")


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Two worlds and two files of the simulation; SOURCE.md there says what recorded them."""
    return RECORDED


@pytest.fixture
def planted(tmp_path: Path) -> Callable[[str, Callable[[Any], None]], Path]:
    """A copy of the folder with one recording changed."""

    def plant(name: str, change: Callable[[Any], None]) -> Path:
        folder = tmp_path / "recorded"
        shutil.copytree(RECORDED, folder)
        path = folder / f"{name}.json.gz"
        body = json.loads(gzip.decompress(path.read_bytes()))
        change(body)
        path.write_bytes(gzip.compress(json.dumps(body).encode()))
        return folder

    return plant


@pytest.fixture(scope="session")
def recorded_push() -> Path:
    """A world with recorded pushes; SOURCE.md there says what recorded them."""
    return Path(__file__).with_name("recorded_push")
