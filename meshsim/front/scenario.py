"""The Python interface: load a scenario, vary it, run it, look at the result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from meshsim.checks import load_verdicts
from meshsim.experiment import RunSettings, run_sweep
from meshsim.front.running import RESULTS, RunRequest, run_loaded
from meshsim.recording import open_run
from meshsim.reporting.frames import DataFrame, frame_of_rows
from meshsim.reporting.result import Result
from meshsim.scenario import LoadedScenario, load_scenario, load_text
from meshsim.scenario.variants import with_values
from meshsim.units import parse_duration


class Scenario:
    """A scenario that can be run."""

    def __init__(self, loaded: LoadedScenario) -> None:
        self.loaded = loaded

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Scenario:
        """The scenario of a file; raises `InputErrors` with everything that is wrong in it."""
        return cls(load_scenario(path))

    @classmethod
    def from_text(cls, text: str, folder: str | os.PathLike[str] = ".") -> Scenario:
        """The scenario of a YAML text, whose paths count from `folder`; raises `InputErrors`."""
        return cls(load_text(text, os.path.join(folder, "scenario.yaml"), folder))

    @property
    def name(self) -> str:
        """Its name."""
        return self.loaded.name

    def with_(self, values: Mapping[str, object] | None = None, **more: object) -> Scenario:
        """A variant with some values replaced, by path: `with_({"traffic.shoppers.rate": 200})`.

        A bare number takes the unit of the value it replaces. Raises `UsageError` and `InputErrors`.
        """
        return Scenario(with_values(self.loaded, {**(values or {}), **more}))

    def run(
        self,
        seed: int | None = None,
        seeds: int | Sequence[int] | None = None,
        *,
        until: str | None = None,
        results: str | os.PathLike[str] = RESULTS,
        jobs: int | None = None,
        executor: Executor | None = None,
    ) -> Result:
        """Run, record and judge it; one seed, several (a count or a list), or the scenario's own.

        Several replications run in processes of their own (`jobs`; 1 keeps them in this one) or on an executor.
        """
        chosen = (seed,) if seed is not None else _seeds(seeds)
        settings = RunSettings(until=parse_duration(until) if until is not None else None)
        request = RunRequest(seeds=chosen, settings=settings, results=Path(results), jobs=jobs)
        outcome = run_loaded(self.loaded, request, executor=executor)
        assert outcome.run is not None
        return Result(outcome.run, outcome.verdicts, outcome.wall_seconds)

    def __repr__(self) -> str:
        return f"Scenario({self.name!r}, {self.loaded.file!r})"


def open_result(path: str | os.PathLike[str]) -> Result:
    """The result in a recording's folder; of a scenario's folder its latest one. Raises `InputError`."""
    run = open_run(Path(path))
    return Result(run, load_verdicts(run.verdicts()), 0.0)


def sweep(
    scenario: Scenario | str | os.PathLike[str],
    over: Mapping[str, Iterable[object]],
    seeds: int | Sequence[int] | None = None,
    executor: Executor | None = None,
) -> DataFrame:
    """Every combination of the values with every seed, one row each.

    Columns: the paths varied, `seed`, `ok`, and for each expectation its figure (a share of 1, nanoseconds or a count)
    and whether it was met. A pandas DataFrame, or an Arrow table where pandas is not installed.
    """
    loaded = (scenario if isinstance(scenario, Scenario) else Scenario.from_yaml(scenario)).loaded
    return frame_of_rows([row.as_dict() for row in run_sweep(loaded, over, seeds, executor=executor)])


def _seeds(seeds: int | Sequence[int] | None) -> tuple[int, ...]:
    if seeds is None:
        return ()
    return tuple(range(1, seeds + 1)) if isinstance(seeds, int) else tuple(seeds)
