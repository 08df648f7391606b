"""Rates, percentages and distributions until `meshsim.units` reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

from meshsim.errors import InputError
from meshsim.units import parse_duration


class Distribution(NamedTuple):
    shape: str
    scale: int
    spread: float = 0.0


def parse_rate(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+)(k?)/(s|m|min|h)", text)
    if not match:
        raise InputError(f"'{text}' is not a rate")
    per = {"s": 1, "m": 60, "min": 60, "h": 3600}[match[3]]
    return float(match[1]) * (1000 if match[2] else 1) / per


def parse_percent(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+) ?%", text)
    if not match:
        raise InputError(f"'{text}' is not a percentage")
    return float(match[1]) / 100


def parse_distribution(text: str) -> Distribution:
    match = re.fullmatch(r"(\w+)\(([^,)]+)(?:,\s*([^)]+))?\)", text)
    if not match:
        return Distribution("fixed", parse_duration(text))
    return Distribution(match[1], parse_duration(match[2]), float(match[3] or 0))
