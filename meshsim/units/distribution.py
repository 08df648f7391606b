"""Distributions of times as a scenario writes them: ``lognormal(8ms, 1.4)``, ``exponential(10ms)``, a bare ``5ms``.

Only text and values; drawing from a distribution is the event core's work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

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
_EXAMPLES: Final = {
    Family.FIXED: "fixed(5ms)",
    Family.EXPONENTIAL: "exponential(10ms)",
    Family.LOGNORMAL: "lognormal(8ms, 1.4)",
    Family.GAMMA: "gamma(10ms, 2)",
    Family.PARETO: "pareto(5ms, 2.5)",
    Family.UNIFORM: "uniform(5ms, 20ms)",
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
    return f"{family.value}({first}, {distribution.factor!r})"


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
