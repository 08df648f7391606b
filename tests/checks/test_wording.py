"""Numbers as people read them."""

from __future__ import annotations

import pytest

from meshsim.checks.wording import NEVER, clock, limit_span, number, percent, seconds, span
from meshsim.units import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.99912, "99.91 %"),
        (0.1, "10 %"),
        (0.0, "0 %"),
        (0.99999, "99.999 %"),
        (0.00001, "0.001 %"),
        (0.9999999, "99.99999 %"),
    ],
)
def test_percent_never_rounds_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12 * MICROSECOND, "12 us"),
        (1500 * MICROSECOND, "1.5 ms"),
        (6 * MILLISECOND, "6 ms"),
        (96 * MILLISECOND, "96 ms"),
        (2004 * MILLISECOND, "2,004 ms"),
        (15 * SECOND, "15.0 s"),
        (NEVER, "never"),
    ],
)
def test_span(value: float, text: str) -> None:
    assert span(value) == text


def test_seconds() -> None:
    assert seconds(630 * MILLISECOND) == "0.63 s"
    assert seconds(NEVER) == "never"


@pytest.mark.parametrize(
    ("value", "text"),
    [(300 * MILLISECOND, "300 ms"), (SECOND, "1 s"), (1500 * MILLISECOND, "1.5 s"), (90 * SECOND, "90 s"), (5, "5 ns")],
)
def test_limits(value: int, text: str) -> None:
    assert limit_span(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (12 * SECOND, "12s"),
        (7 * MINUTE + 2 * SECOND, "7m02s"),
        (HOUR + 5 * MINUTE, "1h05m00s"),
        (20 * SECOND + 107 * MILLISECOND, "20.107s"),
        (450 * MILLISECOND, "0.45s"),
    ],
)
def test_clock(value: int, text: str) -> None:
    assert clock(value) == text


def test_one_and_many() -> None:
    assert [number(n, "proxy", "proxies") for n in (0, 1, 2000)] == ["0 proxies", "1 proxy", "2,000 proxies"]
    assert number(2, "request") == "2 requests"
