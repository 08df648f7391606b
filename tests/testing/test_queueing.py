"""The formulas against known values."""

from __future__ import annotations

import pytest

from meshsim.testing.queueing import QueueTheory, binomial_deviation


def test_erlang_c() -> None:
    four = QueueTheory(320.0, 100.0, 4)
    assert four.waiting_probability == pytest.approx(0.5964, abs=1e-4)
    assert four.mean_sojourn == pytest.approx(0.017455, abs=1e-6)
    assert QueueTheory(70.0, 100.0, 1).mean_sojourn == pytest.approx(1 / 30)


def test_binomial_deviation() -> None:
    assert binomial_deviation(60, 100, 0.5) == 2.0
