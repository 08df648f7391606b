"""Replayed runs of an experiment against the recorded ones: exactly, or within what chance allows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import fmean, variance
from typing import Final

from meshsim.dataplane.counters import GAUGES
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.dynamics_recording import Answer, Run

TIMER_MS: Final = 5.0
HOP_MS: Final = 3.0
"""What a shared machine adds to each hop of a recording."""
_STATUS: Final = re.compile(r"(retry\.)?upstream_rq_\d..")
_UNSETTLED: Final = frozenset(
    {
        "upstream_cx_destroy",
        "upstream_cx_idle_timeout",
        "upstream_cx_max_duration_reached",
        "upstream_cx_http1_total",
        "upstream_cx_http2_total",
        "upstream_rq_pending_total",
    }
)
"""Counters that a recording does not settle: which connections are closed when it ends, and how many requests of a
burst came before the connection was up, was its client's doing; connections by protocol were left out of it."""
DEVIATIONS: Final = 3.0
"""Standard deviations within which a count is chance."""
COUNTS: Final = ("outcomes", "tries", "by_host")
"""What is counted of a run: its fields."""


def compare_exactly(recorded: Sequence[Run], played: Run, rotates: bool | None) -> Iterator[Mismatch]:
    """Differences of a deterministic experiment; `rotates`: hosts are compared up to rotation, None: not at all."""
    first = recorded[0]
    if not first.answers:
        yield from compare_counts(recorded, [played])
        return
    if len(first.answers) != len(played.answers):
        yield Mismatch("requests", len(first.answers), len(played.answers))
        return
    shift = _shift(first, played) if rotates else 0
    for number, (want, got) in enumerate(zip(first.answers, played.answers)):
        same_time = [run.answers[number].duration for run in recorded if number < len(run.answers)]
        yield from _compare_answer(f"requests[{number}]", want, got, same_time, max(run.stall for run in recorded))
        if rotates is not None:
            reached = _shifted(played.reached.get(number, []), shift, _host_count(first, played))
            if first.reached.get(number, []) != reached:
                yield Mismatch(f"requests[{number}]/hosts", first.reached.get(number, []), reached)
    yield from compare_stats(recorded, played)
    if first.shadows != played.shadows:
        yield Mismatch("shadows", first.shadows, played.shadows)


def _compare_answer(path: str, want: Answer, got: Answer, times: Sequence[float], stall: float) -> Iterator[Mismatch]:
    for name in ("status", "error", "flags", "attempts"):
        if getattr(want, name) != getattr(got, name):
            yield Mismatch(f"{path}/{name}", getattr(want, name), getattr(got, name))
    if want.details and got.details and not want.details.startswith(got.details):
        yield Mismatch(f"{path}/details", want.details, got.details)
    slack = TIMER_MS + stall + HOP_MS * (1 + got.attempts)
    if all(abs(time - got.duration) > slack for time in times):
        yield Mismatch(f"{path}/duration_ms", want.duration, round(got.duration, 1))


def _host_count(first: Run, played: Run) -> int:
    hosts = [h for run in (first, played) for reached in run.reached.values() for h in reached]
    return max(hosts, default=0) + 1


def _shift(first: Run, played: Run) -> int:
    """How far the order of hosts of the replay is behind the recorded one."""
    for number, hosts in sorted(first.reached.items()):
        mine = played.reached.get(number)
        if hosts and mine:
            return hosts[0] - mine[0]
    return 0


def _shifted(hosts: Sequence[int], shift: int, count: int) -> list[int]:
    return [(host + shift) % count for host in hosts]


def compare_stats(recorded: Sequence[Run], played: Run) -> Iterator[Mismatch]:
    """Counters that both sides have; what differs between the recorded runs may be anything between."""
    for cluster, mine in played.stats.items():
        theirs = [run.stats.get(cluster, {}) for run in recorded]
        statuses = {name for stats in theirs for name in stats if _STATUS.fullmatch(name)}
        for name in sorted({*mine, *statuses} - GAUGES - _UNSETTLED):
            seen = [stats.get(name, 0) for stats in theirs]
            if not min(seen) <= mine.get(name, 0) <= max(seen):
                yield Mismatch(f"stats/{cluster}/{name}", seen[0], mine.get(name, 0))


def compare_counts(recorded: Sequence[Run], played: Sequence[Run]) -> Iterator[Mismatch]:
    """Counts of outcomes, answering hosts and tries that are not what chance allows."""
    requests = [sum(_pooled(runs, "outcomes").values()) for runs in (recorded, played)]
    for name in COUNTS:
        want, got = _pooled(recorded, name), _pooled(played, name)
        for key in sorted({*want, *got}, key=str):
            counts = want[key], got[key]
            if improbable(counts, requests):
                shares = (f"{count} of {number}" for count, number in zip(counts, requests))
                yield Mismatch(f"{name}/{key}", *shares)
    yield from _compare_means(recorded, played)
    shadows = [sum(run.shadows for run in runs) / len(runs) for runs in (recorded, played)]
    if abs(shadows[0] - shadows[1]) > DEVIATIONS * sqrt(max(shadows)):
        yield Mismatch("shadows", *shadows)


def _compare_means(recorded: Sequence[Run], played: Sequence[Run]) -> Iterator[Mismatch]:
    """Mean times in the proxy and mean gaps between attempts."""
    stall = max((run.stall for run in recorded), default=0.0)
    times = [[a.duration for run in runs for a in run.answers] for runs in (recorded, played)]
    if all(times) and not any(answer.error for run in recorded for answer in run.answers):
        yield from _compare_mean("duration_ms", times, stall)
    for number in sorted({number for run in recorded for number in run.gaps}):
        gaps = [[gap for run in runs for gap in run.gaps.get(number, [])] for runs in (recorded, played)]
        yield from _compare_mean(f"gaps_ms/{number}", gaps, stall)


def _compare_mean(path: str, samples: Sequence[Sequence[float]], stall: float) -> Iterator[Mismatch]:
    want, got = samples
    if len(want) < 2 or len(got) < 2:
        return
    slack = DEVIATIONS * sqrt(variance(want) / len(want) + variance(got) / len(got)) + TIMER_MS + HOP_MS + stall
    if abs(fmean(want) - fmean(got)) > slack:
        yield Mismatch(path, round(fmean(want), 1), round(fmean(got), 1))


def _pooled(runs: Sequence[Run], name: str) -> Counter[object]:
    total: Counter[object] = Counter()
    for run in runs:
        total.update(getattr(run, name))
    return total


def improbable(counts: Sequence[int], numbers: Sequence[int]) -> bool:
    """Whether two samples of these numbers differ in one share by more than three standard deviations."""
    n, m = numbers
    if not n or not m:
        return n != m
    pooled = sum(counts) / (n + m)
    difference = abs(counts[0] / n - counts[1] / m)
    return difference > DEVIATIONS * sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) + 1e-12
