"""Amounts of resources that containers ask for and may use (apimachinery pkg/api/resource/quantity.go)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_UP, Decimal
from typing import Final

from meshsim.api import Fields
from meshsim.errors import InputError
from meshsim.units import MILLISECOND, Nanos

QUOTA_PERIOD: Final = 100 * MILLISECOND
"""cpu.cfs_period_us, as the kubelet sets it."""
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


def cpu_quota(containers: Sequence[Fields]) -> Nanos:
    """CPU time that containers may use in each `QUOTA_PERIOD` together; 0, any, where one of them has no limit.

    kubelet pkg/kubelet/cm/helpers_linux.go, MilliCPUToQuota: a quota is at least 1 ms of the period of 100 ms.

    DEVIATION: the application containers of a pod share their limits; each has a quota of its own.
    """
    limits = [container.fields("resources").fields("limits").value("cpu") for container in containers]
    if not limits or any(limit is None for limit in limits):
        return 0
    return sum(max(milli_value(str(limit)) * QUOTA_PERIOD // 1000, MILLISECOND) for limit in limits)
