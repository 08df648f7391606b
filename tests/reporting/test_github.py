"""Workflow commands are escaped as GitHub asks, and stand at the line that asked."""

from __future__ import annotations

from pathlib import Path

from meshsim.errors import Finding, InputError, Position, Severity
from meshsim.reporting.github import annotation_lines, append_step_summary, finding_lines, step_summary
from meshsim.reporting.outcome import ScenarioOutcome


def test_an_unmet_expectation_is_an_error_at_its_line(outcome: ScenarioOutcome) -> None:
    lines = annotation_lines([outcome])
    assert lines[0].startswith("::error file=shop.yaml,line=30,col=5,title=shoppers are served::99.")
    assert "%0Aworst window 40s-45s" in lines[0]
    assert "\n" not in lines[0]
    assert lines[1].startswith("::warning file=shop.yaml,line=31,")


def test_properties_escape_more_than_data() -> None:
    error = InputError("50% of\nit: a, b", Position("a.yaml", 2, 3), "", "kind: x, y")
    (line,) = annotation_lines([ScenarioOutcome(file="a.yaml", error=error)])
    assert line == "::error file=a.yaml,line=2,col=3,title=kind%3A x%2C y::50%25 of%0Ait: a, b"


def test_findings() -> None:
    finding = Finding("MSH1", Severity.INFO, "look", Position("a.yaml", 1))
    lines = finding_lines([InputError("x")], [finding])
    assert lines == ["::error title=error::x", "::notice file=a.yaml,line=1,title=MSH1::look"]


def test_the_step_summary_is_a_table(outcome: ScenarioOutcome, tmp_path: Path) -> None:
    text = step_summary([outcome, ScenarioOutcome(file="b.yaml", error=InputError("no | good"))])
    assert "| **fail** | shoppers are served |" in text
    assert "**b.yaml**: not run" in text
    assert "no \\| good" in text
    path = tmp_path / "summary.md"
    append_step_summary(path, [outcome])
    append_step_summary(path, [outcome])
    assert path.read_text().count("### meshsim") == 2
