"""Numbers against limits."""

from __future__ import annotations

import pytest

from meshsim.checks import Outcome
from meshsim.checks.counts import judge_count, limit_text
from meshsim.scenario import Nacks


@pytest.mark.parametrize(("found", "met"), [(2, False), (3, True), (5, True), (6, False)])
def test_limits_include_their_edges(found: int, met: bool) -> None:
    outcome = judge_count(found, 10, Nacks.model_validate({"min": 3, "max": 5})).outcome
    assert (outcome is Outcome.MET) is met


def test_limits_read_as_written() -> None:
    assert limit_text(Nacks.model_validate({"max": 0})) == "<= 0"
    assert limit_text(Nacks.model_validate({"min": 3, "max": 5000})) == ">= 3 and <= 5,000"
