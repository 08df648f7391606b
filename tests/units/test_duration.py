"""Durations: text to nanoseconds and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.errors import InputError
from meshsim.units import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("250ms", 250 * MILLISECOND),
        ("1.5s", 1_500 * MILLISECOND),
        ("1m30s", 90 * SECOND),
        ("2h", 2 * HOUR),
        ("10us", 10 * MICROSECOND),
        ("10µs", 10 * MICROSECOND),
        ("7ns", 7),
        ("0", 0),
        ("0s", 0),
        ("-1s", -SECOND),
        (" 5m ", 5 * MINUTE),
        (".5s", 500 * MILLISECOND),
        ("0.000000001s", 1),
        ("0.1s", 100 * MILLISECOND),
    ],
)
def test_parse(text: str, span: int) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "1x", "1s2", "--1s", "1d", "1e3s"])
def test_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0s"),
        (90 * SECOND, "1m30s"),
        (HOUR, "1h"),
        (1_500 * MILLISECOND, "1.5s"),
        (200 * MILLISECOND, "200ms"),
        (1_500, "1.5us"),
        (1, "1ns"),
        (-SECOND, "-1s"),
    ],
)
def test_format(span: int, text: str) -> None:
    assert format_duration(span) == text


@given(st.integers(-(10**18), 10**18))
def test_format_is_exact(span: int) -> None:
    assert parse_duration(format_duration(span)) == span
