"""Results of `meshsim run` in every output asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from meshsim.checks.wording import number
from meshsim.cli.outputs import Outputs
from meshsim.errors import Severity
from meshsim.reporting.columns import Colour, style_of
from meshsim.reporting.diagnostics import Diagnostics
from meshsim.reporting.github import annotation_lines, append_step_summary
from meshsim.reporting.html import REPORT
from meshsim.reporting.junit import write_junit
from meshsim.reporting.machine import outcomes_json
from meshsim.reporting.outcome import ScenarioOutcome, exit_code
from meshsim.reporting.summary import Summary, failures, verdict_line

FINDINGS: Final = 10
"""So many findings of a scenario are shown."""


class Writer:
    """Writes each scenario's text when it is done, and the rest at the end."""

    def __init__(self, out: IO[str], err: IO[str], outputs: Outputs, several: bool, quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self._outputs = outputs
        self._several = several
        self._quiet = quiet
        self._style = style_of(out)
        self._diagnostics = Diagnostics(self._style)

    def scenario(self, outcome: ScenarioOutcome) -> None:
        """One scenario is done."""
        if not self._outputs.text:
            return
        self._findings(outcome)
        if outcome.error is not None:
            self._error(outcome)
        elif self._several or self._quiet:
            self._short(outcome)
        else:
            self._lines(self._out, self._full(outcome))
        self._out.flush()

    def finish(self, outcomes: Sequence[ScenarioOutcome]) -> None:
        """All scenarios are done."""
        if self._outputs.junit is not None:
            write_junit(self._outputs.junit, outcomes)
        if self._outputs.json:
            self._out.write(outcomes_json(outcomes) + "\n")
        if self._outputs.github:
            self._lines(self._out, annotation_lines(outcomes))
            summary = os.environ.get("GITHUB_STEP_SUMMARY")
            if summary:
                append_step_summary(Path(summary), outcomes)
        if self._outputs.text and self._several:
            self._out.write(self._total(outcomes) + "\n")

    def _findings(self, outcome: ScenarioOutcome) -> None:
        """What was found in the files goes to the error stream: the summary is about the run."""
        if self._quiet:
            return
        lines = self._diagnostics.findings(outcome.findings[:FINDINGS])
        more = len(outcome.findings) - FINDINGS
        if more > 0:
            lines.append(f"and {more} more findings: meshsim validate {outcome.file}")
        self._lines(self._err, lines)

    def _full(self, outcome: ScenarioOutcome) -> list[str]:
        assert outcome.run is not None
        report = str(outcome.run.folder / REPORT) if outcome.recorded else ""
        return Summary(outcome.run, outcome.verdicts, outcome.wall_seconds, report, self._style).lines()

    def _short(self, outcome: ScenarioOutcome) -> None:
        word = self._style("passed", Colour.GREEN) if outcome.ok else self._style("FAILED", Colour.RED)
        line = f"{outcome.file}  {word}  {verdict_line(outcome.verdicts)}"
        warned = sum(finding.severity is Severity.WARNING for finding in outcome.configuration)
        told = f"  {number(warned, 'warning')} about the configuration: meshsim validate {outcome.file}"
        self._lines(self._out, [line, *failures(outcome.verdicts, self._style), *([told] if warned else [])])

    def _error(self, outcome: ScenarioOutcome) -> None:
        assert outcome.error is not None
        lines = self._diagnostics.error(outcome.error)
        if self._several:
            self._lines(self._out, [f"{outcome.file}  {self._style('ERROR', Colour.RED)}  not run"])
            self._lines(self._out, [f"  {line}" for line in lines])
        else:
            self._lines(self._err, lines)

    def _total(self, outcomes: Sequence[ScenarioOutcome]) -> str:
        passed = sum(outcome.ok for outcome in outcomes)
        invalid = sum(outcome.error is not None for outcome in outcomes)
        failed = len(outcomes) - passed - invalid
        counts = [f"{passed} passed"] if passed else []
        counts += [f"{failed} failed"] if failed else []
        counts += [f"{invalid} invalid"] if invalid else []
        return f"{len(outcomes)} scenarios: {', '.join(counts)}    exit code {exit_code(outcomes)}"

    def _lines(self, stream: IO[str], lines: Sequence[str]) -> None:
        stream.write("".join(f"{line}\n" for line in lines))
