"""GitHub's workflow commands (annotations at the line that asked) and its step summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meshsim.checks import Outcome
from meshsim.errors import Finding, MeshsimError, Position, Severity
from meshsim.reporting.diagnostics import each_error
from meshsim.reporting.outcome import ScenarioOutcome
from meshsim.reporting.summary import expectation_text, verdict_line


def annotation_lines(outcomes: Sequence[ScenarioOutcome]) -> list[str]:
    """One `::error` for each unmet expectation and each error, one `::warning` for each warning."""
    lines: list[str] = []
    for outcome in outcomes:
        if outcome.error is not None:
            for error in each_error(outcome.error):
                position = error.position or Position(outcome.file)
                lines.append(_command("error", position, error.subject or outcome.file, error.message))
        lines += finding_lines((), (*outcome.findings, *outcome.configuration))
        for verdict in outcome.verdicts:
            position = verdict.position or Position(outcome.file)
            if verdict.outcome is Outcome.NOT_MET:
                text = "\n".join((expectation_text(verdict), *verdict.causes))
                lines.append(_command("error", position, verdict.name, text))
            lines += [_command("warning", position, verdict.name, text) for text in verdict.warnings]
    return lines


def finding_lines(errors: Sequence[MeshsimError], findings: Sequence[Finding]) -> list[str]:
    """One annotation for each error and each finding."""
    lines = [_command("error", e.position or Position(""), e.subject or "error", e.message) for e in errors]
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    for finding in findings:
        title = finding.subject or finding.code
        lines.append(_command(levels[finding.severity], finding.position or Position(""), title, finding.message))
    return lines


def step_summary(outcomes: Sequence[ScenarioOutcome]) -> str:
    """A Markdown table for the page of a job."""
    lines = ["### meshsim", ""]
    for outcome in outcomes:
        if outcome.error is not None:
            lines += [f"**{_cell(outcome.file)}**: not run", ""]
            lines += [f"- `{_cell(str(error))}`" for error in each_error(outcome.error)] + [""]
            continue
        lines += [f"**{_cell(outcome.file)}**: {verdict_line(outcome.verdicts)}", ""]
        if not outcome.verdicts:
            continue
        lines += ["| | expectation | seen | expected |", "|---|---|---|---|"]
        for verdict in outcome.verdicts:
            mark = {Outcome.MET: "pass", Outcome.NOT_MET: "**fail**", Outcome.NOT_JUDGED: "skip"}[verdict.outcome]
            cells = (verdict.name, verdict.observed, verdict.limit)
            lines.append(f"| {mark} | " + " | ".join(_cell(cell) for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def append_step_summary(path: Path, outcomes: Sequence[ScenarioOutcome]) -> None:
    """Append the table to the file that GitHub names."""
    with path.open("a", encoding="utf-8") as file:
        file.write(step_summary(outcomes) + "\n")


def _command(level: str, position: Position, title: str, text: str) -> str:
    properties = [f"file={_property(position.file)}"] if position.file else []
    if position.file and position.line:
        properties.append(f"line={position.line}")
        if position.column:
            properties.append(f"col={position.column}")
    properties.append(f"title={_property(title)}")
    return f"::{level} {','.join(properties)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
