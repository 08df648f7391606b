"""Durations to integer nanoseconds, rates, sizes, percentages, distributions: parsing and printing."""

from meshsim.units.duration import (
    HOUR,
    MICROSECOND,
    MILLISECOND,
    MINUTE,
    SECOND,
    Nanos,
    format_duration,
    parse_duration,
)

__all__ = [
    "HOUR",
    "MICROSECOND",
    "MILLISECOND",
    "MINUTE",
    "SECOND",
    "Nanos",
    "format_duration",
    "parse_duration",
]
