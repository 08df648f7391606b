"""Verification of a whole folder, kind by kind and world by world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from meshsim.errors import InputError, Position, UsageError
from meshsim.world.verify import (
    calls,
    dynamics,
    envoy_calls,
    istioctl,
    push,
    push_recording,
    push_status,
    simulation,
    xds,
)
from meshsim.world.verify.deviations import Deviation, load_deviations
from meshsim.world.verify.folder import recorded_names, world_names
from meshsim.world.verify.outcome import KINDS, RECORDED_KINDS, Outcome, WorldOutcome

Progress = Callable[[str, WorldOutcome], None]


class Verifier(NamedTuple):
    """How one kind of recording is compared."""

    worlds: Callable[[Path], list[str]]
    """Names of what the folder has of the kind."""
    verify: Callable[[Path, str, Sequence[Deviation]], WorldOutcome]


_VERIFIERS: Final[Mapping[str, Verifier]] = {
    "xds": Verifier(world_names, xds.verify_world),
    push_status.KIND: Verifier(push_status.recorded_worlds, push_status.verify_world),
    push_recording.KIND: Verifier(push_recording.recorded_worlds, push.verify_world),
    calls.KIND: Verifier(partial(recorded_names, kind=calls.KIND), calls.verify_world),
    simulation.KIND: Verifier(partial(recorded_names, kind=simulation.KIND), simulation.verify_file),
    envoy_calls.KIND: Verifier(partial(recorded_names, kind=envoy_calls.KIND), envoy_calls.verify_world),
    dynamics.KIND: Verifier(partial(recorded_names, kind=dynamics.KIND), dynamics.verify_topic),
}


def verify_folder(
    folder: Path,
    kinds: Sequence[str] = (),
    worlds: Sequence[str] = (),
    progress: Progress | None = None,
    deviations: Path | None = None,
    more: Mapping[str, Verifier] = {},
) -> Outcome:
    """Compare the model with every recording of these kinds and worlds; all that the folder has when none is named.

    `more` are kinds that need what this room does not know, such as the tables of another tool.

    Raises `UsageError` for an unknown kind or world and `InputError` for a folder of another layout.
    """
    verifiers = {**_VERIFIERS, **more}
    kinds = kinds or present_kinds(folder, more)
    known = {kind: verifiers[kind].worlds(folder) for kind in _checked(folder, kinds, verifiers)}
    for name in worlds:
        if not any(name in names for names in known.values()):
            there = ", ".join(dict.fromkeys(n for names in known.values() for n in names))
            raise UsageError(f"no world '{name}' in {folder}", None, f"there are {there}")
    named = load_deviations(deviations) if deviations else load_deviations()
    outcome = Outcome()
    for kind, names in known.items():
        results = outcome.worlds.setdefault(kind, {})
        for name in [n for n in names if n in worlds] if worlds else names:
            results[name] = verifiers[kind].verify(folder, name, named)
            if progress is not None:
                progress(kind, results[name])
    return outcome


def istioctl_verifier(tables: istioctl.Tables) -> Verifier:
    """How recorded tables of istioctl are compared, with what prints each of ours."""
    return Verifier(istioctl.recorded_worlds, partial(istioctl.verify_world, tables=tables))


def present_kinds(folder: Path, more: Iterable[str] = ()) -> tuple[str, ...]:
    """Kinds that the folder has recordings of; raises `InputError` when it has none."""
    beside = (push_status.KIND,) if push_status.recorded_worlds(folder) else ()
    found = tuple(kind for kind in (*KINDS, *more) if kind in beside or (folder / kind).is_dir())
    if not found:
        raise InputError(
            f"{folder} has no recordings",
            Position(str(folder)),
            f"a folder of recordings holds worlds/ and one of {', '.join(f'{kind}/' for kind in KINDS)}",
        )
    return found


def _checked(folder: Path, kinds: Sequence[str], verifiers: Mapping[str, Verifier]) -> Sequence[str]:
    """The kinds, each modelled and with something to compare."""
    for kind in kinds:
        if kind not in RECORDED_KINDS:
            raise UsageError(f"unknown kind '{kind}'", None, f"one of {', '.join(RECORDED_KINDS)}")
        if kind not in verifiers:
            raise UsageError(f"'{kind}' is not modelled yet", None, f"modelled: {', '.join(verifiers)}")
        if not verifiers[kind].worlds(folder):
            raise InputError(f"no recording of kind '{kind}' to verify", Position(str(folder / kind)))
    return kinds
