"""Why an expectation failed, as far as the recording tells: when it was worst, where, and what was going on then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from meshsim.checks.configuration import config_in_force
from meshsim.checks.context import Context
from meshsim.checks.frame import Mask
from meshsim.checks.latencies import statistic
from meshsim.checks.rows import Latencies, Rows
from meshsim.checks.wording import clock, count, percent, span
from meshsim.scenario import Span
from meshsim.units import SECOND, Nanos

_LEAD: Final = 60 * SECOND
"""An action without end is held responsible for what begins within this time after it."""
_ENDING: Final = ("unready", "stopping", "terminating", "crashed", "lost", "gone")
_FEW: Final = 5
"""Edges with fewer bad requests in the window are not named."""


class Bad(NamedTuple):
    """The requests that an expectation is about, and which of them speak against it."""

    subject: Mask
    bad: Mask
    tolerated: float
    """Share of bad ones that would still be fine."""
    what: str
    """`failures`, `slow`, `share`, or `requests`."""
    quantile: str = "p99"
    """The statistic that a latency expectation is about."""
    part: Mask | None = None
    """The requests that make up a share."""
    inside: bool = False
    """Whether the way of clients outside to their gateway is left out of a latency."""


def causes(context: Context, frame: Rows, case: Bad) -> tuple[str, ...]:
    """A few lines: the worst window and its figures, the edge behind it, the action in force, how to repeat it."""
    window = worst_window(frame, case)
    if window is None:
        return ()
    inside = frame.within([window])
    lines = [f"worst window {clock(window.begin)}-{clock(window.end)}: {_figures(frame, case, inside)}"]
    culprit = _culprit(frame, case, window)
    if culprit is not None:
        lines.append(culprit.text)
    acting = in_force(context, window)
    lines.append(f"cause: {acting}" if acting else "no timeline action was in force then")
    moved = _pods(context, window)
    if moved:
        lines.append(f"meanwhile: {moved}")
    rows = culprit.rows if culprit is not None else case.subject
    lines += _config(context, frame, rows & case.subject & inside if culprit is None else rows & inside, window)
    lines.append(f"repeat: {_repeat(context, frame, case, inside, window)}")
    return tuple(lines)


def worst_window(frame: Rows, case: Bad) -> Span | None:
    """The contiguous seconds with the most bad requests beyond what is tolerated (greatest sum of excess)."""
    bad = frame.by_second(case.subject & case.bad)
    if not bad.any():
        return None
    excess = bad - case.tolerated * frame.by_second(case.subject)
    best, total, begin = (0.0, 0, 0), 0.0, 0
    for second, value in enumerate(excess.tolist()):
        if total <= 0:
            total, begin = 0.0, second
        total += value
        if total > best[0]:
            best = (total, begin, second + 1)
    if best[0] <= 0:
        second = int(bad.argmax())
        best = (0.0, second, second + 1)
    return Span(best[1] * SECOND, min(best[2] * SECOND, frame.run.duration))


def _figures(frame: Rows, case: Bad, inside: Mask) -> str:
    rows = case.subject & inside
    samples = int(rows.sum())
    if case.part is not None:
        return f"{percent(int((rows & case.part).sum()) / samples)} (n = {count(samples)})"
    if case.what == "slow":
        sample = frame.sample(rows, case.inside)
        text = f"{case.quantile} {span(statistic(sample, case.quantile))}"
    else:
        hits = int((rows & case.bad).sum())
        text = f"{count(hits)} of them" if case.what == "requests" else f"{percent(hits / samples)} failed"
    return f"{text} (n = {count(samples)}){_flags(frame, rows & case.bad)}{_retries(frame, rows & case.bad)}"


def _flags(frame: Rows, rows: Mask) -> str:
    column = frame.names("flags")
    codes, sizes = np.unique(column.codes[rows], return_counts=True)
    named = [(int(size), column.names[code]) for code, size in zip(codes, sizes, strict=True) if column.names[code]]
    if not named:
        return ""
    total = int(rows.sum())
    texts = [f"{name} {percent(size / total, 1)}" for size, name in sorted(named, reverse=True)[:3]]
    return f", flags {', '.join(texts)}"


def _retries(frame: Rows, rows: Mask) -> str:
    retried = int((frame.retried & rows).sum())
    return f", {percent(retried / int(rows.sum()), 1)} of them retried" if retried else ""


class _Edge(NamedTuple):
    source: str
    destination: str
    version: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}{f' {self.version}' if self.version else ''}"


class _Culprit(NamedTuple):
    """An edge that was bad itself, and what there is to say of it."""

    text: str
    rows: Mask


def _culprit(frame: Rows, case: Bad, window: Span) -> _Culprit | None:
    """The deepest edge that was bad in the window: what its caller suffered from, not what it passed on."""
    if case.what in ("requests", "share"):
        return None
    inside = frame.within([window])
    outside = ~inside
    worst: tuple[float, _Culprit] | None = None
    for edge, rows in edges(frame, inside):
        scored = _failing(frame, rows & inside) if case.what == "failures" else _slower(frame, rows, inside, outside)
        if scored is not None and (worst is None or scored[0] > worst[0]):
            worst = (scored[0], _Culprit(f"where: {edge} {scored[1]}", rows))
    return worst[1] if worst else None


def _config(context: Context, frame: Rows, rows: Mask, window: Span) -> list[str]:
    """The objects that routed most of these requests, with the lines that made them so."""
    asked = Counter(zip(*(frame.names(name).values(rows) for name in ("service", "route")), strict=True))
    if not asked:
        return []
    (service, route), _ = asked.most_common(1)[0]
    middle = (window.begin + window.end) // 2
    found = config_in_force(context.loaded, service, route, middle)
    return [f"{'config in force:' if number == 0 else ' ' * 16} {text}" for number, text in enumerate(found)]


def edges(frame: Rows, rows: Mask) -> list[tuple[_Edge, Mask]]:
    """The edges that these requests use, each with all its requests, by name."""
    columns = ("source", "destination", "destination_version")
    found: list[tuple[_Edge, Mask]] = []
    for names in frame.combinations(*columns, rows=rows):
        mask = np.logical_and.reduce([frame.names(c).where([name]) for c, name in zip(columns, names, strict=True)])
        found.append((_Edge(*names), mask))
    return found


def _failing(frame: Rows, rows: Mask) -> tuple[float, str] | None:
    """Failures of an edge less those its destination's own calls explain."""
    failed = rows & ~frame.good
    bad = int(failed.sum())
    if bad < _FEW:
        return None
    destination = set(np.unique(frame.names("destination").codes[rows]).tolist())
    names = {frame.names("destination").names[code] for code in destination}
    onward = frame.names("source").where(names) & ~frame.good
    roots = np.intersect1d(frame.root[failed], frame.root[onward])
    own = int((~np.isin(frame.root[failed], roots)).sum())
    if own < _FEW:
        return None
    return float(own), f"failed {percent(bad / int(rows.sum()))} (n = {count(int(rows.sum()))}){_flags(frame, failed)}"


def _slower(frame: Rows, rows: Mask, inside: Mask, outside: Mask) -> tuple[float, str] | None:
    """How much slower an edge's own time was in the window than outside of it."""
    here, there = frame.own_time[rows & inside], frame.own_time[rows & outside]
    if len(here) < _FEW:
        return None
    now = Latencies(np.sort(here)).quantile(0.99)
    before = Latencies(np.sort(there)).quantile(0.99)
    if now <= before:
        return None
    usual = f", {span(before)} at other times" if len(there) else ""
    return now - before, f"p99 {span(now)} without its own calls (n = {count(len(here))}){usual}"


def in_force(context: Context, window: Span) -> str:
    """The timeline action whose time in force fits the window best."""
    best: tuple[float, str] | None = None
    marks = {row["id"]: row for row in context.run.timeline().to_pylist() if row["begins"]}
    for name in context.anchors.ids:
        acting = context.anchors.span(name)
        lasting = not context.anchors.is_undone(name)
        # What an action without end causes is what begins soon after it, however long that lasts.
        if lasting and window.begin > acting.begin + _LEAD:
            continue
        end = min(acting.end, window.end) if lasting else acting.end
        overlap = min(end, window.end) - max(acting.begin, window.begin)
        if overlap <= 0:
            continue
        fit = overlap / (max(end, window.end) - min(acting.begin, window.begin))
        if best is None or fit > best[0]:
            detail = str(marks[name]["detail"]) if name in marks else ""
            until = f"-{clock(acting.end)}" if context.anchors.is_undone(name) else " on"
            text = f"timeline '{name}'{f' ({detail})' if detail else ''}, in force {clock(acting.begin)}{until}"
            best = (fit, text)
    return best[1] if best else ""


def _pods(context: Context, window: Span) -> str:
    """What happened to pods in or shortly before the window."""
    early = window.begin - 5 * SECOND
    texts = [
        f"{row['pod']} {row['phase']} at {clock(row['time'] // SECOND * SECOND)}"
        for row in context.run.pods().to_pylist()
        if row["phase"] in _ENDING and early <= row["time"] < window.end and row["time"] > 0
    ]
    shown: Sequence[str] = list(dict.fromkeys(texts))
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _repeat(context: Context, frame: Rows, case: Bad, inside: Mask, window: Span) -> str:
    seeds = frame.seed[case.subject & case.bad & inside]
    values, sizes = np.unique(seeds, return_counts=True)
    seed = int(values[sizes.argmax()]) if len(values) else context.run.manifest.seeds[0]
    until: Nanos = min(window.end + 5 * SECOND, context.run.duration)
    return f"meshsim run {context.run.manifest.scenario_file} --seed {seed} --until {clock(until)}"
