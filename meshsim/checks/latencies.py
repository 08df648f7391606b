"""Latency statistics of requests: percentiles by nearest rank, the mean, and how far the sample can be trusted."""

from __future__ import annotations

from typing import Final

from meshsim.checks.frame import Sample
from meshsim.checks.intervals import Interval
from meshsim.checks.ratios import Judged
from meshsim.checks.verdict import Outcome
from meshsim.checks.wording import count, limit_span, span
from meshsim.scenario import Bounds, Latency
from meshsim.units import Nanos

QUANTILES: Final = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
MEAN: Final = "mean"
_FEW: Final = 10
"""A percentile that rests on fewer requests above it is a guess."""


def statistic(sample: Sample, name: str) -> float:
    """A statistic of a sample."""
    return sample.mean() if name == MEAN else sample.quantile(QUANTILES[name])


def statistic_interval(sample: Sample, name: str) -> Interval:
    """Its 95 % interval."""
    return sample.mean_interval() if name == MEAN else sample.quantile_interval(QUANTILES[name])


def limit_texts(name: str, bounds: Bounds) -> list[str]:
    """Limits as a summary shows them."""
    texts = [f"{name} >= {limit_span(bounds.min)}"] if bounds.min is not None else []
    return texts + ([f"{name} <= {limit_span(bounds.max)}"] if bounds.max is not None else [])


def given(detail: Latency) -> list[tuple[str, Bounds]]:
    """The statistics that an expectation limits."""
    pairs = ((name, getattr(detail, name)) for name in (*QUANTILES, MEAN))
    return [(name, bounds) for name, bounds in pairs if bounds is not None]


def limit_text(detail: Latency) -> str:
    """All limits of an expectation."""
    return ", ".join(text for name, bounds in given(detail) for text in limit_texts(name, bounds))


def judge_latency(sample: Sample, detail: Latency) -> Judged:
    """Judge a sample; of several statistics the first that is not met decides."""
    limit = limit_text(detail)
    if sample.size == 0:
        return Judged(Outcome.NOT_MET, "no requests", limit, None, 0, None, ())
    results = [(name, bounds, statistic(sample, name)) for name, bounds in given(detail)]
    failed = [(name, bounds, value) for name, bounds, value in results if not is_within(value, bounds)]
    name, _, value = (failed or results)[0]
    texts = [span(result) if len(results) == 1 else f"{key} {span(result)}" for key, _, result in results]
    return Judged(
        Outcome.NOT_MET if failed else Outcome.MET,
        ", ".join(texts),
        limit,
        value,
        sample.size,
        statistic_interval(sample, name),
        tuple(_warnings(sample, results)),
    )


def is_within(value: float, bounds: Bounds) -> bool:
    """Whether a value meets its limits."""
    return (bounds.min is None or value >= bounds.min) and (bounds.max is None or value <= bounds.max)


def _warnings(sample: Sample, results: list[tuple[str, Bounds, float]]) -> list[str]:
    samples = sample.size
    found: list[str] = []
    for name, bounds, value in results:
        quantile = QUANTILES.get(name)
        beyond = samples * (1 - quantile) if quantile is not None else samples
        if beyond < _FEW:
            found.append(f"{name} of n = {count(samples)} rests on {beyond:.0f} requests; run longer or more seeds")
            continue
        interval = statistic_interval(sample, name)
        limits: list[Nanos] = [edge for edge in (bounds.min, bounds.max) if edge is not None]
        bucket = sample.resolution(value)
        if name != MEAN and any(bucket.low < edge < bucket.high for edge in limits):
            found.append(
                f"{name} lies between {span(bucket.low)} and {span(bucket.high)}, more the series does not tell: "
                "record every request (--sampling 100%)"
            )
            continue
        inside = [edge for edge in limits if interval.low < edge < interval.high]
        if inside:
            found.append(
                f"the limit {limit_span(inside[0])} lies inside the 95 % interval {span(interval.low)} to "
                f"{span(interval.high)} of {name}, n = {count(samples)}: another seed may be judged otherwise"
            )
    return found
