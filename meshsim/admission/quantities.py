"""Resource quantities in Kubernetes' canonical form (apimachinery pkg/api/resource/quantity.go)."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from typing import Final

from meshsim.errors import InputError

_QUANTITY: Final = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE])|([KMGTPE]i)|[eE]([+-]?\d+))?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def canonical_quantity(text: str) -> str:
    """The form the API server prints: ``2000m`` is ``2``, ``1024Mi`` is ``1Gi``; raises `InputError`.

    The family of the suffix (decimal, binary, exponent) stays; the largest suffix without a fraction is chosen.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise InputError(f"'{text}' is not a quantity", None, "write a number with a suffix such as 100m or 128Mi")
    sign, number, suffix, binary, exponent = found.groups()
    value = Decimal(number)
    if binary:
        return sign.strip("+") + _binary(value * 1024 ** _BINARY.index(binary))
    power = int(exponent) if exponent else _DECIMAL[suffix or ""]
    value = (value * Decimal(10) ** power).quantize(Decimal("1e-9"), ROUND_UP)
    return sign.strip("+") + _decimal(value, exponent is not None)


def _binary(value: Decimal) -> str:
    if value != value.to_integral_value() or value == 0:
        return _decimal(value, False)
    size = int(value)
    if size < 1024:
        return str(size)
    level = 0
    while level < len(_BINARY) - 1 and size % 1024 == 0:
        size //= 1024
        level += 1
    return f"{size}{_BINARY[level]}"


def _decimal(value: Decimal, as_exponent: bool) -> str:
    if value == 0:
        return "0"
    power = 18
    while value % (Decimal(10) ** power):
        power -= 3
    number = int(value / Decimal(10) ** power)
    if as_exponent:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{next(suffix for suffix, p in _DECIMAL.items() if p == power)}"
