"""Waves: which proxies followed which action after how long."""

from __future__ import annotations

from meshsim.checks import waves
from meshsim.checks.propagation import NEVER, quantile
from meshsim.recording import Run
from meshsim.units import MILLISECOND, SECOND


def test_every_action_and_its_revert_is_a_wave(run: Run) -> None:
    found = [(wave.id, wave.begins, wave.time) for wave in waves(run)]
    assert found == [("shift", True, 20 * SECOND), ("slow", True, 40 * SECOND), ("slow", False, 45 * SECOND)]


def test_a_wave_counts_from_the_action_to_the_traffic(run: Run) -> None:
    wave = waves(run)[0]
    assert [arrival.delay for arrival in wave.arrivals] == [150e6, 300e6, 450e6, 600e6]
    assert wave.quantile(1.0) == 600 * MILLISECOND
    assert wave.quantile(0.5) == 300 * MILLISECOND


def test_quantiles_of_nothing_and_of_never() -> None:
    assert quantile([], 0.5) == NEVER
    assert quantile([1.0, NEVER], 0.5) == 1.0
    assert quantile([1.0, NEVER], 0.99) == NEVER
