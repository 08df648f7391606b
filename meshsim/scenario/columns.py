"""Columns of numbers in CSV files that a scenario names: rates of intervals, instants of requests."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meshsim.api import Origin, locate, locate_value, read_text
from meshsim.errors import InputError, InputErrors, Position
from meshsim.scenario.arrivals import Replay, Series
from meshsim.scenario.load import Traffic
from meshsim.scenario.model import Scenario
from meshsim.scenario.problems import suggestion
from meshsim.units import SECOND

MOST_LINES: Final = 2_000_000
"""More lines are a mistake, or too much to hold."""
_MOST_RATE: Final = 1e9
_MOST_TIME: Final = 3.15e17
"""Ten years in nanoseconds."""


def read_files(scenario: Scenario, origin: Origin, folder: Path, errors: list[InputError]) -> Scenario:
    """The scenario with the numbers of the files that its traffic names; `errors` gets what is wrong with them."""
    traffic = []
    for index, item in enumerate(scenario.traffic):
        try:
            traffic.append(_filled(item, f"traffic[{index}]", origin, folder))
        except InputErrors as found:
            errors.extend(found.errors)
            traffic.append(item)
    return scenario.model_copy(update={"traffic": tuple(traffic)})


def _filled(item: Traffic, path: str, origin: Origin, folder: Path) -> Traffic:
    if item.series is not None and item.series.file is not None:
        numbers = _Column(item.series, f"{path}.series", origin, folder).read(_MOST_RATE)
        per = item.series.per or item.series.every
        rates = tuple(number * SECOND / per for number in numbers)
        return item.model_copy(update={"series": item.series.model_copy(update={"rates": rates})})
    if item.replay is not None and item.replay.file is not None:
        unit = item.replay.unit or SECOND
        numbers = _Column(item.replay, f"{path}.replay", origin, folder).read(_MOST_TIME / unit)
        first = min(numbers) if item.replay.count_from == "first" else 0
        instants = tuple(sorted(round((number - first) * unit) for number in numbers))
        return item.model_copy(update={"replay": item.replay.model_copy(update={"at": instants})})
    return item


class _Column:
    """One column of a file, with the places of what is wrong in it."""

    def __init__(self, node: Series | Replay, path: str, origin: Origin, folder: Path) -> None:
        self._wanted = node.column
        self._path = path
        self._origin = origin
        self._name = node.file or ""
        self._file = folder / self._name

    def read(self, most: float) -> list[float]:
        """The numbers, each from 0 to `most`; raises `InputErrors`."""
        lines = self._lines()
        place, header = self._choose([cell.strip() for cell in lines[0][1]])
        numbers: list[float] = []
        errors: list[InputError] = []
        for number, cells in lines[1:] if header else lines:
            try:
                numbers.append(self._number(number, cells, place, most))
            except InputError as error:
                errors.append(error)
        if errors:
            raise InputErrors(tuple(errors[:20]))
        if not numbers:
            raise self._error("the file has no numbers, only the names of its columns", self._at(1))
        return numbers

    def _lines(self) -> list[tuple[int, list[str]]]:
        try:
            text = read_text(self._file, locate_value(self._origin, f"{self._path}.file"))
        except InputError as error:
            raise InputErrors((error,)) from None
        first = text.partition("\n")[0]
        delimiter = next((mark for mark in ";\t" if mark in first), ",")
        reader = csv.reader(text.splitlines(), delimiter=delimiter)
        lines = [
            (reader.line_num, cells)
            for cells in reader
            if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")
        ]
        if not lines:
            raise self._error("the file is empty, a line for each number is needed", self._at(1))
        if len(lines) > MOST_LINES:
            raise self._error(f"the file has {len(lines)} lines, at most {MOST_LINES} are read", self._at(MOST_LINES))
        return lines

    def _choose(self, first: Sequence[str]) -> tuple[int, bool]:
        """Place of the column, and whether the first line is that of names."""
        names = not any(_is_number(cell) for cell in first)
        wanted = self._wanted
        where = locate(self._origin, f"{self._path}.column")
        known = ", ".join(first) if names else f"1 to {len(first)}"
        if wanted is None:
            if len(first) > 1:
                where = locate_value(self._origin, f"{self._path}.file")
                raise self._error(f"'{self._name}' has {len(first)} columns", where, f"name one in 'column': {known}")
            return 0, names
        if isinstance(wanted, int):
            if 1 <= wanted <= len(first):
                return wanted - 1, names
            raise self._error(f"'{self._name}' has no column {wanted}", where, f"its columns are {known}")
        if names and wanted in first:
            return first.index(wanted), True
        hint = (suggestion(wanted, first) if names else "") or f"its columns are {known}"
        raise self._error(f"'{self._name}' has no column '{wanted}'", where, hint)

    def _number(self, line: int, cells: Sequence[str], place: int, most: float) -> float:
        where = self._at(line, 1 + sum(len(cell) + 1 for cell in cells[:place]))
        text = cells[place].strip() if place < len(cells) else ""
        if not text:
            raise InputError(f"column {place + 1} has no number in this line", where, "", self._path)
        if not _is_number(text):
            raise InputError(f"expected a number, got '{text}'", where, "", self._path)
        value = float(text)
        if not 0 <= value <= most:
            bound = "is negative" if value < 0 else f"is more than {most:g}"
            raise InputError(f"'{text}' {bound}", where, "", self._path)
        return value

    def _at(self, line: int, column: int = 1) -> Position:
        return Position(str(self._file), line, column)

    def _error(self, message: str, where: Position, hint: str = "") -> InputErrors:
        return InputErrors((InputError(message, where, hint, self._path),))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
