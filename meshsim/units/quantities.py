"""Rates, percentages and sizes: text with a unit, to numbers and back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from meshsim.errors import InputError

_NUMBER: Final = r"(\d+(?:\.\d*)?|\.\d+)"
_RATE: Final = re.compile(rf"{_NUMBER}\s*([kM]?)\s*/\s*(ms|sec|s|min|m|h|d)\Z")
_RATE_FACTORS: Final = {"": 1, "k": 1_000, "M": 1_000_000}
_RATE_SPANS: Final = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_PERCENT: Final = re.compile(rf"{_NUMBER}\s*%\Z")
_SIZE: Final = re.compile(rf"{_NUMBER}\s*([kKMGT]?i?)[bB]\Z")
_BANDWIDTH: Final = re.compile(rf"{_NUMBER}\s*([kKMGT]?)(bit/s|bps|B/s)\Z")
_SIZES: Final = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}


def parse_rate(text: str | float) -> float:
    """Events a second of a rate such as ``50/s``, ``3000/m``, ``1.5/ms`` or ``70k/s``; raises `InputError`."""
    body = _text(text, "a rate", "per second: 50/s, per minute: 3000/m")
    found = _RATE.match(body)
    if found is None:
        raise InputError(f"'{body}' is not a rate", None, "write a number and a time, such as 50/s or 3000/m")
    number, factor, span = found.groups()
    return float(Decimal(number) * _RATE_FACTORS[factor] / _RATE_SPANS[span])


def format_rate(per_second: float) -> str:
    """A rate in the unit that reads best."""
    if per_second == 0 or per_second >= 0.1:
        return f"{per_second:g}/s"
    if per_second * 60 >= 0.1:
        return f"{per_second * 60:g}/m"
    return f"{per_second * 3600:g}/h"


def parse_percent(text: str | float) -> float:
    """The fraction (0 to 1) of a percentage such as ``99%`` or ``0.1%``; raises `InputError`."""
    body = _text(text, "a percentage", "write it with %, such as 99%")
    found = _PERCENT.match(body)
    if found is None:
        raise InputError(f"'{body}' is not a percentage", None, "write a number and %, such as 99% or 0.1%")
    value = Decimal(found.group(1))
    if value > 100:
        raise InputError(f"'{body}' is more than 100%")
    return float(value / 100)


def format_percent(fraction: float, digits: int = 4) -> str:
    """A fraction as a percentage with so many significant digits, without trailing zeros."""
    return f"{fraction * 100:.{digits}g}%"


def parse_size(text: str | float) -> int:
    """Bytes of a size such as ``512B``, ``1KB`` (1,000) or ``4MiB`` (4 * 1,024²); raises `InputError`."""
    body = _text(text, "a size", "write it with a unit, such as 512B, 1KB or 4MiB")
    found = _SIZE.match(body)
    if found is None or found.group(2) == "i":
        raise InputError(f"'{body}' is not a size", None, "write a number and a unit, such as 512B, 1KB or 4MiB")
    value = Decimal(found.group(1)) * _SIZES[found.group(2)]
    if value != int(value):
        raise InputError(f"'{body}' is not a whole number of bytes")
    return int(value)


def format_size(size: int) -> str:
    """The shortest exact text of a size in bytes."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def parse_bandwidth(text: str | float) -> int:
    """Bits a second of a bandwidth such as ``1Gbit/s`` or ``125MB/s``; raises `InputError`."""
    hint = "write a number and a unit, such as 1Gbit/s or 125MB/s"
    body = _text(text, "a bandwidth", hint)
    found = _BANDWIDTH.match(body)
    if found is None:
        raise InputError(f"'{body}' is not a bandwidth", None, hint)
    number, factor, unit = found.groups()
    value = int(Decimal(number) * _SIZES[factor] * (8 if unit == "B/s" else 1))
    if value < 1:
        raise InputError(f"'{body}' is less than a bit a second")
    return value


def format_bandwidth(bits_per_second: int) -> str:
    """The shortest exact text of a bandwidth."""
    for unit, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if bits_per_second % factor == 0:
            return f"{bits_per_second // factor}{unit}bit/s"
    return f"{bits_per_second}bit/s"


def _text(value: str | float, what: str, hint: str) -> str:
    """The text of a quantity; a bare number is refused, since nobody can know which unit was meant."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{value!r} is not {what}", None, hint)
    if isinstance(value, int | float):
        raise InputError(f"{what} needs a unit, {value:g} is a bare number", None, hint)
    body = value.strip()
    if re.fullmatch(rf"-?{_NUMBER}", body):
        raise InputError(f"{what} needs a unit, '{body}' is a bare number", None, hint)
    return body
