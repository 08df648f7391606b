"""A scenario over a grid of values and seeds: one row a combination and seed, judged by the scenario's expectations."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import NamedTuple

from meshsim.checks import Verdict, judge
from meshsim.errors import MeshsimError
from meshsim.experiment.replication import Runner, RunSettings, replicate
from meshsim.recording import Run
from meshsim.scenario import LoadedScenario
from meshsim.scenario.variants import with_values


class SweepRow(NamedTuple):
    """One replication of one combination."""

    values: tuple[tuple[str, object], ...]
    """Path and value of what was varied."""
    seed: int
    verdicts: tuple[Verdict, ...]
    requests: int
    digest: str
    error: str = ""
    """Why it did not run; the others did."""

    @property
    def ok(self) -> bool:
        """Whether it ran and met every expectation."""
        return not self.error and all(verdict.met for verdict in self.verdicts)

    def as_dict(self) -> dict[str, object]:
        """One flat row: the values, the seed, and a number for each expectation."""
        row: dict[str, object] = {**dict(self.values), "seed": self.seed, "ok": self.ok, "requests": self.requests}
        for verdict in self.verdicts:
            row[verdict.name] = verdict.value
            row[f"{verdict.name}: met"] = verdict.met
        return row | ({"error": self.error} if self.error else {})


def run_sweep(
    loaded: LoadedScenario,
    over: Mapping[str, Iterable[object]],
    seeds: int | Sequence[int] | None = None,
    settings: RunSettings | None = None,
    executor: Executor | None = None,
    runner: Runner | None = None,
) -> list[SweepRow]:
    """Every combination of the values with every seed, in the order of the grid.

    All combinations are read before the first one runs, so a bad value costs no time. Raises `UsageError` and
    `InputErrors` for those; a replication that fails while it runs is a row with its error.
    """
    names = list(over)
    grid = list(itertools.product(*(list(over[name]) for name in names)))
    chosen = _seeds(loaded, seeds)
    tasks = []
    for values in grid:
        pairs = tuple(zip(names, values, strict=True))
        variant = with_values(loaded, dict(pairs))
        tasks += [(variant, pairs, seed) for seed in chosen]
    run = settings or RunSettings()
    if executor is None:
        return [run_one(variant, pairs, seed, run, runner) for variant, pairs, seed in tasks]
    futures: list[Future[SweepRow]] = [
        executor.submit(run_one, variant, pairs, seed, run, runner) for variant, pairs, seed in tasks
    ]
    return [_row(future, pairs, seed) for future, (_, pairs, seed) in zip(futures, tasks, strict=True)]


def run_one(
    variant: LoadedScenario,
    values: tuple[tuple[str, object], ...],
    seed: int,
    settings: RunSettings,
    runner: Runner | None = None,
) -> SweepRow:
    """One replication, judged; its recording is not kept."""
    with tempfile.TemporaryDirectory(prefix="meshsim-") as folder:
        try:
            manifest = replicate(variant, seed, Path(folder), settings, runner=runner)
        except MeshsimError as error:
            return SweepRow(values, seed, (), 0, "", str(error))
        verdicts = judge(Run(Path(folder)), variant)
        return SweepRow(values, seed, verdicts, manifest.requests, manifest.digest)


def _row(future: Future[SweepRow], values: tuple[tuple[str, object], ...], seed: int) -> SweepRow:
    try:
        return future.result()
    except Exception as error:
        # A worker that died or could not be reached: its row says so, the other rows stay.
        return SweepRow(values, seed, (), 0, "", f"{type(error).__name__}: {error}")


def _seeds(loaded: LoadedScenario, seeds: int | Sequence[int] | None) -> tuple[int, ...]:
    if seeds is None:
        return loaded.scenario.seeds
    return tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(seeds)
