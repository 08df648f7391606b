"""Every expectation of a scenario judged on a run."""

from __future__ import annotations

from typing import Final

import numpy as np

from meshsim.checks import counts, latencies, propagation, ratios
from meshsim.checks.causes import Bad, causes, in_force
from meshsim.checks.context import Context, not_judged
from meshsim.checks.frame import Frame, Mask
from meshsim.checks.ratios import Judged
from meshsim.checks.verdict import Outcome, Verdict
from meshsim.checks.wording import NEVER, clock, percent, seconds
from meshsim.errors import Position
from meshsim.recording import Run
from meshsim.scenario import (
    Expectation,
    Latency,
    LoadedScenario,
    Nacks,
    Propagation,
    RequestCount,
    Share,
    Span,
    SuccessRate,
)
from meshsim.units import SECOND

_NOT_REACHED: Final = "the run ended before"


def judge(run: Run, loaded: LoadedScenario) -> tuple[Verdict, ...]:
    """One verdict for each expectation, in the order of the file."""
    context = Context(run, Frame(run), loaded.anchors)
    verdicts = []
    for index, expectation in enumerate(loaded.scenario.expect):
        verdicts.append(_judge(context, expectation, loaded.position(f"expect[{index}]")))
    return tuple(verdicts)


def _judge(context: Context, expectation: Expectation, position: Position) -> Verdict:
    name, kind = expectation.name, expectation.kind
    if expectation.success_rate is not None:
        return _success_rate(context, name, expectation.success_rate, position)
    if expectation.share is not None:
        return _share(context, name, expectation.share, position)
    if expectation.latency is not None:
        return _latency(context, name, expectation.latency, position)
    if expectation.requests is not None:
        return _requests(context, name, expectation.requests, position)
    if expectation.propagation is not None:
        return _propagation(context, name, expectation.propagation, position)
    if expectation.nacks is not None:
        return _nacks(context, name, expectation.nacks, position)
    raise AssertionError(f"expectation '{name}' has the unknown kind {kind}")


def _success_rate(context: Context, name: str, detail: SuccessRate, position: Position) -> Verdict:
    if not context.is_reached(detail):
        return not_judged(name, "success_rate", ratios.limit_text(detail), _NOT_REACHED, position)
    subject = context.selected(detail, detail.of)
    good = context.frame.good
    judged = ratios.judge_ratio(int((subject & good).sum()), int(subject.sum()), detail)
    low, _ = ratios.band(detail)
    return _verdict(context, name, "success_rate", judged, Bad(subject, ~good, 1 - low, "failures"), position)


def _share(context: Context, name: str, detail: Share, position: Position) -> Verdict:
    if not context.is_reached(detail):
        return not_judged(name, "share", ratios.limit_text(detail), _NOT_REACHED, position)
    subject = context.windowed(detail) & context.frame.to_end(detail.among)
    if detail.from_ is not None:
        subject &= context.frame.from_end(detail.from_)
    part = context.frame.to_end(detail.of)
    judged = ratios.judge_ratio(int((subject & part).sum()), int(subject.sum()), detail)
    low, high = ratios.band(detail)
    too_many = judged.value is not None and judged.value > high
    case = Bad(subject, part if too_many else ~part, high if too_many else 1 - low, "share", part=part)
    return _verdict(context, name, "share", judged, case, position)


def _latency(context: Context, name: str, detail: Latency, position: Position) -> Verdict:
    if not context.is_reached(detail):
        return not_judged(name, "latency", latencies.limit_text(detail), _NOT_REACHED, position)
    subject = context.selected(detail, detail.of)
    judged = latencies.judge_latency(context.frame.latency[subject], detail)
    return _verdict(context, name, "latency", judged, _slow(context.frame, subject, detail), position)


def _slow(frame: Frame, subject: Mask, detail: Latency) -> Bad:
    """The requests beyond the first limit that the sample does not meet."""
    sample = np.sort(frame.latency[subject])
    for statistic, bounds in latencies.given(detail):
        failed = len(sample) > 0 and not latencies.is_within(latencies.statistic(sample, statistic), bounds)
        if failed and bounds.max is not None:
            tolerated = 1 - latencies.QUANTILES.get(statistic, 0.5)
            return Bad(subject, frame.latency > bounds.max, tolerated, "slow", statistic)
    return Bad(subject, np.zeros(len(frame), bool), 1.0, "slow")


def _requests(context: Context, name: str, detail: RequestCount, position: Position) -> Verdict:
    if not context.is_reached(detail):
        return not_judged(name, "requests", counts.limit_text(detail), _NOT_REACHED, position)
    subject = context.selected(detail, detail.of)
    if detail.status:
        subject &= context.frame.with_status(detail.status)
    if detail.flags:
        subject &= context.frame.with_flags(detail.flags)
    found = int(subject.sum())
    judged = counts.judge_count(found, found, detail)
    sampling = context.run.manifest.sampling
    if sampling < 1 and not (detail.max is not None and found > detail.max):
        reason = f"only {percent(sampling)} of the requests were recorded"
        return not_judged(name, "requests", counts.limit_text(detail), reason, position)
    return _verdict(context, name, "requests", judged, Bad(subject, subject, 0.0, "requests"), position)


def _verdict(context: Context, name: str, kind: str, judged: Judged, case: Bad, position: Position) -> Verdict:
    explained = causes(context, case) if judged.outcome is Outcome.NOT_MET and judged.samples else ()
    return _from(judged, name, kind, explained, position)


def _from(judged: Judged, name: str, kind: str, explained: tuple[str, ...], position: Position) -> Verdict:
    return Verdict(
        name=name,
        kind=kind,
        outcome=judged.outcome,
        observed=judged.observed,
        limit=judged.limit,
        value=judged.value,
        samples=judged.samples,
        interval=judged.interval,
        warnings=judged.warnings,
        causes=explained,
        position=position,
    )


def _propagation(context: Context, name: str, detail: Propagation, position: Position) -> Verdict:
    waves = [wave for wave in propagation.waves(context.run) if not detail.of or wave.id in detail.of]
    wanted = [anchor for anchor in detail.of if context.anchors.span(anchor).begin < context.end]
    if detail.of and not wanted:
        return not_judged(name, "propagation", propagation.limit_text(detail), _NOT_REACHED, position)
    judged = propagation.judge_propagation(waves, detail)
    explained: tuple[str, ...] = ()
    if judged.outcome is Outcome.NOT_MET and judged.samples:
        slowest = max(waves, key=lambda wave: wave.quantile(1.0))
        late = [arrival for arrival in slowest.arrivals if arrival.delay >= (judged.value or NEVER)]
        names = ", ".join(arrival.proxy for arrival in late[:3]) + (f" and {len(late) - 3} more" if late[3:] else "")
        last = slowest.quantile(1.0)
        when = "some proxies never" if last == NEVER else f"last proxy after {seconds(last)}"
        explained = (
            f"slowest: '{slowest.id}' at {clock(slowest.time)}, {when}",
            f"late: {names}",
        )
        end = min(slowest.time + SECOND, context.end)
        acting = in_force(context, Span(slowest.time, end))
        if acting and f"'{slowest.id}'" not in acting:
            explained += (f"meanwhile: {acting}",)
    return _from(judged, name, "propagation", explained, position)


def _nacks(context: Context, name: str, detail: Nacks, position: Position) -> Verdict:
    if not context.is_reached(detail):
        return not_judged(name, "nacks", counts.limit_text(detail), _NOT_REACHED, position)
    rows = context.run.pushes().select(("proxy", "type_url", "answered", "accepted", "reason")).to_pylist()
    answered = [row for row in rows if row["answered"] >= 0 and detail.proxy in (None, row["proxy"])]
    during = context.spans(detail.during) if detail.during is not None else [Span(0, context.end + 1)]
    without = context.spans(detail.except_) if detail.except_ is not None else []
    answered = [row for row in answered if _inside(row["answered"], during) and not _inside(row["answered"], without)]
    rejected = [row for row in answered if row["accepted"] is False]
    judged = counts.judge_count(len(rejected), len(answered), detail)
    explained: tuple[str, ...] = ()
    if judged.outcome is Outcome.NOT_MET and rejected:
        first = rejected[0]
        kind = str(first["type_url"]).rpartition(".")[2]
        explained = (f"first: {first['proxy']} at {clock(first['answered'])} rejected {kind}: {first['reason']}",)
        acting = in_force(context, Span(first["answered"], first["answered"] + SECOND))
        explained += (f"cause: {acting}",) if acting else ()
    return _from(judged, name, "nacks", explained, position)


def _inside(time: int, spans: list[Span]) -> bool:
    return any(span.begin <= time < span.end for span in spans)
