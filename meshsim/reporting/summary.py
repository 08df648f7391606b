"""The terminal summary of a run: its timeline with propagation, its edges, its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from meshsim.checks import Outcome, Verdict, Wave, waves
from meshsim.checks.cells import counted
from meshsim.checks.frame import Frame
from meshsim.checks.wording import clock, count, number, percent, seconds, span
from meshsim.recording import Run
from meshsim.reporting.columns import Colour, Style, align
from meshsim.reporting.edges import Edge, edges, foremost
from meshsim.scenario import Span
from meshsim.units import MINUTE, Nanos

_WORDS: Final = {Outcome.MET: "PASS", Outcome.NOT_MET: "FAIL", Outcome.NOT_JUDGED: "SKIP"}
_COLOURS: Final = {Outcome.MET: Colour.GREEN, Outcome.NOT_MET: Colour.RED, Outcome.NOT_JUDGED: Colour.YELLOW}
_SHOWN: Final = 40
"""Most edges of the table; the report has all of them."""
_SHARED_VERSIONS: Final = 4
"""Up to so many distinct versions in a run share one column heading."""


@dataclass
class Summary:
    """What a summary tells, gathered from a recording once."""

    run: Run
    verdicts: Sequence[Verdict]
    wall_seconds: float = 0.0
    report: str = ""
    """The file to look at next."""
    style: Style = field(default_factory=lambda: Style(False))

    @cached_property
    def frame(self) -> Frame:
        """All requests of the run."""
        return counted(self.run)

    @cached_property
    def edges(self) -> list[Edge]:
        """Who called whom."""
        return self.run.once("edges", lambda run: edges(counted(run)))

    @cached_property
    def waves(self) -> list[Wave]:
        """How the timeline's changes reached the proxies."""
        return waves(self.run)

    def lines(self) -> list[str]:
        """The whole summary."""
        parts = [self.head(), *self.timeline()]
        for block in (self.traffic(), self.judged(), self.notes()):
            if block:
                parts += ["", *block]
        return [*parts, "", self.foot()]

    def head(self) -> str:
        """One line: which scenario, how big."""
        manifest = self.run.manifest
        # Pods are named anew in every replication: the first one counts.
        rows = [row for row in self.run.proxies().to_pylist() if row["seed"] == manifest.seeds[0]]
        proxies = {row["proxy"] for row in rows}
        workloads = {(row["namespace"], row["workload"]) for row in rows}
        seeds = f"seed {_ranges(manifest.seeds)}"
        given = f"with {', '.join(manifest.mesh_config)}" if manifest.mesh_config else "defaults"
        mesh = f"Istio {manifest.istio} {given}"
        size = f"{number(len(workloads), 'workload')}, {number(len(proxies), 'proxy', 'proxies')}"
        return "  ".join([self.style(manifest.scenario, Colour.BOLD), seeds, mesh, size])

    def timeline(self) -> list[str]:
        """What happened, and how fast it reached the proxies or what failed meanwhile."""
        marks = self.run.timeline().to_pylist()
        first = min((mark["seed"] for mark in marks), default=0)
        rows = []
        for mark in marks:
            if not mark["begins"] or mark["seed"] != first:
                continue
            reverts = [m["time"] for m in marks if m["id"] == mark["id"] and not m["begins"] and m["seed"] == first]
            effect = self._effect(mark["id"], mark["time"], min(reverts, default=None))
            undone = f", undone at {clock(reverts[0])}" if reverts else ""
            rows.append([clock(mark["time"]), mark["id"], mark["detail"], effect + undone])
        return align(rows, right=(0,))

    def _effect(self, name: str, begin: Nanos, end: Nanos | None) -> str:
        reached = [wave for wave in self.waves if wave.id == name and wave.begins and wave.arrivals]
        if reached:
            proxies = max(len(wave.arrivals) for wave in reached)
            slowest = max(wave.quantile(0.99) for wave in reached)
            return f"{number(proxies, 'proxy', 'proxies')} in {seconds(slowest)} (p99)"
        until = end if end is not None else min(begin + MINUTE, self.run.duration)
        failed = self.frame.from_client & ~self.frame.good & self.frame.within([Span(begin, until)])
        return f"{number(self.frame.count(failed), 'request')} failed meanwhile"

    def traffic(self) -> list[str]:
        """The edges as a table."""
        if not self.edges:
            return []
        shown = foremost(self.edges, _SHOWN)
        versions = sorted({name for edge in shown for name, _ in edge.versions})
        shared = len(versions) <= _SHARED_VERSIONS
        heading = "/".join(versions) if shared else "versions"
        rows = [["from", "to", "rps", "ok", "p50", "p99", heading]]
        for edge in shown:
            rows.append(
                [
                    edge.caller,
                    edge.destination,
                    f"{edge.rate_per_s:,.1f}",
                    percent(edge.good, 1),
                    span(edge.p50),
                    span(edge.p99),
                    _split(edge, versions if shared else []),
                ]
            )
        left = len(self.edges) - len(shown)
        more = [f"  and {number(left, 'more edge')}, with fewer failures or requests: see the report"] if left else []
        return align(rows, right=(2, 3, 4, 5)) + more

    def judged(self) -> list[str]:
        """The verdicts, those not met with their place and cause."""
        rows = [[v.name, v.observed, _limit(v), _place(v)] for v in self.verdicts]
        lines: list[str] = []
        for verdict, line in zip(self.verdicts, align(rows, indent=""), strict=True):
            word = self.style(_WORDS[verdict.outcome], _COLOURS[verdict.outcome])
            lines.append(f"  {word}  {line}".rstrip())
            lines += [f"        {cause}" for cause in verdict.causes]
        return lines

    def notes(self) -> list[str]:
        """What to know before the result is trusted."""
        found = [f"{verdict.name}: {text}" for verdict in self.verdicts for text in verdict.warnings]
        found += list(self.run.manifest.notes)
        return [f"  {self.style('note', Colour.YELLOW)}  {text}" for text in found]

    def foot(self) -> str:
        """One line: the result, the cost, where to look."""
        manifest = self.run.manifest
        parts = [verdict_line(self.verdicts)]
        times = f" x {len(manifest.seeds)}" if len(manifest.seeds) > 1 else ""
        took = f" in {self.wall_seconds:.1f} s" if self.wall_seconds else ""
        parts.append(f"{clock(self.run.duration)}{times} simulated{took}")
        if self.report:
            parts.append(self.report)
        return "   ".join(parts)


def verdict_line(verdicts: Sequence[Verdict]) -> str:
    """`5 of 6 expectations met`."""
    if not verdicts:
        return "no expectations"
    judged = [verdict for verdict in verdicts if verdict.outcome is not Outcome.NOT_JUDGED]
    text = f"{sum(v.met for v in judged)} of {number(len(judged), 'expectation')} met"
    skipped = len(verdicts) - len(judged)
    return f"{text}, {skipped} not judged" if skipped else text


def failures(verdicts: Sequence[Verdict], style: Style) -> list[str]:
    """The verdicts that were not met, with place and cause."""
    lines: list[str] = []
    for verdict in verdicts:
        if verdict.outcome is not Outcome.NOT_MET:
            continue
        word = style("FAIL", Colour.RED)
        lines.append(f"  {word}  {verdict.name}  {expectation_text(verdict)}{_place(verdict, '      ')}")
        lines += [f"        {cause}" for cause in verdict.causes]
    return lines


def expectation_text(verdict: Verdict) -> str:
    """`486 ms, expected p99 <= 300 ms`."""
    return f"{verdict.observed}, expected {verdict.limit}"


def _limit(verdict: Verdict) -> str:
    if verdict.interval is None or verdict.kind != "share":
        return verdict.limit
    low, high = verdict.interval
    return f"{verdict.limit} (95 % interval {low * 100:.3g}-{high * 100:.3g}, n = {count(verdict.samples)})"


def _place(verdict: Verdict, gap: str = "") -> str:
    if verdict.outcome is not Outcome.NOT_MET or verdict.position is None:
        return ""
    return f"{gap}{verdict.position.file}:{verdict.position.line}"


def _split(edge: Edge, versions: list[str]) -> str:
    if not edge.versions:
        return ""
    if versions:
        shares = dict(edge.versions)
        return "/".join(f"{shares.get(name, 0.0) * 100:.0f}" for name in versions)
    if len(edge.versions) == 1:
        return edge.versions[0][0]
    return " ".join(f"{name} {share * 100:.0f}" for name, share in edge.versions)


def _ranges(seeds: Sequence[int]) -> str:
    """`1-5` for consecutive seeds, else a list."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(str(seed) for seed in seeds)
