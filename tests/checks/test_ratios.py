"""Shares against limits: what was seen binds, chance alone does not fail a run."""

from __future__ import annotations

import pytest

from meshsim.checks import Outcome
from meshsim.checks.ratios import band, judge_ratio, limit_text
from meshsim.scenario import SuccessRate


def limits(**given: str) -> SuccessRate:
    return SuccessRate.model_validate({"of": "x", **given})


def test_the_band_of_near_is_a_tenth_of_it() -> None:
    assert band(limits(near="10%")) == pytest.approx((0.09, 0.11))
    assert band(limits(near="10%", tolerance="3%")) == pytest.approx((0.07, 0.13))
    assert band(limits(near="99.5%")) == pytest.approx((0.8955, 1.0))


def test_near_fails_only_against_the_sample() -> None:
    assert judge_ratio(1150, 10_000, limits(near="10%")).outcome is Outcome.MET
    assert judge_ratio(1250, 10_000, limits(near="10%")).outcome is Outcome.NOT_MET


def test_a_band_too_narrow_for_the_sample_is_a_warning() -> None:
    judged = judge_ratio(12, 100, limits(near="10%"))
    assert judged.outcome is Outcome.MET
    assert "narrower than the sample can tell" in judged.warnings[0]
    assert "3,458 requests are needed" in judged.warnings[0]
    assert not judge_ratio(1000, 10_000, limits(near="10%")).warnings


def test_min_and_max_bind_what_was_seen() -> None:
    assert judge_ratio(9_899, 10_000, limits(min="99%")).outcome is Outcome.NOT_MET
    assert judge_ratio(9_901, 10_000, limits(min="99%")).outcome is Outcome.MET
    assert "another seed" in judge_ratio(9_901, 10_000, limits(min="99%")).warnings[0]
    assert not judge_ratio(10_000, 10_000, limits(min="99%")).warnings


def test_limits_read_as_written() -> None:
    assert limit_text(limits(min="99%")) == ">= 99 %"
    assert limit_text(limits(min="9%", max="11%")) == ">= 9 % and <= 11 %"
    assert limit_text(limits(near="10%")) == "10 % +- 1 %"
