"""The result of a command as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from meshsim.checks import Verdict
from meshsim.errors import Finding, MeshsimError, Position
from meshsim.reporting.diagnostics import each_error
from meshsim.reporting.edges import Edge
from meshsim.reporting.outcome import ScenarioOutcome, exit_code
from meshsim.reporting.summary import Summary


def outcomes_json(outcomes: Sequence[ScenarioOutcome]) -> str:
    """One document for all scenarios of a command."""
    document = {
        "ok": all(o.ok for o in outcomes),
        "exit_code": exit_code(outcomes),
        "scenarios": [_one(o) for o in outcomes],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _one(outcome: ScenarioOutcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": outcome.file,
        "ok": outcome.ok,
        "errors": [error_row(error) for error in each_error(outcome.error)] if outcome.error is not None else [],
        "findings": [finding_row(finding) for finding in (*outcome.findings, *outcome.configuration)],
        "expectations": [_verdict(verdict) for verdict in outcome.verdicts],
        "wall_seconds": round(outcome.wall_seconds, 3),
    }
    if outcome.run is not None:
        manifest = outcome.run.manifest
        summary = Summary(outcome.run, outcome.verdicts)
        row |= {
            "scenario": manifest.scenario,
            "seeds": list(manifest.seeds),
            "simulated_ns": manifest.until,
            "requests": manifest.requests,
            "engine": manifest.engine,
            "digest": manifest.digest,
            "recording": str(outcome.run.folder) if outcome.recorded else None,
            "edges": [_edge(edge) for edge in summary.edges],
        }
    return row


def error_row(error: MeshsimError) -> dict[str, Any]:
    """An error with its place."""
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "subject": error.subject,
        **_place(error.position),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.name,
        "kind": verdict.kind,
        "outcome": verdict.outcome.value,
        "observed": verdict.observed,
        "limit": verdict.limit,
        "value": verdict.value,
        "samples": verdict.samples,
        "interval": list(verdict.interval) if verdict.interval else None,
        "warnings": list(verdict.warnings),
        "causes": list(verdict.causes),
        **_place(verdict.position),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "from": edge.source,
        "from_version": edge.source_version,
        "to": edge.destination,
        "requests": edge.requests,
        "requests_per_s": round(edge.rate_per_s, 3),
        "success_rate": edge.good,
        "p50_ns": edge.p50,
        "p99_ns": edge.p99,
        "versions": dict(edge.versions),
    }


def _place(position: Position | None) -> dict[str, Any]:
    if position is None:
        return {"file": None, "line": None, "column": None}
    return {"file": position.file, "line": position.line or None, "column": position.column or None}


def finding_row(finding: Finding) -> dict[str, Any]:
    """A finding with its place."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "subject": finding.subject,
        **_place(finding.position),
    }
