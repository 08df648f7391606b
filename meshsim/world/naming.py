"""Names of numbered things, for many rows at a time: each is asked for once, when its number is first met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from meshsim.recording import Coded, Names
from meshsim.units import Nanos

T = TypeVar("T")
Numbers = npt.NDArray[np.integer[Any]]
_NEVER: Final = np.iinfo(np.int64).max
_WIDER: Final[dict[Any, Any]] = {np.dtype(np.uint8): np.uint16, np.dtype(np.uint16): np.uint32}


class _Column:
    """Codes of the names in one column, by number."""

    def __init__(self) -> None:
        self.names = Names()
        self.codes: npt.NDArray[np.unsignedinteger[Any]] = np.zeros(0, np.uint8)

    def reach(self, end: int) -> None:
        """Have room for all numbers below `end`."""
        self.codes = np.append(self.codes, np.zeros(end - len(self.codes), self.codes.dtype))

    def note(self, number: int, name: str) -> None:
        """A number has this name."""
        code = self.names.code(name)
        if code > np.iinfo(self.codes.dtype).max:
            # Codes are as narrow as may be: those of all rows go to disk.
            self.codes = self.codes.astype(_WIDER[self.codes.dtype])
        self.codes[number] = code

    def of(self, numbers: Numbers) -> Coded | str:
        """Names of many numbers, all of which have been noted; one name for all where there is no other."""
        return self.names[0] if len(self.names) == 1 else Coded(self.codes.take(numbers), self.names)


class NumberedNames:
    """What is known by name of things that have numbers: one or several columns."""

    def __init__(self, columns: Sequence[str], names_of: Callable[[int], Sequence[str]]) -> None:
        """`names_of` gives the names of a number in the order of the columns."""
        self._columns = {column: _Column() for column in columns}
        self._names_of = names_of
        self._met = np.zeros(0, bool)

    def columns(self, numbers: Numbers) -> dict[str, Coded | str]:
        """The columns of some things, at least one; their numbers are 0 or more."""
        places = numbers.astype(np.intp, copy=False)
        self._meet(places)
        return {name: column.of(places) for name, column in self._columns.items()}

    def names(self, column: str) -> Names:
        """The names of a column."""
        return self._columns[column].names

    def _meet(self, numbers: Numbers) -> None:
        end = int(numbers.max()) + 1
        if end > len(self._met):
            end = max(end, 2 * len(self._met))
            self._met = np.append(self._met, np.zeros(end - len(self._met), bool))
            for column in self._columns.values():
                column.reach(end)
        met = self._met.take(numbers)
        if met.all():
            return
        for number in np.unique(numbers[~met]).tolist():
            for column, name in zip(self._columns.values(), self._names_of(number), strict=True):
                column.note(number, name)
            self._met[number] = True


class Moments(Generic[T]):
    """What has held of numbered things, and since when. One thread notes while others ask about times before."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[Nanos, T]]] = {}
        self._changes = 0
        self._read = 0
        self._since: npt.NDArray[np.int64] = np.zeros((0, 0), np.int64)
        """When the second, third and further ones began, by number; the last column is of those that have no second."""

    def note(self, number: int, since: Nanos, value: T) -> None:
        """This holds from now on."""
        known = self._known.setdefault(number, [])
        if not known or known[-1][1] != value:
            known.append((since, value))
            self._changes += len(known) > 1

    def of(self, number: int) -> list[T]:
        """Everything that has held of a thing, in order."""
        return [value for _, value in self._known.get(number, ())]

    def turns(self, numbers: Numbers, times: Numbers) -> Numbers:
        """Which of them held at these times: 0 the first."""
        turn = np.zeros(len(numbers), np.int32)
        if self._changes:
            for since in self._table():
                turn += times >= since.take(numbers, mode="clip")
        return turn

    def _table(self) -> npt.NDArray[np.int64]:
        if self._read < self._changes:
            self._read = self._changes
            changed = {number: known[:] for number, known in list(self._known.items()) if len(known) > 1}
            most = max(map(len, changed.values()))
            self._since = np.full((most - 1, max(changed) + 2), _NEVER, np.int64)
            for number, known in changed.items():
                self._since[: len(known) - 1, number] = [since for since, _ in known[1:]]
        return self._since
