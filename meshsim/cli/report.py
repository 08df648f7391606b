"""`meshsim report`: a recorded run again, and its page anew."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(name="report")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--html", is_flag=True, help="Write report.html again.")
def command(recording: Path, output: str, html: bool) -> int:
    """Show a recorded run again.

    RECORDING is the folder of a run, or that of a scenario's runs, of which the latest is shown.
    """
    from meshsim.checks import load_verdicts
    from meshsim.recording import open_run
    from meshsim.reporting.columns import style_of
    from meshsim.reporting.html import REPORT, write_report
    from meshsim.reporting.machine import outcomes_json
    from meshsim.reporting.outcome import ScenarioOutcome
    from meshsim.reporting.summary import Summary

    run = open_run(recording)
    verdicts = load_verdicts(run.verdicts())
    if html:
        write_report(run, verdicts)
    if output == "json":
        outcome = ScenarioOutcome(file=run.manifest.scenario_file, verdicts=verdicts, run=run)
        click.echo(outcomes_json([outcome]))
        return 0
    page = run.folder / REPORT
    summary = Summary(run, verdicts, 0.0, str(page) if page.is_file() else "", style_of(sys.stdout))
    for line in summary.lines():
        click.echo(line)
    return 0
