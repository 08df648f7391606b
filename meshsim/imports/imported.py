"""What an importer has made: files to write and what there is to say about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshsim.errors import Finding, UsageError

SCENARIO: Final = "scenario.yaml"
MANIFESTS: Final = "services.yaml"


@dataclass(frozen=True, slots=True)
class Imported:
    """A scenario with its manifests."""

    name: str
    """Name of the scenario, and of the folder it is written to unless another is named."""
    files: Mapping[str, str]
    """Texts by file name; the scenario is one of them."""
    findings: tuple[Finding, ...] = ()


def write_imported(imported: Imported, folder: Path, overwrite: bool) -> list[Path]:
    """Write the files into a folder; returns their paths, the scenario first.

    Raises `UsageError` when one is there already and `overwrite` is not set, and then writes nothing.
    """
    targets = {name: folder / name for name in sorted(imported.files, key=lambda name: (name != SCENARIO, name))}
    taken = [target for target in targets.values() if target.exists()]
    if taken and not overwrite:
        raise UsageError(f"'{taken[0]}' exists already, nothing was written", None, "--force overwrites it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in targets.items():
            target.write_text(imported.files[name], encoding="utf-8")
    except OSError as error:
        raise UsageError(f"'{folder}' cannot be written: {error.strerror}") from None
    return list(targets.values())


def dns_label(text: str) -> str:
    """The text as a name Kubernetes allows (RFC 1123 label): small letters, digits, dashes, at most 63."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name[:63].rstrip("-") or "unnamed"
