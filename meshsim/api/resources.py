"""Amounts of resources that containers ask for and may use (apimachinery pkg/api/resource/quantity.go)."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from typing import Final

from meshsim.errors import InputError

_QUANTITY: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)(?:([numkMGTPE])|([KMGTPE]i)|[eE]([+-]?\d+))?\Z")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def milli_value(text: str) -> int:
    """A quantity in thousandths, rounded up (Quantity.MilliValue): ``1500m`` is 1500, ``2`` is 2000.

    Raises `InputError` for what is no quantity of at least 0.
    """
    found = _QUANTITY.match(text)
    if found is None:
        raise InputError(f"'{text}' is not a quantity", None, "write a number with a suffix such as 100m or 2")
    number, suffix, binary, exponent = found.groups()
    factor = (
        Decimal(1024) ** _BINARY.index(binary) if binary else Decimal(10) ** int(exponent or _DECIMAL[suffix or ""])
    )
    return int((Decimal(number) * factor * 1000).to_integral_value(ROUND_UP))


def milli_cpu(text: str) -> int:
    """Thousandths of a CPU."""
    return milli_value(text)
