"""One replication: a scenario and a seed to a folder of a recording, in whatever process it is called."""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from meshsim.checks.wording import clock, percent
from meshsim.recording import Manifest, RunWriter
from meshsim.scenario import LoadedScenario
from meshsim.units import Nanos

if TYPE_CHECKING:
    from meshsim.world.model import RunOptions, RunOutcome

_PACKAGES: Final = ("meshsim", "simpy", "numpy", "numba", "pyarrow", "xds-protos", "protobuf")

Advance = Callable[[int, Nanos, int], None]
"""Told the seed, the simulated time and the number of finished requests, now and then."""

Doing = Callable[[str, int, int], None]
"""Told what is done before simulated time passes, and how much of how much, if that is known."""


class Runner(Protocol):
    """What runs one replication: the model, or the real thing in its place."""

    def __call__(self, loaded: LoadedScenario, seed: int, sink: RunWriter, options: RunOptions) -> RunOutcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How replications are executed."""

    mode: str | None = None
    """Engine mode, ``plain`` or ``numba``; `None` leaves it to the engine."""
    sampling: float = 1.0
    """Share of the traces whose requests are recorded."""
    until: Nanos | None = None
    """Stop earlier than the scenario says."""


def replicate(
    loaded: LoadedScenario,
    seed: int,
    folder: Path,
    settings: RunSettings,
    advance: Advance | None = None,
    notice: Callable[[str], None] | None = None,
    runner: Runner | None = None,
    doing: Doing | None = None,
) -> Manifest:
    """Run one replication and record it into a folder; returns the manifest it wrote there."""
    from meshsim.world.model import RunOptions

    run = runner if runner is not None else _model()
    options = RunOptions(
        mode=settings.mode,
        sampling=settings.sampling,
        until=settings.until,
        notice=notice,
        doing=doing,
        progress=(lambda now, requests: advance(seed, now, requests)) if advance is not None else None,
    )
    began = time.perf_counter()
    writer = RunWriter(folder, seed)
    try:
        outcome = run(loaded, seed, writer, options)
    except BaseException:
        writer.close()
        raise
    # The world is a cycle of millions of old objects, which no look for garbage comes to before the next one stands
    # beside it.
    gc.collect()
    manifest = Manifest(
        scenario=loaded.name,
        scenario_file=loaded.file,
        scenario_hash=loaded.digest(),
        seeds=(seed,),
        duration=loaded.scenario.duration,
        until=outcome.until,
        engine=outcome.mode,
        digest=outcome.digest,
        istio=loaded.scenario.mesh.istio,
        mesh_config=tuple(loaded.scenario.mesh.mesh_config),
        requests=outcome.requests,
        sampling=settings.sampling,
        wall_seconds=round(time.perf_counter() - began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command(loaded, (seed,), settings),
        versions=versions(),
        notes=(*_notes(settings), *outcome.notes),
    )
    if doing is not None:
        doing("writing the recording", 0, 0)
    writer.finish(manifest)
    return manifest


def _notes(settings: RunSettings) -> tuple[str, ...]:
    if settings.sampling >= 1:
        return ()
    return (f"{percent(settings.sampling)} of the requests were recorded one by one; all were counted and judged",)


def command(loaded: LoadedScenario, seeds: tuple[int, ...], settings: RunSettings) -> str:
    """The command that repeats a run."""
    parts = ["meshsim run", loaded.file, *(f"--seed {seed}" for seed in seeds)]
    if settings.until is not None:
        parts.append(f"--until {clock(settings.until)}")
    if settings.sampling < 1:
        parts.append(f"--sampling {settings.sampling * 100:g}%")
    return " ".join(parts)


def versions() -> dict[str, str]:
    """Software that a result depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _model() -> Runner:
    from meshsim.world.run import run_replication

    return run_replication
