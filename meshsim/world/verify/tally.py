"""Counting what was compared: equal, different, or different as the list of known deviations says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation, reason_for
from meshsim.world.verify.outcome import Difference, WorldOutcome

_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class Tally:
    """Where one kind of recording is counted for one world."""

    what: str
    """Kind of recording, as the list of deviations names it."""
    outcome: WorldOutcome
    deviations: Sequence[Deviation]

    def add(self, proxy: str, kind: str, resource: str, found: Sequence[Mismatch], explanation: str = "") -> None:
        """Count one thing that was compared; `explanation` says why it may differ, where the recording tells."""
        counts = self.outcome.at(proxy, kind)
        if not found:
            counts.equal += 1
            return
        named = [self._named(proxy, kind, resource, mismatch, explanation) for mismatch in found]
        if all(difference.deviation for difference in named):
            counts.deviations += 1
        else:
            counts.different += 1
        self.outcome.differences += named

    def _named(self, proxy: str, kind: str, resource: str, found: Mismatch, explanation: str) -> Difference:
        want, got = shown(found.want), shown(found.got)
        difference = Difference(self.outcome.name, proxy, kind, resource, found.path, want, got)
        return difference._replace(deviation=explanation or reason_for(self.deviations, self.what, difference))


def shown(value: object) -> str:
    """A value of a difference as text, cut where it is too long to be read."""
    text = "absent" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
