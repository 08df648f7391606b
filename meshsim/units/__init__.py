"""Durations to integer nanoseconds, rates, sizes, percentages, distributions: parsing and printing."""

from meshsim.units.distribution import (
    Distribution,
    Family,
    Quantile,
    empirical,
    format_distribution,
    parse_distribution,
)
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
from meshsim.units.quantities import (
    format_bandwidth,
    format_percent,
    format_rate,
    format_size,
    parse_bandwidth,
    parse_percent,
    parse_rate,
    parse_size,
)

__all__ = [
    "HOUR",
    "MICROSECOND",
    "MILLISECOND",
    "MINUTE",
    "SECOND",
    "Distribution",
    "Family",
    "Nanos",
    "Quantile",
    "empirical",
    "format_bandwidth",
    "format_distribution",
    "format_duration",
    "format_percent",
    "format_rate",
    "format_size",
    "parse_bandwidth",
    "parse_distribution",
    "parse_duration",
    "parse_percent",
    "parse_rate",
    "parse_size",
]
