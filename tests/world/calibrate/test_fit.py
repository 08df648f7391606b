"""Least squares on functions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.world.calibrate.fit import Vector, least_squares


def test_it_finds_the_parameters_that_made_the_data() -> None:
    times = np.linspace(0.1, 5.0, 40)

    def curve(p: Vector) -> Vector:
        return np.asarray(p[0] * np.exp(-times / p[1]) + p[2])

    data = curve(np.array([3.0, 1.5, 0.2]))
    heard: list[int] = []
    found = least_squares(
        lambda p: curve(p) - data,
        np.array([1.0, 5.0, 1.0]),
        iterations=60,
        progress=lambda iteration, squares: heard.append(iteration),
    )
    assert found == pytest.approx([3.0, 1.5, 0.2], rel=0.05)
    assert heard == list(range(len(heard)))


def test_a_parameter_that_counts_for_nothing_stays() -> None:
    found = least_squares(lambda p: np.array([np.log(p[0] / 2.0)]), np.array([1.0, 7.0]), iterations=20)
    assert found == pytest.approx([2.0, 7.0], rel=0.01)
