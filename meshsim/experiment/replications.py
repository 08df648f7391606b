"""Several replications of a scenario, one after the other or side by side in processes; the result is the same."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from meshsim.experiment.replication import Advance, Doing, Runner, RunSettings, command, replicate
from meshsim.recording import Manifest, PendingRecording
from meshsim.scenario import LoadedScenario


def run_replications(
    loaded: LoadedScenario,
    seeds: Sequence[int],
    recording: PendingRecording,
    settings: RunSettings | None = None,
    *,
    executor: Executor | None = None,
    advance: Advance | None = None,
    notice: Callable[[str], None] | None = None,
    doing: Doing | None = None,
    runner: Runner | None = None,
) -> Manifest:
    """Record every seed into a recording that is being made; without an executor in this process, one by one."""
    chosen = settings or RunSettings()
    folders = {seed: recording.seed_folder(seed, len(seeds)) for seed in seeds}
    if executor is None:
        parts = [replicate(loaded, seed, folders[seed], chosen, advance, notice, runner, doing) for seed in seeds]
    else:
        if doing is not None:
            doing(f"{len(seeds)} replications side by side", 0, 0)
        parts = _side_by_side(loaded, folders, chosen, executor, advance, runner)
    if len(parts) == 1:
        return parts[0]
    manifest = merged(parts, command(loaded, tuple(seeds), chosen))
    manifest.write(recording.folder)
    return manifest


def _side_by_side(
    loaded: LoadedScenario,
    folders: dict[int, Path],
    settings: RunSettings,
    executor: Executor,
    advance: Advance | None,
    runner: Runner | None,
) -> list[Manifest]:
    futures: dict[Future[Manifest], int] = {
        executor.submit(replicate, loaded, seed, folder, settings, None, None, runner): seed
        for seed, folder in folders.items()
    }
    done: dict[int, Manifest] = {}
    try:
        for future in as_completed(futures):
            manifest = future.result()
            done[futures[future]] = manifest
            if advance is not None:
                advance(futures[future], manifest.until, manifest.requests)
    finally:
        for future in futures:
            future.cancel()
    return [done[seed] for seed in folders]


def merged(parts: Sequence[Manifest], repeat: str) -> Manifest:
    """The manifest of a recording of several replications."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{part.seeds[0]}:{part.digest}\n".encode())
    return replace(
        parts[0],
        seeds=tuple(part.seeds[0] for part in parts),
        digest=digest.hexdigest(),
        requests=sum(part.requests for part in parts),
        wall_seconds=round(sum(part.wall_seconds for part in parts), 3),
        command=repeat,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def process_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of fresh processes (never a fork of this one, whose threads and compiled code it would share)."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    return ProcessPoolExecutor(max_workers=workers, mp_context=context)


def default_workers(tasks: int) -> int:
    """Processes worth starting for so many tasks on this machine."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    return max(1, min(tasks, available))
