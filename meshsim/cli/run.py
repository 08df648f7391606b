"""`meshsim run`: scenarios to verdicts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshsim.cli.discover import find_scenarios
from meshsim.cli.outputs import Outputs, parse_outputs

if TYPE_CHECKING:
    from meshsim.front import RunRequest
    from meshsim.reporting.outcome import ScenarioOutcome


@click.command(name="run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--seed", "seed", multiple=True, type=click.IntRange(0, 2**31 - 1), help="Seed; repeat it for several replications."
)
@click.option("--seeds", type=click.IntRange(1, 10_000), help="Number of replications, with the seeds 1 to this.")
@click.option("--until", metavar="TIME", help="Stop the simulated time here, such as 7m35s.")
@click.option("-o", "--output", multiple=True, metavar="FORMAT", help="text, json, github, junit=FILE; repeatable.")
@click.option(
    "--results", type=click.Path(path_type=Path), default="results", show_default=True, help="Where recordings go."
)
@click.option("--no-record", is_flag=True, help="Keep no recording.")
@click.option("--jobs", type=click.IntRange(1), help="Processes for several replications; by default one a CPU.")
@click.option("--engine", type=click.Choice(["compiled", "interpreted"]), help="How the event core runs; same result.")
@click.option("--sampling", metavar="PERCENT", help="Record only this share of the requests one by one, such as 10%.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and of what was met no details.")
def command(
    paths: tuple[Path, ...],
    seed: tuple[int, ...],
    seeds: int | None,
    until: str | None,
    output: tuple[str, ...],
    results: Path,
    no_record: bool,
    jobs: int | None,
    engine: str | None,
    sampling: str | None,
    quiet: bool,
) -> int:
    """Run scenarios and judge their expectations.

    PATHS are scenario files, or folders in which every scenario is run.
    """
    if seed and seeds:
        raise click.UsageError("--seed and --seeds cannot go together.")
    outputs = parse_outputs(output)
    from meshsim.experiment import RunSettings
    from meshsim.front import RunRequest
    from meshsim.units import parse_duration, parse_percent

    settings = RunSettings(
        mode={"compiled": "numba", "interpreted": "plain"}[engine] if engine else None,
        sampling=parse_percent(sampling) if sampling else 1.0,
        until=parse_duration(until) if until else None,
    )
    request = RunRequest(
        seeds=tuple(dict.fromkeys(seed)) or tuple(range(1, (seeds or 0) + 1)),
        settings=settings,
        results=results,
        record=not no_record,
        jobs=jobs,
    )
    return _run(find_scenarios(paths), request, outputs, quiet)


def _run(files: Sequence[Path], request: RunRequest, outputs: Outputs, quiet: bool) -> int:
    from meshsim.cli.writing import Writer
    from meshsim.front.running import discard, run_file
    from meshsim.reporting.outcome import exit_code
    from meshsim.reporting.progress import Progress, is_live

    progress = Progress(sys.stderr, is_live(sys.stderr, os.environ), quiet or outputs.json)
    writer = Writer(sys.stdout, sys.stderr, outputs, several=len(files) > 1, quiet=quiet)
    outcomes: list[ScenarioOutcome] = []
    try:
        for file in files:
            outcome = run_file(file, request, progress)
            outcomes.append(outcome)
            writer.scenario(outcome)
        writer.finish(outcomes)
        return exit_code(outcomes)
    finally:
        for outcome in outcomes:
            discard(outcome)
