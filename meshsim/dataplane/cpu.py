"""What an instance or a proxy has used of its CPU, read between two events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from meshsim.dataplane import core
from meshsim.dataplane.storage import FIELDS
from meshsim.units import Nanos


class ProxyUsage(NamedTuple):
    """What a proxy's event loops have done."""

    busy: Nanos
    """CPU time."""
    wakes: int
    """How often one of them had nothing to do before."""


def settled(row: tuple[int, ...], now: Nanos) -> tuple[Nanos, Nanos, int]:
    """CPU time used, time stood still, and periods in which it did, of a row of the core's `bound` table until `now`.

    The core brings a row up when something happens there; this does the same with a copy.
    """
    cpu = SimpleNamespace(**dict(zip(FIELDS["bound"], row, strict=True)))
    state: Any = SimpleNamespace(ctl=[SimpleNamespace(now=now)], bound=[cpu])
    core.settle_cpu(state, 0)
    return cpu.used, cpu.halted, cpu.stops
