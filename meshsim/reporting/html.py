"""One page that opens without a network: verdicts, service graph, charts, timeline; a short form for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.checks import Verdict
from meshsim.checks.frame import Frame
from meshsim.checks.wording import clock, percent, seconds, span
from meshsim.recording import Run
from meshsim.reporting.edges import foremost
from meshsim.reporting.graph import lay_out
from meshsim.reporting.grouping import group_alike
from meshsim.reporting.over_time import (
    marks,
    quantiles_over_time,
    rate_over_time,
    share_over_time,
)
from meshsim.reporting.summary import Summary, verdict_line
from meshsim.reporting.svg import PALETTE, Chart, Line, chart_svg, graph_svg

if TYPE_CHECKING:
    from jinja2 import Environment

REPORT: Final = "report.html"
_EDGES_DRAWN: Final = 80
"""Most arrows of the service graph."""
_EDGES_SHOWN: Final = 8
"""A chart of latencies shows so many edges, the busiest."""


def write_report(run: Run, verdicts: Sequence[Verdict], wall_seconds: float = 0.0) -> Path:
    """Write `report.html` into a recording; returns its path."""
    path = run.folder / REPORT
    path.write_text(report_html(Summary(run, verdicts, wall_seconds)), encoding="utf-8")
    return path


def report_html(summary: Summary) -> str:
    """The page of a run."""
    return _rendered(
        "report.html.j2",
        summary,
        charts=charts(summary.frame),
        waves=[wave for wave in summary.waves if wave.arrivals],
        timeline=summary.run.timeline().to_pylist(),
    )


def notebook_html(summary: Summary) -> str:
    """The verdicts and the service graph, without a page around them."""
    return _rendered("notebook.html.j2", summary)


def _rendered(template: str, summary: Summary, **more: object) -> str:
    grouped = group_alike(summary.edges)
    drawn = foremost(grouped.edges, _EDGES_DRAWN)
    shown = sum(n for edge, n in zip(grouped.edges, grouped.parts, strict=True) if edge in drawn)
    return (
        _environment()
        .get_template(template)
        .render(
            summary=summary,
            manifest=summary.run.manifest,
            verdicts=summary.verdicts,
            verdict_line=verdict_line(summary.verdicts),
            graph=graph_svg(lay_out(drawn, grouped.members)) if drawn else "",
            groups=len(grouped.members),
            left_out=len(summary.edges) - shown,
            **more,
        )
    )


def charts(frame: Frame) -> list[str]:
    """The charts of a run: what clients see, latency of each edge, shares of versions."""
    if not len(frame):
        return []
    found = marks(frame)
    duration = frame.run.duration
    clients = frame.from_client
    lines = [
        Line("answered", rate_over_time(frame, clients & frame.good), PALETTE[2]),
        Line("failed", rate_over_time(frame, clients & ~frame.good), PALETTE[4]),
    ]
    drawn = [chart_svg(lines, Chart("What clients get, requests a second", "", duration, found))]
    drawn.append(chart_svg(_latencies(frame), Chart("Latency p99 by edge", " ms", duration, found)))
    drawn += [chart_svg(lines, Chart(title, " %", duration, found, 100.0)) for title, lines in _shares(frame)]
    return drawn


def _latencies(frame: Frame) -> list[Line]:
    source, destination = frame.names("source"), frame.names("destination")
    counts = frame.combined_counts("source", "destination")
    lines = []
    for colour, (begin, end) in zip(PALETTE, sorted(counts, key=lambda edge: -counts[edge])[:_EDGES_SHOWN]):
        mask = source.where([begin]) & destination.where([end])
        lines.append(Line(f"{begin} → {end}", quantiles_over_time(frame, mask, 0.99, inside=True), colour))
    return lines


def _shares(frame: Frame) -> list[tuple[str, list[Line]]]:
    """Shares of the versions of every destination that has several."""
    destination, version = frame.names("destination"), frame.names("destination_version")
    versions: dict[str, list[str]] = {}
    for name, label in frame.combinations("destination", "destination_version"):
        if label:
            versions.setdefault(name, []).append(label)
    found: list[tuple[str, list[Line]]] = []
    for name, present in versions.items():
        if len(present) < 2:
            continue
        whole = destination.where([name])
        lines = [
            Line(label, share_over_time(frame, version.where([label]), whole), colour)
            for label, colour in zip(present, PALETTE, strict=False)
        ]
        found.append((f"Versions of {name}, share of requests", lines))
    return found


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("meshsim.reporting", "templates"),
        autoescape=select_autoescape(("html", "j2"), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, percent=percent, seconds=seconds, span=span)
    return environment
