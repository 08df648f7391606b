"""Rates, percentages and sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.errors import InputError
from meshsim.units import (
    format_bandwidth,
    format_percent,
    format_rate,
    format_size,
    parse_bandwidth,
    parse_percent,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("50/s", 50),
        ("3000/m", 50),
        ("180000 / h", 50),
        ("1.5/ms", 1500),
        ("86400/d", 1),
        ("70k/s", 70_000),
        ("2M/s", 2_000_000),
        ("6/min", 0.1),
        ("0/s", 0),
    ],
)
def test_rates(text: str, per_second: float) -> None:
    assert parse_rate(text) == per_second


@pytest.mark.parametrize(
    ("text", "fraction"), [("99%", 0.99), ("0.1%", 0.001), ("100 %", 1), ("0%", 0), ("33.3%", 0.333)]
)
def test_percentages(text: str, fraction: float) -> None:
    assert parse_percent(text) == fraction


@pytest.mark.parametrize(
    ("text", "size"), [("512B", 512), ("1KB", 1000), ("4MiB", 4 << 20), ("1.5kB", 1500), ("1 GiB", 1 << 30), ("0B", 0)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("parse", [parse_rate, parse_percent, parse_size])
@pytest.mark.parametrize("value", [50, 0.5, "50", "-3"])
def test_a_bare_number_has_no_unit(parse: Callable[[str | float], object], value: str | float) -> None:
    with pytest.raises(InputError, match="is a bare number") as caught:
        parse(value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_rate, "many/s", "is not a rate"),
        (parse_rate, "5/y", "is not a rate"),
        (parse_rate, "-5/s", "is not a rate"),
        (parse_percent, "101%", "is more than 100%"),
        (parse_percent, "%", "is not a percentage"),
        (parse_size, "1iB", "is not a size"),
        (parse_size, "0.5B", "is not a whole number of bytes"),
        (parse_size, "1XB", "is not a size"),
        (parse_rate, True, "True is not a rate"),
    ],
)
def test_refused(parse: Callable[[str | float], object], text: str | float, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        parse(text)


@given(st.integers(0, 1 << 50))
def test_sizes_print_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_printing() -> None:
    assert format_rate(50) == "50/s"
    assert format_rate(1 / 60) == "1/m"
    assert format_rate(1 / 3600) == "1/h"
    assert format_rate(0) == "0/s"
    assert format_percent(0.999) == "99.9%"
    assert format_percent(0.99912345) == "99.91%"
    assert format_percent(1) == "100%"


@pytest.mark.parametrize(
    ("text", "bits"), [("1Gbit/s", 10**9), ("125MB/s", 10**9), ("10 Mbps", 10**7), ("1.5kbit/s", 1500), ("8bit/s", 8)]
)
def test_bandwidths(text: str, bits: int) -> None:
    assert parse_bandwidth(text) == bits
    assert parse_bandwidth(format_bandwidth(bits)) == bits


@pytest.mark.parametrize("text", ["1G", "fast", "1Gbit", "0bit/s", "1GiB/s"])
def test_no_bandwidths(text: str) -> None:
    with pytest.raises(InputError):
        parse_bandwidth(text)
