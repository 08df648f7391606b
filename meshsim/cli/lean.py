"""What a command's own process does without: libraries that no command needs, and most looks for garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

UNUSED = ("pandas", "scipy")
"""pyarrow imports pandas to recognise its objects, numba scipy for linear algebra: together half a second."""


class Refusal:
    """A finder before all others, for which some modules are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing for other modules; raises `ModuleNotFoundError` for these."""
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is kept out of this process", name=fullname)
        return None


def keep_out() -> None:
    """Have this process do without them; for a command's own process, where nobody else wants them."""
    sys.meta_path.insert(0, Refusal(UNUSED))


def collect_rarely() -> None:
    """Look for unreachable cycles once in many thousand new objects.

    A world is millions of objects that stay, and hardly one is in a cycle; looking through them as often as Python does
    by itself takes a quarter of the time of a large mesh. What is in cycles are whole worlds that are not needed any
    more. Old as they are by then, these looks never come to them: whoever runs a replication looks for its world.
    """
    gc.set_threshold(200_000, 8, 100)
