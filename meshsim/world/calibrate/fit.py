"""Least squares for a model that is a simulation: Levenberg-Marquardt on the logarithms of positive parameters.

Derivatives are differences over steps that are large against the grain of a simulation, and every trial uses the same
chances, so that the same data give the same fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

_STEP: Final = 0.08
_LONGEST: Final = 0.7
"""No step changes a parameter by more than a factor of two."""
_TRIALS: Final = 5
_GAIN: Final = 2e-3
"""An iteration that improves the sum of squares by a smaller share is the last."""


def least_squares(
    residuals: Callable[[Vector], Vector],
    start: Vector,
    *,
    iterations: int = 12,
    progress: Callable[[int, float], None] | None = None,
) -> Vector:
    """The positive parameters near `start` for which the residuals' squares are least.

    `progress` hears of each iteration and its sum of squares.
    """
    at = np.log(start)
    now = residuals(np.exp(at))
    damping = 1e-2
    for iteration in range(iterations):
        slope = _slope(residuals, at, now)
        before = float(now @ now)
        for _ in range(_TRIALS):
            step = _step(slope, now, damping)
            there = residuals(np.exp(at + step))
            if there @ there < before:
                at, now, damping = at + step, there, max(damping / 5, 1e-6)
                break
            damping *= 6
        if progress is not None:
            progress(iteration, float(now @ now))
        if before - float(now @ now) < _GAIN * before:
            break
    return np.asarray(np.exp(at))


def _slope(residuals: Callable[[Vector], Vector], at: Vector, now: Vector) -> npt.NDArray[np.float64]:
    columns = []
    for index in range(len(at)):
        there = at.copy()
        there[index] += _STEP
        columns.append((residuals(np.exp(there)) - now) / _STEP)
    return np.stack(columns, axis=1)


def _step(slope: npt.NDArray[np.float64], now: Vector, damping: float) -> Vector:
    normal = slope.T @ slope
    damped = normal + damping * np.diag(np.diag(normal) + 1e-6)
    return np.clip(-np.linalg.solve(damped, slope.T @ now), -_LONGEST, _LONGEST)
