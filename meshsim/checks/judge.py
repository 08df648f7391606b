"""Every expectation of a scenario judged on a run.

Where every request was recorded, its rows are judged. Of a sampled run the engine's own counts are, which are complete;
only what they do not tell (which pod it was) is judged on the sample, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from meshsim.checks import counts, latencies, propagation, ratios
from meshsim.checks.causes import Bad, causes, in_force
from meshsim.checks.cells import counted, is_counted
from meshsim.checks.context import Context, not_judged
from meshsim.checks.frame import Frame, Mask
from meshsim.checks.ratios import Judged
from meshsim.checks.rows import Rows
from meshsim.checks.verdict import Outcome, Verdict
from meshsim.checks.wording import NEVER, clock, count, percent, seconds
from meshsim.errors import Position
from meshsim.recording import Run
from meshsim.scenario import (
    End,
    Expectation,
    Latency,
    LoadedScenario,
    Nacks,
    Propagation,
    RequestCount,
    Share,
    Span,
    SuccessRate,
    Windowed,
)
from meshsim.units import SECOND

_NOT_REACHED: Final = "the run ended before"
_OPEN: Final = "the windows are too short for the series, which knows seconds: record every request"
_Case = Callable[[Context], Bad]
"""What speaks against an expectation, among the requests of a context."""


def judge(run: Run, loaded: LoadedScenario) -> tuple[Verdict, ...]:
    """One verdict for each expectation, in the order of the file."""
    court = _Court(Context(run, counted(run), loaded))
    verdicts = []
    for index, expectation in enumerate(loaded.scenario.expect):
        verdicts.append(_judge(court, expectation, loaded.position(f"expect[{index}]")))
    return tuple(verdicts)


@dataclass
class _Court:
    """What there is to judge by."""

    counted: Context
    """All requests."""

    @cached_property
    def recorded(self) -> Context:
        """The requests recorded one by one."""
        frame = self.counted.frame
        return replace(self.counted, frame=frame if isinstance(frame, Rows) else Rows(self.counted.run))

    def hears(self, *ends: End | None) -> tuple[Context, tuple[str, ...]]:
        """The requests that an expectation with these ends is judged on, and what to know about them."""
        if not self.counted.sampled or is_counted(*ends):
            return self.counted, ()
        share = percent(self.counted.run.manifest.sampling)
        return self.recorded, (f"judged on the {share} of the requests that were recorded: only they tell pods apart",)


def _judge(court: _Court, expectation: Expectation, position: Position) -> Verdict:
    name, kind = expectation.name, expectation.kind
    if expectation.success_rate is not None:
        return _success_rate(court, name, expectation.success_rate, position)
    if expectation.share is not None:
        return _share(court, name, expectation.share, position)
    if expectation.latency is not None:
        return _latency(court, name, expectation.latency, position)
    if expectation.requests is not None:
        return _requests(court, name, expectation.requests, position)
    if expectation.propagation is not None:
        return _propagation(court.counted, name, expectation.propagation, position)
    if expectation.nacks is not None:
        return _nacks(court.counted, name, expectation.nacks, position)
    raise AssertionError(f"expectation '{name}' has the unknown kind {kind}")


def _success_rate(court: _Court, name: str, detail: SuccessRate, position: Position) -> Verdict:
    context, notes = court.hears(detail.from_, detail.to)
    if not context.is_reached(detail):
        return not_judged(name, "success_rate", ratios.limit_text(detail), _NOT_REACHED, position)
    frame = context.frame
    if _is_open(context, detail, context.between(detail, detail.of)):
        return not_judged(name, "success_rate", ratios.limit_text(detail), _OPEN, position)
    subject = context.selected(detail, detail.of)
    judged = ratios.judge_ratio(frame.count(subject & frame.good), frame.count(subject), detail)
    low, _ = ratios.band(detail)

    def case(seen: Context) -> Bad:
        return Bad(seen.selected(detail, detail.of), ~seen.frame.good, 1 - low, "failures")

    return _verdict(court, name, "success_rate", _noted(judged, notes), case, position)


def _share(court: _Court, name: str, detail: Share, position: Position) -> Verdict:
    context, notes = court.hears(detail.of, detail.among, detail.from_)
    if not context.is_reached(detail):
        return not_judged(name, "share", ratios.limit_text(detail), _NOT_REACHED, position)
    frame = context.frame
    whole, part = _whole(context, detail), frame.to_end(detail.of)
    if _is_open(context, detail, whole):
        return not_judged(name, "share", ratios.limit_text(detail), _OPEN, position)
    subject = whole & context.windowed(detail)
    judged = ratios.judge_ratio(frame.count(subject & part), frame.count(subject), detail)
    low, high = ratios.band(detail)
    too_many = judged.value is not None and judged.value > high

    def case(seen: Context) -> Bad:
        own = seen.frame.to_end(detail.of)
        tolerated = high if too_many else 1 - low
        return Bad(
            _whole(seen, detail) & seen.windowed(detail), own if too_many else ~own, tolerated, "share", part=own
        )

    return _verdict(court, name, "share", _noted(judged, notes), case, position)


def _whole(context: Context, detail: Share) -> Mask:
    """The requests of which a share is asked for, whenever they began."""
    mask = context.frame.to_end(detail.among)
    return mask if detail.from_ is None else mask & context.frame.from_end(detail.from_)


def _latency(court: _Court, name: str, detail: Latency, position: Position) -> Verdict:
    context, notes = court.hears(detail.from_, detail.to)
    if not context.is_reached(detail):
        return not_judged(name, "latency", latencies.limit_text(detail), _NOT_REACHED, position)
    if _is_open(context, detail, context.between(detail, detail.of)):
        return not_judged(name, "latency", latencies.limit_text(detail), _OPEN, position)
    subject = context.selected(detail, detail.of)
    judged = latencies.judge_latency(context.frame.sample(subject, _from_inside(context.frame, detail)), detail)
    return _verdict(
        court, name, "latency", _noted(judged, notes), lambda seen: _slow(seen, court.recorded, detail), position
    )


def _from_inside(frame: Frame, detail: Latency) -> bool:
    """Whether the way of clients outside to their gateway is left out: it is theirs, not the gateway's."""
    return detail.of is None and (detail.to is None or not frame.is_gateway(detail.to))


def _slow(context: Context, recorded: Context, detail: Latency) -> Bad:
    """The requests beyond the first limit that the sample does not meet."""
    frame = recorded.frame
    assert isinstance(frame, Rows)
    inside = _from_inside(frame, detail)
    subject = context.selected(detail, detail.of)
    sample = frame.sample(subject, inside)
    for statistic, bounds in latencies.given(detail):
        failed = sample.size > 0 and not latencies.is_within(latencies.statistic(sample, statistic), bounds)
        if failed and bounds.max is not None:
            tolerated = 1 - latencies.QUANTILES.get(statistic, 0.5)
            slow = (frame.inner if inside else frame.latency) > bounds.max
            return Bad(subject, slow, tolerated, "slow", statistic, inside=inside)
    return Bad(subject, np.zeros(len(frame), bool), 1.0, "slow")


def _requests(court: _Court, name: str, detail: RequestCount, position: Position) -> Verdict:
    context, _ = court.hears(detail.from_, detail.to)
    if not context.is_reached(detail):
        return not_judged(name, "requests", counts.limit_text(detail), _NOT_REACHED, position)
    frame = context.frame
    chosen = _counted_ones(context, detail)
    surely, maybe = (frame.count(chosen & mask) for mask in context.limits(detail))
    judged = counts.judge_count(surely, surely, detail)
    if maybe != surely:
        judged = judged._replace(observed=f"{count(surely)} to {count(maybe)}")
    reason = ""
    if frame.fraction < 1:
        exceeded = detail.max is not None and surely > detail.max
        reason = "" if exceeded else f"only {percent(frame.fraction)} of the requests were recorded"
    elif counts.is_met(surely, detail) != counts.is_met(maybe, detail):
        reason = f"between {count(surely)} and {count(maybe)}, which the series does not tell: record every request"
    if reason:
        return not_judged(name, "requests", counts.limit_text(detail), reason, position)

    def case(seen: Context) -> Bad:
        subject = seen.windowed(detail) & _counted_ones(seen, detail)
        return Bad(subject, subject, 0.0, "requests")

    return _verdict(court, name, "requests", judged, case, position)


def _counted_ones(context: Context, detail: RequestCount) -> Mask:
    """The requests that are counted, whenever they began."""
    mask = context.between(detail, detail.of)
    if detail.status:
        mask &= context.frame.with_status(detail.status)
    if detail.flags:
        mask &= context.frame.with_flags(detail.flags)
    return mask


def _is_open(context: Context, detail: Windowed, chosen: Mask) -> bool:
    """Whether some of these requests may have begun in the windows, but none surely did."""
    surely, maybe = (context.frame.count(chosen & mask) for mask in context.limits(detail))
    return maybe > 0 and surely == 0


def _noted(judged: Judged, notes: tuple[str, ...]) -> Judged:
    return judged._replace(warnings=notes + judged.warnings) if notes else judged


def _verdict(court: _Court, name: str, kind: str, judged: Judged, case: _Case, position: Position) -> Verdict:
    explained: tuple[str, ...] = ()
    if judged.outcome is Outcome.NOT_MET and judged.samples:
        context = court.recorded
        assert isinstance(context.frame, Rows)
        explained = causes(context, context.frame, case(context))
        if context.sampled:
            explained = _of_sample(context, explained)
    return _from(judged, name, kind, explained, position)


def _of_sample(context: Context, explained: tuple[str, ...]) -> tuple[str, ...]:
    """What the requests recorded one by one tell of a verdict on all of them."""
    share = percent(context.run.manifest.sampling)
    if not explained:
        return (f"the {share} of the requests that were recorded tell no more: record more of them",)
    return (f"among the {share} of the requests that were recorded:", *explained)


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
