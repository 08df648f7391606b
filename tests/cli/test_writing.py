"""Text of results, one scenario or several."""

from __future__ import annotations

import io

from meshsim.cli.outputs import Outputs
from meshsim.cli.writing import Writer
from meshsim.errors import Finding, InputError, Position, Severity
from meshsim.reporting.outcome import ScenarioOutcome


def write(outputs: Outputs, several: bool, *outcomes: ScenarioOutcome) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    writer = Writer(out, err, outputs, several)
    for outcome in outcomes:
        writer.scenario(outcome)
    writer.finish(outcomes)
    return out.getvalue(), err.getvalue()


INVALID = ScenarioOutcome(file="a.yaml", error=InputError("bad", Position("a.yaml", 1, 1)))
PASSED = ScenarioOutcome(file="b.yaml")


def test_the_error_of_one_scenario_goes_to_the_error_stream() -> None:
    assert write(Outputs(), False, INVALID) == ("", "a.yaml:1:1: error: bad\n")


def test_of_several_everything_is_in_one_place() -> None:
    out, err = write(Outputs(), True, INVALID, PASSED)
    assert out.splitlines() == [
        "a.yaml  ERROR  not run",
        "  a.yaml:1:1: error: bad",
        "b.yaml  passed  no expectations",
        "2 scenarios: 1 passed, 1 invalid    exit code 2",
    ]
    assert err == ""


def test_findings_go_to_the_error_stream_and_are_not_too_many() -> None:
    findings = tuple(Finding("MSH1", Severity.INFO, f"number {n}", Position("m.yaml", n)) for n in range(1, 14))
    out, err = write(Outputs(), True, ScenarioOutcome(file="b.yaml", findings=findings))
    assert err.splitlines()[0] == "m.yaml:1: info: number 1  [MSH1]"
    assert err.splitlines()[-1] == "and 3 more findings: meshsim validate b.yaml"
    assert len(err.splitlines()) == 11
    assert "number" not in out


def test_of_several_warnings_are_counted() -> None:
    found = Finding("IST0101", Severity.WARNING, "no host", Position("m.yaml", 1))
    noted = (found, found._replace(severity=Severity.INFO))
    out, _ = write(Outputs(), True, ScenarioOutcome(file="b.yaml", configuration=noted))
    assert out.splitlines()[1] == "  1 warning about the configuration: meshsim validate b.yaml"


def test_without_text_there_is_none() -> None:
    assert write(Outputs(text=False, github=True), True, INVALID)[0].startswith("::error file=a.yaml,line=1")
