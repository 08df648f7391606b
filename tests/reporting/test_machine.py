"""JSON for programs: strict, complete, with places."""

from __future__ import annotations

import json

from meshsim.errors import Finding, InputError, Position, Severity
from meshsim.reporting.machine import finding_row, outcomes_json
from meshsim.reporting.outcome import ScenarioOutcome


def test_a_judged_scenario(outcome: ScenarioOutcome) -> None:
    document = json.loads(outcomes_json([outcome]))
    assert (document["ok"], document["exit_code"]) == (False, 1)
    (scenario,) = document["scenarios"]
    assert (scenario["file"], scenario["scenario"], scenario["seeds"]) == ("shop.yaml", "bookshop", [1])
    assert scenario["simulated_ns"] == 60_000_000_000
    failed = scenario["expectations"][1]
    assert (failed["outcome"], failed["line"], failed["kind"]) == ("not met", 30, "success_rate")
    assert 0.99 < failed["value"] < 0.999
    assert failed["samples"] == 6000
    edge = scenario["edges"][3]
    assert (edge["from"], edge["to"], edge["requests"]) == ("productpage", "reviews", 6000)


def test_an_invalid_scenario() -> None:
    error = InputError("bad", Position("m.yaml", 3, 4), "fix it", "Pod a/b")
    document = json.loads(outcomes_json([ScenarioOutcome(file="a.yaml", error=error)]))
    (scenario,) = document["scenarios"]
    assert scenario["errors"] == [
        {
            "code": "MSH0002",
            "message": "bad",
            "hint": "fix it",
            "subject": "Pod a/b",
            "file": "m.yaml",
            "line": 3,
            "column": 4,
        }
    ]


def test_findings() -> None:
    row = finding_row(Finding("IST0101", Severity.WARNING, "odd"))
    assert (row["code"], row["severity"], row["file"]) == ("IST0101", "warning", None)
