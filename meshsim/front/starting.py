"""A first scenario with its manifests, to run and to change."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final

from meshsim.errors import UsageError
from meshsim.scenario.schema import schema_text

SCENARIO: Final = PurePosixPath("scenarios/canary.yaml")
SCHEMA: Final = PurePosixPath(".meshsim/scenario.schema.json")
"""What the first line of the scenario tells editors to look at."""


def write_starter(folder: Path) -> list[Path]:
    """Write a scenario that runs and its manifests into a folder; returns the files, the scenario first.

    Raises `UsageError` when one of them is there already, and then writes nothing.
    """
    texts = dict(_texts(files("meshsim.front") / "starter", PurePosixPath()))
    ordered = sorted(texts, key=lambda path: (path != SCENARIO, path))
    texts[SCHEMA] = schema_text() + "\n"
    targets = {path: folder / path for path in (*ordered, SCHEMA)}
    taken = [target for target in targets.values() if target.exists()]
    if taken:
        raise UsageError(f"'{taken[0]}' exists already, nothing was written", None, "name another folder")
    try:
        for path, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(texts[path], encoding="utf-8")
    except OSError as error:
        raise UsageError(f"'{folder}' cannot be written: {error.strerror}") from None
    return list(targets.values())


def _texts(place: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in place.iterdir():
        if entry.is_dir():
            yield from _texts(entry, path / entry.name)
        elif entry.name.endswith(".yaml"):
            yield path / entry.name, entry.read_text(encoding="utf-8")
