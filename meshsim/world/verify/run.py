"""Verification of a whole folder, kind by kind and world by world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from meshsim.errors import InputError, Position, UsageError
from meshsim.world.verify.deviations import load_deviations
from meshsim.world.verify.folder import world_names
from meshsim.world.verify.outcome import KINDS, RECORDED_KINDS, Outcome, WorldOutcome
from meshsim.world.verify.xds import verify_world

Progress = Callable[[str, WorldOutcome], None]


def verify_folder(
    folder: Path,
    kinds: Sequence[str] = KINDS,
    worlds: Sequence[str] = (),
    progress: Progress | None = None,
    deviations: Path | None = None,
) -> Outcome:
    """Compare the model with every recording of these kinds and worlds (all when none is named).

    Raises `UsageError` for an unknown kind or world and `InputError` for a folder of another layout.
    """
    for kind in kinds:
        if kind not in RECORDED_KINDS:
            raise UsageError(f"unknown kind '{kind}'", None, f"one of {', '.join(RECORDED_KINDS)}")
        if kind not in KINDS:
            raise UsageError(f"'{kind}' is not modelled yet", None, f"modelled: {', '.join(KINDS)}")
    known = world_names(folder)
    for name in worlds:
        if name not in known:
            raise UsageError(f"no world '{name}' in {folder}", None, f"there are {', '.join(known)}")
    if not known:
        raise InputError("no world to verify", Position(str(folder / "worlds")))
    named = load_deviations(deviations) if deviations else load_deviations()
    outcome = Outcome()
    for kind in kinds:
        results = outcome.worlds.setdefault(kind, {})
        for name in worlds or known:
            results[name] = verify_world(folder, name, named)
            if progress is not None:
                progress(kind, results[name])
    return outcome
