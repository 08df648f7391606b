from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.routes.values import duration, exact_percent, whole_percent
from meshsim.units import MILLISECOND, SECOND


@pytest.mark.parametrize(
    ("span", "seconds", "nanos"),
    [
        (0, 0, 0),
        (1500 * MILLISECOND, 1, 500_000_000),
        (-1500 * MILLISECOND, -1, -500_000_000),
        (3600 * SECOND, 3600, 0),
    ],
)
def test_durations(span: int, seconds: int, nanos: int) -> None:
    made = duration(span)
    assert (made.seconds, made.nanos) == (seconds, nanos)


def test_percentages(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    assert plain(whole_percent(25)) == {"numerator": 25}
    assert plain(exact_percent(fields("{value: 0.1}"))) == {"numerator": 1000, "denominator": "MILLION"}
    # Finer parts than a millionth are cut off.
    assert plain(exact_percent(fields("{value: 99.99999}"))) == {"numerator": 999999, "denominator": "MILLION"}
