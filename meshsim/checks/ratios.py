"""Success rates and shares: a number out of a number, with the interval that so many samples give."""

from __future__ import annotations

from typing import NamedTuple

from meshsim.checks.intervals import Interval, needed_samples, share_interval
from meshsim.checks.verdict import Outcome
from meshsim.checks.wording import count, percent
from meshsim.scenario import Limits


class Judged(NamedTuple):
    """The part of a verdict that follows from the numbers."""

    outcome: Outcome
    observed: str
    limit: str
    value: float | None
    samples: int
    interval: Interval | None
    warnings: tuple[str, ...]


def band(limits: Limits) -> tuple[float, float]:
    """The shares that meet the limits."""
    if limits.near is not None:
        tolerance = limits.tolerance if limits.tolerance is not None else limits.near / 10
        return max(limits.near - tolerance, 0.0), min(limits.near + tolerance, 1.0)
    return limits.min if limits.min is not None else 0.0, limits.max if limits.max is not None else 1.0


def limit_text(limits: Limits) -> str:
    """The limits as a summary shows them."""
    low, high = band(limits)
    if limits.near is not None:
        return f"{percent(limits.near)} +- {percent((high - low) / 2)}"
    parts = [f">= {percent(limits.min)}"] if limits.min is not None else []
    parts += [f"<= {percent(limits.max)}"] if limits.max is not None else []
    return " and ".join(parts)


def judge_ratio(hits: int, samples: int, limits: Limits) -> Judged:
    """Judge a share.

    `min` and `max` bind what was seen; `near` asks whether the sample contradicts the band, so that chance alone does
    not fail a run, and a sample too small to contradict anything is a warning.
    """
    limit = limit_text(limits)
    if samples == 0:
        return Judged(Outcome.NOT_MET, "no requests", limit, None, 0, None, ())
    share = hits / samples
    interval = share_interval(hits, samples)
    low, high = band(limits)
    warnings: list[str] = []
    if limits.near is not None:
        met = interval.meets(low, high)
        half = (high - low) / 2
        if interval.half_width > half:
            need = count(needed_samples(limits.near, half)) if half > 0 else "no number of"
            warnings.append(
                f"the band of +- {percent(half)} is narrower than the sample can tell: n = {count(samples)} gives "
                f"+- {percent(interval.half_width)}, about {need} requests are needed"
            )
    else:
        met = low <= share <= high
        edges = [edge for edge in (limits.min, limits.max) if edge is not None and interval.low < edge < interval.high]
        if edges:
            warnings.append(
                f"the limit {percent(edges[0])} lies inside the 95 % interval {_range(interval)} of n = "
                f"{count(samples)}: another seed may be judged otherwise"
            )
    outcome = Outcome.MET if met else Outcome.NOT_MET
    return Judged(outcome, percent(share), limit, share, samples, interval, tuple(warnings))


def _range(interval: Interval) -> str:
    return f"{interval.low * 100:.4g}-{percent(interval.high, 3)}"
