"""Latency statistics and their limits."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.checks import Outcome
from meshsim.checks.latencies import judge_latency, statistic
from meshsim.scenario import Latency
from meshsim.units import MILLISECOND


def detail(**given: dict[str, str]) -> Latency:
    return Latency.model_validate({"of": "x", **given})


SAMPLE = np.arange(1, 2001, dtype=np.int64) * MILLISECOND


def test_percentiles_by_nearest_rank() -> None:
    assert statistic(SAMPLE, "p50") == 1000 * MILLISECOND
    assert statistic(SAMPLE, "p99") == 1980 * MILLISECOND
    assert statistic(SAMPLE, "mean") == pytest.approx(1000.5 * MILLISECOND)


def test_the_statistic_that_fails_decides() -> None:
    judged = judge_latency(SAMPLE[::-1].copy(), detail(p50={"max": "2s"}, p99={"max": "1s"}))
    assert judged.outcome is Outcome.NOT_MET
    assert judged.value == 1980 * MILLISECOND
    assert judged.observed == "p50 1,000 ms, p99 1,980 ms"
    assert judged.limit == "p50 <= 2 s, p99 <= 1 s"


def test_limits_on_both_sides() -> None:
    assert judge_latency(SAMPLE, detail(p50={"min": "900ms", "max": "1100ms"})).outcome is Outcome.MET
    assert judge_latency(SAMPLE, detail(p50={"min": "1100ms"})).outcome is Outcome.NOT_MET


def test_a_percentile_of_too_few_requests_is_a_warning() -> None:
    judged = judge_latency(SAMPLE[:100], detail(p99={"max": "1s"}))
    assert judged.warnings == ("p99 of n = 100 rests on 1 requests; run longer or more seeds",)


def test_a_limit_inside_the_interval_is_a_warning() -> None:
    judged = judge_latency(SAMPLE, detail(p90={"max": "1800ms"}))
    assert "another seed" in judged.warnings[0]
    assert not judge_latency(SAMPLE, detail(p90={"max": "1900ms"})).warnings


def test_no_requests() -> None:
    assert judge_latency(SAMPLE[:0], detail(p90={"max": "1s"})).observed == "no requests"
