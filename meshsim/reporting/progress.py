"""How far a run is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import IO, Final

from meshsim.checks.wording import clock, count
from meshsim.units import Nanos

_BAR: Final = 24
_REDRAW: Final = 0.1
_LINE_EVERY: Final = 10.0
_STEPS: Final = 20
"""A replication that tells its progress does so at least so often."""


class Progress:
    """Shows the progress of replications; what it prints is gone or complete when it is closed."""

    def __init__(self, stream: IO[str], live: bool, quiet: bool = False) -> None:
        """`live` redraws one line, as a terminal can; otherwise a line is written every ten seconds."""
        self._stream = stream
        self._live = live
        self._quiet = quiet
        self._name = ""
        self._total: Nanos = 1
        self._done: dict[int, tuple[Nanos, int]] = {}
        self._began = time.monotonic()
        self._last = self._began
        self._drawn = False
        self._what = ""

    def begin(self, name: str, duration: Nanos, replications: int) -> None:
        """A scenario begins; `duration` is the simulated time of each replication."""
        self._name = name
        self._total = max(duration * replications, 1)
        self._done = {}
        self._began = self._last = time.monotonic()
        self._what = ""
        if self._live and not self._quiet:
            self._draw(self._last)

    def doing(self, what: str, done: int = 0, of: int = 0) -> None:
        """Something happens before simulated time passes, or after it; `done` of a number of things, if any."""
        moment = time.monotonic()
        if self._quiet or (moment - self._last < self._wait and (not self._live or what == self._what)):
            return
        self._last, self._what = moment, what
        text = f"{self._name}  {what}" if self._name else what
        self._write(f"{text}, {count(done)} of {count(of)}" if of else text)

    def advance(self, replication: int, now: Nanos, requests: int) -> None:
        """A replication has come to `now`, with so many requests finished."""
        if not self._done and now * _STEPS <= self._total:
            # What came before (building, compiling) says nothing about how long the rest takes. In processes of their
            # own replications tell nothing before they are done.
            self._began = self._last = time.monotonic()
        self._done[replication] = (now, requests)
        self._show()

    def note(self, text: str) -> None:
        """Say something that stays."""
        if self._quiet:
            return
        self._clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """Take the bar away; what comes next is of no scenario until one begins."""
        self._clear()
        self._name = self._what = ""
        self._done = {}
        self._stream.flush()

    def _show(self) -> None:
        moment = time.monotonic()
        if self._quiet or moment - self._last < self._wait:
            return
        self._draw(moment)

    @property
    def _wait(self) -> float:
        return _REDRAW if self._live else _LINE_EVERY

    def _draw(self, moment: float) -> None:
        self._last = moment
        simulated = sum(now for now, _ in self._done.values())
        requests = sum(number for _, number in self._done.values())
        share = min(simulated / self._total, 1.0)
        left = (moment - self._began) * (1 - share) / share if share > 0.02 else None
        rest = f", {left:.0f} s left" if left is not None else ""
        text = f"{clock(simulated // 1_000_000_000 * 1_000_000_000)} simulated, {count(requests)} requests{rest}"
        filled = round(share * _BAR)
        shown = f"[{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}" if self._live else f"{share:.0%}"
        self._write(f"{self._name}  {shown}  {text}")

    def _write(self, line: str) -> None:
        self._stream.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        self._drawn = self._live
        self._stream.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._drawn = False


def is_live(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Whether a line can be redrawn there."""
    return stream.isatty() and environment.get("TERM") != "dumb" and not environment.get("CI")
