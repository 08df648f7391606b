"""Which files are scenarios: those named, and in folders those that say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meshsim.errors import InputError, Position

_SUFFIXES: Final = (".yaml", ".yml")
_KIND: Final = re.compile(r"^kind:\s*[\"']?Scenario[\"']?\s*(#.*)?$", re.MULTILINE)
_VERSION: Final = re.compile(r"^apiVersion:\s*[\"']?meshsim/", re.MULTILINE)
_HEAD: Final = 4096
"""The kind of a scenario stands in its first bytes."""


def is_scenario(path: Path) -> bool:
    """Whether a file says that it is a scenario."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return bool(_KIND.search(head)) and bool(_VERSION.search(head))


def find_scenarios(paths: Sequence[Path]) -> list[Path]:
    """The scenario files named, and those anywhere below the folders named; raises `InputError` for an empty folder."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found.setdefault(path)
            continue
        below = [file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES and file.is_file()]
        scenarios = [file for file in below if is_scenario(file)]
        if not scenarios:
            hint = "a scenario has 'apiVersion: meshsim/v1alpha1' and 'kind: Scenario'"
            raise InputError("no scenario in this folder", Position(str(path)), hint)
        found.update(dict.fromkeys(scenarios))
    return list(found)
