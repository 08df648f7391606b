"""Where recordings stand: `results/<scenario>/<number>/`, made under another name and renamed when complete."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

from meshsim.errors import InputError

LATEST: Final = "latest"
_NUMBER: Final = re.compile(r"\d{4,}")
_PARTIAL: Final = re.compile(r"\.(\d{4,})\.partial")


class PendingRecording:
    """A recording that is being made; it appears under its number when `commit` is called, complete or not at all."""

    def __init__(self, parent: Path, number: str, folder: Path) -> None:
        self._parent = parent
        self.number = number
        self.folder = folder
        """Where to write."""

    @property
    def target(self) -> Path:
        """Where it will stand."""
        return self._parent / self.number

    def seed_folder(self, seed: int, seeds: int) -> Path:
        """The folder of one replication: the recording itself when it has one only."""
        if seeds == 1:
            return self.folder
        folder = self.folder / f"seed-{seed}"
        folder.mkdir(exist_ok=True)
        return folder

    def commit(self) -> Path:
        """Make the recording appear and `latest` point to it; returns its folder."""
        os.replace(self.folder, self.target)
        link = self._parent / LATEST
        with contextlib.suppress(OSError):
            fresh = self._parent / f".{LATEST}.{self.number}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.number)
            os.replace(fresh, link)
        return self.target

    def abandon(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def begin_recording(results: Path, scenario: str) -> PendingRecording:
    """A fresh recording of a scenario below `results`; raises `InputError` when nothing can be written there."""
    parent = results / scenario
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = _next_number(parent)
        while True:
            name = f"{number:04d}"
            folder = parent / f".{name}.partial"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
                continue
            return PendingRecording(parent, name, folder)
    except OSError as error:
        hint = "choose another folder with --results, or run with --no-record"
        raise InputError(f"'{parent}' cannot be written: {error.strerror}", None, hint) from None


def _next_number(parent: Path) -> int:
    taken = [0]
    for entry in parent.iterdir():
        match = _PARTIAL.fullmatch(entry.name)
        if match:
            taken.append(int(match[1]))
        elif _NUMBER.fullmatch(entry.name):
            taken.append(int(entry.name))
    return max(taken) + 1
