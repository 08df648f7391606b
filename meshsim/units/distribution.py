"""Distributions of times as a scenario writes them: ``lognormal(8ms, 1.4)``, ``exponential(10ms)``,
``empirical(p0 1ms, p50 8ms, p99 40ms, p100 90ms)``, a bare ``5ms``.

Only text and values; drawing from a distribution is the event core's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from meshsim.errors import InputError
from meshsim.units.duration import Nanos, format_duration, parse_duration


class Family(Enum):
    """Shape of a distribution; its value is the name in a scenario."""

    FIXED = "fixed"
    """Always `first`."""
    EXPONENTIAL = "exponential"
    """Mean `first`."""
    LOGNORMAL = "lognormal"
    """Median `first`, geometric standard deviation `factor`: two thirds of all values lie between median / factor and
    median * factor."""
    GAMMA = "gamma"
    """Mean `first`, shape `factor`; shape 1 is the exponential, a whole shape k the Erlang-k."""
    PARETO = "pareto"
    """Least value `first`, tail index `factor`; the mean exists when it exceeds 1."""
    UNIFORM = "uniform"
    """Evenly from `first` to `second`."""
    EMPIRICAL = "empirical"
    """By `quantiles`, evenly between two neighbours."""


class Quantile(NamedTuple):
    """A point of an inverse distribution function: this share of the values is not greater than `value`."""

    share: float
    """Of 1."""
    value: Nanos


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of times in nanoseconds."""

    family: Family
    first: Nanos
    """The fixed value, the mean, the median or the least value, as the family says."""
    second: Nanos = 0
    """The greatest value of a uniform distribution."""
    factor: float = 0.0
    """The dimensionless second parameter: geometric standard deviation, shape or tail index."""
    quantiles: tuple[Quantile, ...] = ()
    """Of an empirical distribution, from share 0 to share 1, neither shares nor values ever falling."""

    def __str__(self) -> str:
        return format_distribution(self)


_CALL: Final = re.compile(r"([A-Za-z_]+)\s*\(([^()]*)\)\Z")
_SIGNATURES: Final = {
    Family.FIXED: ("time",),
    Family.EXPONENTIAL: ("mean",),
    Family.LOGNORMAL: ("median", "geometric standard deviation"),
    Family.GAMMA: ("mean", "shape"),
    Family.PARETO: ("least", "tail index"),
    Family.UNIFORM: ("least", "most"),
}
_QUANTILE: Final = re.compile(r"[pP](\d+(?:\.\d*)?|\.\d+)\s*[ :=]\s*(\S.*)\Z")
_EXAMPLES: Final = {
    Family.FIXED: "fixed(5ms)",
    Family.EXPONENTIAL: "exponential(10ms)",
    Family.LOGNORMAL: "lognormal(8ms, 1.4)",
    Family.GAMMA: "gamma(10ms, 2)",
    Family.PARETO: "pareto(5ms, 2.5)",
    Family.UNIFORM: "uniform(5ms, 20ms)",
    Family.EMPIRICAL: "empirical(p0 1ms, p50 8ms, p99 40ms, p100 90ms)",
}


def parse_distribution(text: str | float) -> Distribution:
    """The distribution of a text; a bare duration is fixed. Raises `InputError`."""
    if isinstance(text, bool) or not isinstance(text, str):
        hint = "write it with a unit, such as 5ms, or as a distribution, such as lognormal(8ms, 1.4)"
        raise InputError(f"a time needs a unit, {text!r} is a bare number", None, hint)
    body = text.strip()
    found = _CALL.match(body)
    if found is None:
        return Distribution(Family.FIXED, _time(body, body, Family.FIXED))
    family = _family(found.group(1).lower(), body)
    written = [part.strip() for part in found.group(2).split(",")] if found.group(2).strip() else []
    if family is Family.EMPIRICAL:
        return _empirical(written, body)
    names = _SIGNATURES[family]
    if len(written) != len(names):
        expected = ", ".join(names)
        hint = f"write {family.value}({expected}), such as {_EXAMPLES[family]}"
        raise InputError(f"'{body}' has {len(written)} parameter(s), {family.value} takes {len(names)}", None, hint)
    first = _time(written[0], body, family)
    if family is Family.UNIFORM:
        second = _time(written[1], body, family)
        if second < first:
            raise InputError(f"'{body}' ends before it starts", None, f"such as {_EXAMPLES[family]}")
        return Distribution(family, first, second)
    if len(names) == 2:
        return Distribution(family, first, factor=_factor(written[1], body, family))
    return Distribution(family, first)


def format_distribution(distribution: Distribution) -> str:
    """The text of a distribution; `parse_distribution` gives the same value back."""
    first = format_duration(distribution.first)
    family = distribution.family
    if family is Family.UNIFORM:
        return f"uniform({first}, {format_duration(distribution.second)})"
    if family in (Family.FIXED, Family.EXPONENTIAL):
        return first if family is Family.FIXED else f"exponential({first})"
    if family is Family.EMPIRICAL:
        points = (f"p{_percent(point.share)} {format_duration(point.value)}" for point in distribution.quantiles)
        return f"empirical({', '.join(points)})"
    return f"{family.value}({first}, {distribution.factor!r})"


def empirical(quantiles: Iterable[tuple[float, Nanos]]) -> Distribution:
    """The distribution with these quantiles, given as (share of 1, value); raises `InputError`.

    It needs the least value (share 0) and the greatest one (share 1): between two quantiles values lie evenly, and
    nothing is known outside of the first and the last.
    """
    points = tuple(Quantile(*point) for point in quantiles)
    hint = f"such as {_EXAMPLES[Family.EMPIRICAL]}"
    if len(points) < 2 or points[0].share != 0.0 or points[-1].share != 1.0:
        raise InputError("an empirical distribution goes from p0, the least value, to p100, the greatest", None, hint)
    for before, after in pairwise(points):
        if after.share <= before.share or after.value < before.value:
            names = f"p{_percent(before.share)} and p{_percent(after.share)}"
            raise InputError(f"the quantiles {names} of an empirical distribution do not rise", None, hint)
    if points[0].value < 0:
        raise InputError("a quantile of an empirical distribution is negative", None, hint)
    return Distribution(Family.EMPIRICAL, points[0].value, points[-1].value, quantiles=points)


def _empirical(written: list[str], body: str) -> Distribution:
    points: list[tuple[float, Nanos]] = []
    for text in written:
        found = _QUANTILE.match(text)
        share = Decimal(found.group(1)) / 100 if found is not None else Decimal(2)
        if found is None or share > 1:
            hint = f"write p, a percentage and a time, such as {_EXAMPLES[Family.EMPIRICAL]}"
            raise InputError(f"'{text}' in '{body}' is not a quantile", None, hint)
        points.append((float(share), _time(found.group(2), body, Family.FIXED)))
    return empirical(points)


def _percent(share: float) -> str:
    return f"{(Decimal(repr(share)) * 100).normalize():f}"


def _family(name: str, body: str) -> Family:
    for family in Family:
        if family.value == name:
            return family
    from difflib import get_close_matches

    names = [family.value for family in Family]
    close = get_close_matches(name, names, 1)
    hint = f"did you mean '{close[0]}'?" if close else "known: " + ", ".join(_EXAMPLES[family] for family in Family)
    raise InputError(f"'{name}' in '{body}' is not a distribution", None, hint)


def _time(text: str, body: str, family: Family) -> Nanos:
    if re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", text) and text != "0":
        hint = f"write a unit, such as {_EXAMPLES[family]}"
        raise InputError(f"a time needs a unit, '{text}' in '{body}' is a bare number", None, hint)
    try:
        span = parse_duration(text)
    except InputError:
        hint = "write a time such as 5ms, or " + ", ".join(_EXAMPLES[other] for other in Family)
        raise InputError(f"'{text}' is not a time or distribution", None, hint) from None
    if span < 0 or (span == 0 and family is not Family.FIXED and family is not Family.UNIFORM):
        raise InputError(f"'{text}' in '{body}' must be positive")
    return span


def _factor(text: str, body: str, family: Family) -> float:
    name = _SIGNATURES[family][1]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    least = 1.0 if family is Family.LOGNORMAL else 0.0
    if not least < value < 1e6 and not (family is Family.LOGNORMAL and value == 1.0):
        bound = "of at least 1" if family is Family.LOGNORMAL else "greater than 0"
        hint = f"such as {_EXAMPLES[family]}"
        raise InputError(f"'{text}' in '{body}' must be a number {bound} ({name})", None, hint)
    return value
