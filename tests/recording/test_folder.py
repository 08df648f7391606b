"""Folders of recordings: numbered, whole or hidden, the latest at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.recording.folder import LATEST, begin_recording


def test_a_pending_recording_is_hidden(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "shop")
    assert pending.folder.name == ".0001.partial"
    assert pending.target == tmp_path / "shop" / "0001"
    assert not pending.target.exists()


def test_latest_follows_the_last_one_committed(tmp_path: Path) -> None:
    for number in ("0001", "0002"):
        begin_recording(tmp_path, "shop").commit()
        assert (tmp_path / "shop" / LATEST).resolve().name == number


def test_an_abandoned_one_leaves_nothing(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "shop")
    (pending.folder / "x").write_text("x")
    pending.abandon()
    assert list((tmp_path / "shop").iterdir()) == []


def test_one_replication_is_the_recording_itself(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "shop")
    assert pending.seed_folder(7, 1) == pending.folder
    assert pending.seed_folder(7, 2) == pending.folder / "seed-7"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        begin_recording(tmp_path / "file", "shop")
