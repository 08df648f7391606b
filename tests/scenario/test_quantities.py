"""Quantities carry units; bare numbers are refused with a message that says what to write."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from meshsim.scenario.quantities import Bandwidth, Duration, Load, Rate, Ratio, Size, Span, Time
from meshsim.units import MILLISECOND, SECOND, Distribution, Family


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration, "250ms", 250 * MILLISECOND),
        (Duration, "1m30s", 90 * SECOND),
        (Duration, "0s", 0),
        (Rate, "50/s", 50.0),
        (Rate, "120/m", 2.0),
        (Load, "0/s", 0.0),
        (Span, "1us", 1_000),
        (Size, "20KB", 20_000),
        (Size, "0B", 0),
        (Bandwidth, "125MB/s", 10**9),
        (Ratio, "99.5%", 0.995),
        (Time, "5ms", Distribution(Family.FIXED, 5 * MILLISECOND)),
        (Time, "lognormal(8ms, 1.4)", Distribution(Family.LOGNORMAL, 8 * MILLISECOND, factor=1.4)),
    ],
)
def test_text_with_a_unit(kind: object, text: str, value: object) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(kind)
    assert adapter.validate_python(text) == value


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Duration, 60, "expected a duration, such as 200ms or 1m30s, got the bare number 60"),
        (Duration, True, "got true"),
        (Duration, None, "got nothing"),
        (Duration, ["1s"], "got a list"),
        (Duration, "-5s", "negative"),
        (Duration, "5 parsecs", "is not a duration"),
        (Duration, "9999999999999h", "longer than 10 years"),
        (Time, "exponential(9999999999999h)", "longer than 10 years"),
        (Time, "uniform(1s, 9999999999999h)", "longer than 10 years"),
        (Rate, "0.0000001/s", "not between one request in a week and a billion a second"),
        (Rate, "99999M/s", "not between one request in a week and a billion a second"),
        (Rate, 50, "expected a rate, such as 50/s or 1200/m, got the bare number 50"),
        (Rate, "0/s", "not more than 0"),
        (Load, "0.0000001/s", "not between one request in a week and a billion a second"),
        (Span, "0s", "'0s' is no time at all"),
        (Size, "3GB", "more than 2GB"),
        (Size, 5, "expected a size, such as 512B, 20KB or 4MiB, got the bare number 5"),
        (Bandwidth, "9kbit/s", "less than 10kbit/s"),
        (Bandwidth, 10**9, "expected a bandwidth, such as 1Gbit/s or 125MB/s, got the bare number"),
        (Ratio, 0.99, "expected a percentage, such as 99%, got the bare number 0.99"),
        (Ratio, "120%", "more than 100%"),
        (Time, 5, "got the bare number 5"),
        (Time, "lognorm(8ms, 1.4)", "did you mean 'lognormal'"),
    ],
)
def test_everything_else_is_refused(kind: object, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert message in str(caught.value)


def test_values_are_written_as_they_are_read() -> None:
    sized = ((Size, "4MiB"), (Bandwidth, "1Gbit/s"), (Load, "0/s"), (Span, "5ms"))
    for kind, text in (*sized, (Duration, "1m30s"), (Rate, "50/s"), (Ratio, "99%"), (Time, "exponential(5ms)")):
        adapter: TypeAdapter[object] = TypeAdapter(kind)
        assert adapter.dump_python(adapter.validate_python(text)) == text
