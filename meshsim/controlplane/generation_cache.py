"""What was generated once is kept by exactly the inputs it was made from.

A key holds every value a generator reads, objects by identity, so a stale entry cannot be found: a changed input is
another key. The cache passes from one push context to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, TypeVar

T = TypeVar("T")

_GENERATION_SIZE: Final = 60_000
"""Entries after which a new generation begins; what two generations did not ask for is forgotten."""


class GenerationCache:
    """Values by key, and the newest value of each slot; both in two generations."""

    __slots__ = ("_old", "_old_slots", "_slots", "_young")

    def __init__(self) -> None:
        self._young: dict[Hashable, object] = {}
        self._old: dict[Hashable, object] = {}
        self._slots: dict[Hashable, tuple[tuple[object, ...], object]] = {}
        self._old_slots: dict[Hashable, tuple[tuple[object, ...], object]] = {}

    def get_or_make(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made when it is not held."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                found = make()
            if len(self._young) >= _GENERATION_SIZE:
                self._old, self._young = self._young, {}
            self._young[key] = found
        return found  # type: ignore[return-value]

    def shared(self, key: Hashable, value: T) -> T:
        """The first value equal to this one that was shared under a key."""
        known: list[T] = self.get_or_make(("shared", key), list)
        for other in known:
            if other == value:
                return other
        known.append(value)
        return value

    def latest(self, slot: Hashable, inputs: tuple[object, ...], make: Callable[[T | None], T]) -> T:
        """The value made from these inputs; only the newest of a slot is held.

        For what is large, or made from much of what there is: `make` is given the value before, to build upon. Inputs
        are compared as tuples compare, so the very same objects are equal at once.
        """
        held = self._slots.get(slot)
        if held is None:
            held = self._old_slots.get(slot)
            if len(self._slots) >= _GENERATION_SIZE:
                self._old_slots, self._slots = self._slots, {}
            if held is not None:
                self._slots[slot] = held
        if held is not None and held[0] == inputs:
            return held[1]  # type: ignore[return-value]
        made = make(held[1] if held is not None else None)  # type: ignore[arg-type]
        self._slots[slot] = (inputs, made)
        return made

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
