"""Targets of iptables rules: what happens to a packet that matched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from meshsim.netfilter.packet import Address


class Ending(Enum):
    """Targets without parameters."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    REJECT = "REJECT"
    RETURN = "RETURN"
    NOTHING = "NOTHING"
    """Goes on with the next rule (LOG, TRACE, a rule without target)."""


@dataclass(frozen=True, slots=True)
class Jump:
    """To a chain; a goto does not come back to where it was."""

    chain: str
    goto: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """``REDIRECT``: to this host, at a port (0 keeps it)."""

    port: int


@dataclass(frozen=True, slots=True)
class Translate:
    """``DNAT`` or ``SNAT`` to one address and port; ``None`` and 0 keep what is there."""

    address: Address | None
    port: int
    of_source: bool


@dataclass(frozen=True, slots=True)
class TransparentProxy:
    """``TPROXY``: to a local socket that listens on another port, addresses unchanged; marks the packet."""

    port: int
    value: int
    mask: int


@dataclass(frozen=True, slots=True)
class SetMark:
    """``MARK``: clears the bits of `clear`, then flips those of `flip`."""

    clear: int
    flip: int


class ConnectionMark(Enum):
    """``CONNMARK``."""

    SAVE = "save"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class TrackingZone:
    """``CT``: the conntrack zone, or no tracking at all."""

    zone: int
    untracked: bool = False


Target: TypeAlias = Ending | Jump | Redirect | Translate | TransparentProxy | SetMark | ConnectionMark | TrackingZone
