"""One scenario from its file (or in memory) to a recording with verdicts and a report."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from meshsim.checks import judge, save_verdicts
from meshsim.errors import Finding, InputError, InputErrors, MeshsimError, Severity, UsageError
from meshsim.experiment import Runner, RunSettings, default_workers, process_pool, run_replications
from meshsim.recording import PendingRecording, Run, begin_recording
from meshsim.reporting.html import write_report
from meshsim.reporting.outcome import ScenarioOutcome
from meshsim.reporting.progress import Progress
from meshsim.scenario import LoadedScenario, load_scenario
from meshsim.workload import check_capacity
from meshsim.world.configuration import configuration_notes, scenario_findings

RESULTS: Final = Path("results")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """How a scenario is to be run and where its recording goes."""

    seeds: tuple[int, ...] = ()
    """Instead of the scenario's own."""
    settings: RunSettings = field(default_factory=RunSettings)
    results: Path = RESULTS
    record: bool = True
    """Whether the recording stays after it was judged."""
    jobs: int | None = None
    """Processes for several replications: 1 none but this one, `None` as many as are useful."""
    runner: Runner | None = None
    """What runs a replication; `None` = the model."""


def run_file(file: Path, request: RunRequest, progress: Progress | None = None) -> ScenarioOutcome:
    """Load, run and judge a scenario file; what is wrong with it is part of the outcome."""
    began = time.perf_counter()
    doing = progress.doing if progress is not None else _nothing
    try:
        doing(f"reading {file}")
        loaded = load_scenario(file)
        return run_loaded(loaded, request, progress)
    except MeshsimError as error:
        return ScenarioOutcome(file=str(file), error=error, wall_seconds=time.perf_counter() - began)
    finally:
        if progress is not None:
            progress.close()


def run_loaded(
    loaded: LoadedScenario,
    request: RunRequest,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> ScenarioOutcome:
    """Run and judge a scenario. Raises `MeshsimError`; nothing stays on disk then.

    Without `record` the recording stands in a temporary folder, which whoever reads the outcome removes with `discard`.
    """
    began = time.perf_counter()
    seeds = request.seeds or loaded.scenario.seeds
    until = request.settings.until
    if until is not None and not 0 < until <= loaded.scenario.duration:
        raise UsageError("--until must lie within the scenario's duration", loaded.position("duration"))
    doing = progress.doing if progress is not None else _nothing
    if progress is not None:
        progress.begin(loaded.name, until or loaded.scenario.duration, len(seeds))
    doing("checking the configuration")
    configuration = _configuration(loaded)
    pending = _begin(loaded, request)
    try:
        with _pool(request, len(seeds), executor) as workers:
            manifest = run_replications(
                loaded,
                seeds,
                pending,
                request.settings,
                executor=workers,
                advance=progress.advance if progress is not None else None,
                notice=progress.note if progress is not None else None,
                doing=doing,
                runner=request.runner,
            )
        notes = configuration_notes(configuration, loaded.file)
        replace(manifest, notes=(*manifest.notes, *notes)).write(pending.folder)
        run = Run(pending.folder)
        doing("judging")
        verdicts = judge(run, loaded)
        save_verdicts(pending.folder, verdicts)
        if request.record:
            doing("writing the report")
            write_report(run, verdicts, time.perf_counter() - began)
        run.moved(pending.commit())
    except BaseException:
        pending.abandon()
        raise
    finally:
        if progress is not None:
            progress.close()
    return ScenarioOutcome(
        file=loaded.file,
        verdicts=verdicts,
        run=run,
        wall_seconds=time.perf_counter() - began,
        recorded=request.record,
        findings=(*loaded.findings, *check_capacity(loaded)),
        configuration=configuration,
    )


def _nothing(what: str, done: int = 0, of: int = 0) -> None:
    """Nobody wants to know what is being done."""


def _configuration(loaded: LoadedScenario) -> tuple[Finding, ...]:
    """What Pilot makes otherwise of the objects than their author may think; raises `InputErrors` for what the
    validation webhook does not let in."""
    findings = scenario_findings(loaded)
    refused = [f for f in findings if f.severity is Severity.ERROR]
    if refused:
        raise InputErrors(tuple(InputError(f.message, f.position, f.hint, f.subject) for f in refused))
    return findings


def discard(outcome: ScenarioOutcome) -> None:
    """Remove the recording of an outcome that is not to stay."""
    if outcome.run is not None and not outcome.recorded:
        shutil.rmtree(outcome.run.folder.parents[1], ignore_errors=True)


def _begin(loaded: LoadedScenario, request: RunRequest) -> PendingRecording:
    if request.record:
        return begin_recording(request.results, loaded.name)
    return begin_recording(Path(tempfile.mkdtemp(prefix="meshsim-")), loaded.name)


@contextlib.contextmanager
def _pool(request: RunRequest, seeds: int, executor: Executor | None) -> Iterator[Executor | None]:
    """The executor for several replications; none for a single one."""
    if executor is not None or seeds == 1:
        yield executor
        return
    workers = request.jobs if request.jobs is not None else default_workers(seeds)
    if workers <= 1:
        yield None
        return
    pool = process_pool(workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
