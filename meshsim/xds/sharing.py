"""Equal tables of names as one object, and values that count by identity: in a large mesh thousands of streams are
about the same thousand names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
V = TypeVar("V")

_FEW: Final = 32
"""Tables of fewer entries are left alone."""
_KEPT: Final = 256
"""So many tables are remembered; they begin anew when there are more."""

_pool: dict[tuple[tuple[str, ...], tuple[Any, ...]], Mapping[str, Any]] = {}


def share(table: Mapping[str, V]) -> Mapping[str, V]:
    """This table, or an equal one in the same order that someone else has; neither may be changed from now on."""
    if len(table) < _FEW:
        return table
    if len(_pool) >= _KEPT:
        _pool.clear()
    return _pool.setdefault((tuple(table), tuple(table.values())), table)


class ByIdentity(Generic[T]):
    """A value that stands for itself alone where results are remembered, however equal another may be."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.value is self.value
