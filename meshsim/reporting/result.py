"""A run as a person works with it: is it ok, what was expected and seen, tables, plots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from meshsim.checks import Outcome, Verdict
from meshsim.recording import Manifest, Run
from meshsim.reporting.frames import DataFrame, frame_of_rows, frame_of_table
from meshsim.reporting.summary import Summary
from meshsim.units import parse_duration

if TYPE_CHECKING:
    from meshsim.reporting.plots import Plots


class Result:
    """A recorded and judged run. Tables are pandas DataFrames, or Arrow tables where pandas is not installed."""

    def __init__(self, run: Run, verdicts: Sequence[Verdict], wall_seconds: float = 0.0) -> None:
        self.run = run
        self.verdicts: tuple[Verdict, ...] = tuple(verdicts)
        self.wall_seconds = wall_seconds

    @property
    def ok(self) -> bool:
        """Whether every judged expectation was met."""
        return all(verdict.outcome is not Outcome.NOT_MET for verdict in self.verdicts)

    @property
    def folder(self) -> Path:
        """Where the recording stands."""
        return self.run.folder

    @property
    def manifest(self) -> Manifest:
        """What was run, and how to repeat it."""
        return self.run.manifest

    @cached_property
    def expectations(self) -> DataFrame:
        """One row an expectation."""
        return frame_of_rows(
            [
                {
                    "name": v.name,
                    "kind": v.kind,
                    "ok": v.met,
                    "outcome": v.outcome.value,
                    "observed": v.observed,
                    "limit": v.limit,
                    "value": v.value,
                    "low": v.interval.low if v.interval else None,
                    "high": v.interval.high if v.interval else None,
                    "samples": v.samples,
                    "file": v.position.file if v.position else None,
                    "line": v.position.line if v.position else None,
                }
                for v in self.verdicts
            ]
        )

    @cached_property
    def requests(self) -> DataFrame:
        """One row an attempt of a request."""
        return frame_of_table(self.run.requests())

    @cached_property
    def pushes(self) -> DataFrame:
        """One row a configuration response to a proxy."""
        return frame_of_table(self.run.pushes())

    @cached_property
    def events(self) -> DataFrame:
        """What happened in the cluster, by time: timeline actions, changes Pilot noticed, steps of pods."""
        rows: list[dict[str, object]] = []
        for mark in self.run.timeline().to_pylist():
            what = mark["detail"] if mark["begins"] else f"{mark['detail']} undone"
            rows.append(_event(mark, "timeline", mark["id"], what))
        for change in self.run.changes().to_pylist():
            name = f"{change['kind']} {change['namespace']}/{change['name']}"
            rows.append(_event(change, "change", change["cause"], f"{change['verb']} {name}"))
        for step in self.run.pods().to_pylist():
            rows.append(_event(step, "pod", f"{step['namespace']}/{step['pod']}", step["phase"]))
        rows.sort(key=lambda row: (row["seed"], row["time"]))
        return frame_of_rows(rows)

    @cached_property
    def proxies(self) -> DataFrame:
        """One row a proxy."""
        return frame_of_table(self.run.proxies())

    @cached_property
    def series(self) -> DataFrame:
        """Requests counted by second, edge, outcome and latency bucket."""
        return frame_of_table(self.run.series())

    def metrics(self, step: str = "1s") -> DataFrame:
        """Istio's standard metrics over time: one row a series and step, with its labels, pod and growth.

        ``count`` is what a counter or histogram grew by, ``sum`` the milliseconds a histogram grew by. `step` is a
        number of whole seconds.
        """
        from meshsim.metrics.frames import metric_table
        from meshsim.metrics.istio import istio_samples

        return frame_of_table(metric_table(istio_samples(self.run, step=parse_duration(step))))

    @cached_property
    def plot(self) -> Plots:
        """Plots of the run; each method returns the matplotlib Axes."""
        from meshsim.reporting.plots import Plots

        return Plots(self.run)

    @cached_property
    def summary(self) -> Summary:
        """What the terminal shows."""
        report = self.folder / "report.html"
        return Summary(self.run, self.verdicts, self.wall_seconds, str(report) if report.is_file() else "")

    def __str__(self) -> str:
        return "\n".join(self.summary.lines())

    def __repr__(self) -> str:
        return f"Result({self.manifest.scenario!r}, ok={self.ok}, {str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from meshsim.reporting.html import notebook_html

        return notebook_html(self.summary)


def _event(row: dict[str, object], kind: str, subject: object, what: object) -> dict[str, object]:
    return {"time": row["time"], "seed": row["seed"], "kind": kind, "subject": subject, "what": what}
