"""The public list of known differences: each names where it shows and why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from meshsim.api import Fields
from meshsim.errors import InputError, Position
from meshsim.world.verify.folder import read_mapping
from meshsim.world.verify.outcome import Difference

_PARTS: Final = ("world", "proxy", "type", "resource", "path")
DEFAULT_LIST: Final = Path(__file__).with_name("deviations.yaml")


@dataclass(slots=True)
class Deviation:
    """A pattern over differences; each part is a shell pattern, absent parts match everything."""

    what: str
    reason: str
    world: str = "*"
    proxy: str = "*"
    type: str = "*"
    resource: str = "*"
    path: str = "*"
    seen: int = field(default=0, compare=False)
    """How many differences it named; one that names none has healed and must go."""

    def names(self, what: str, difference: Difference) -> bool:
        """Whether the difference is this deviation."""
        return self.what == what and all(
            fnmatchcase(getattr(difference, part), getattr(self, part).replace("[", "[[]")) for part in _PARTS
        )


def load_deviations(path: Path = DEFAULT_LIST) -> list[Deviation]:
    """The list of a file; raises `InputError` for an entry without `what` or `reason`."""
    entries = Fields(read_mapping(path)).items("deviations")
    out = []
    for entry in entries:
        if "what" not in entry or "reason" not in entry:
            raise InputError("a deviation needs 'what' and 'reason'", Position(str(path)))
        world, proxy, kind, resource, where = (entry.text(part, "*") for part in _PARTS)
        out.append(Deviation(entry.text("what"), entry.text("reason"), world, proxy, kind, resource, where))
    return out


def reason_for(deviations: Sequence[Deviation], what: str, difference: Difference) -> str:
    """The reason of the first deviation that names the difference, empty when none does."""
    for deviation in deviations:
        if deviation.names(what, difference):
            deviation.seen += 1
            return deviation.reason
    return ""
