"""Latency statistics and their limits."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.checks import Outcome
from meshsim.checks.cells import Buckets
from meshsim.checks.latencies import judge_latency, statistic
from meshsim.checks.rows import Latencies
from meshsim.scenario import Latency
from meshsim.units import MILLISECOND


def detail(**given: dict[str, str]) -> Latency:
    return Latency.model_validate({"of": "x", **given})


def first(count: int) -> Latencies:
    return Latencies(np.arange(1, count + 1, dtype=np.int64) * MILLISECOND)


SAMPLE = first(2000)


def test_statistics_by_name() -> None:
    assert statistic(SAMPLE, "p999") == SAMPLE.quantile(0.999) == 1998 * MILLISECOND
    assert statistic(SAMPLE, "mean") == pytest.approx(1000.5 * MILLISECOND)


def test_the_statistic_that_fails_decides() -> None:
    judged = judge_latency(SAMPLE, detail(p50={"max": "2s"}, p99={"max": "1s"}))
    assert judged.outcome is Outcome.NOT_MET
    assert judged.value == 1980 * MILLISECOND
    assert judged.observed == "p50 1,000 ms, p99 1,980 ms"
    assert judged.limit == "p50 <= 2 s, p99 <= 1 s"


def test_limits_on_both_sides() -> None:
    assert judge_latency(SAMPLE, detail(p50={"min": "900ms", "max": "1100ms"})).outcome is Outcome.MET
    assert judge_latency(SAMPLE, detail(p50={"min": "1100ms"})).outcome is Outcome.NOT_MET


def test_a_percentile_of_too_few_requests_is_a_warning() -> None:
    judged = judge_latency(first(100), detail(p99={"max": "1s"}))
    assert judged.warnings == ("p99 of n = 100 rests on 1 requests; run longer or more seeds",)


def test_a_limit_inside_the_interval_is_a_warning() -> None:
    judged = judge_latency(SAMPLE, detail(p90={"max": "1800ms"}))
    assert "another seed" in judged.warnings[0]
    assert not judge_latency(SAMPLE, detail(p90={"max": "1900ms"})).warnings


def test_no_requests() -> None:
    assert judge_latency(first(0), detail(p90={"max": "1s"})).observed == "no requests"


def test_a_limit_inside_the_bucket_of_the_statistic_is_a_warning() -> None:
    low, high = np.array([9_437_184, 268_435_456]), np.array([10_485_760, 301_989_888])
    sample = Buckets(low, high, np.array([9000, 1000]))
    assert "lies between 268 ms and 302 ms" in judge_latency(sample, detail(p99={"max": "300ms"})).warnings[0]
    assert not judge_latency(sample, detail(p99={"max": "310ms"})).warnings
