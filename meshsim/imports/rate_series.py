"""Series of arrival rates as load generators and workload models write them: a time and a rate in each line.

LIMBO's CSV (DescartesResearch, also of the HTTP load generator of TeaStore and of MiSim) has the middle of each
interval in seconds and the requests a second in it; other series have its begin, or the date.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from meshsim.errors import Finding, InputError, InputErrors, Position, Severity
from meshsim.imports.spans import read_trace_text
from meshsim.units import SECOND, Nanos

_RATE_NAMES: Final = ("rate", "arrivalrate", "arrivals", "requests", "rps", "load", "count", "value")
_TIME_NAMES: Final = ("time", "timestamp", "second", "seconds", "date", "datetime", "t")
_UNEVEN: Final = 1e-3
"""Share of an interval that times may be off."""


@dataclass(frozen=True, slots=True)
class RateSeries:
    """Rates of intervals that follow each other."""

    every: Nanos
    rates: tuple[float, ...]
    """Requests a second."""
    findings: tuple[Finding, ...]


def read_rate_series(path: Path, every: Nanos | None, per: Nanos | None) -> RateSeries:
    """The series of a file; raises `InputErrors`.

    `every` is the interval's length, needed where there is no column of times; `per` the time that its numbers are
    requests in: none says the interval.
    """
    lines = _lines(path)
    time_at, rate_at, body = _columns(path, lines)
    errors: list[InputError] = []
    numbers = [_number(path, line, rate_at, errors, "a rate") for line in body]
    times = [_instant(path, line, time_at, errors) for line in body] if time_at is not None else []
    if errors:
        raise InputErrors(tuple(errors[:20]))
    interval = _interval(path, body, times, every, 0 if time_at is None else time_at)
    negative = [line for line, number in zip(body, numbers, strict=True) if number < 0]
    findings: tuple[Finding, ...] = ()
    if negative:
        where = Position(str(path), negative[0].number, negative[0].column(rate_at))
        message = f"{len(negative)} of {len(numbers)} rates are negative and count as 0"
        findings = (Finding("MSH0303", Severity.WARNING, message, where),)
    unit = per if per is not None else interval
    return RateSeries(interval, tuple(max(number, 0.0) * SECOND / unit for number in numbers), findings)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Sequence[str]

    def column(self, place: int) -> int:
        """Where in the line a cell begins."""
        return 1 + sum(len(cell) + 1 for cell in self.cells[:place])


def _lines(path: Path) -> list[_Line]:
    try:
        text = read_trace_text(path)
    except InputError as error:
        raise InputErrors((error,)) from None
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    delimiter = next((mark for mark in ";\t" if mark in first), ",")
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    lines = [
        _Line(reader.line_num, cells)
        for cells in reader
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")
    ]
    if not lines:
        raise InputErrors((InputError("the file is empty, a line for each interval is needed", Position(str(path))),))
    return lines


def _columns(path: Path, lines: Sequence[_Line]) -> tuple[int | None, int, Sequence[_Line]]:
    """Places of time and rate, by their names where the first line has some, and the lines of numbers."""
    first = [cell.strip().lower().replace("_", "").replace(" ", "") for cell in lines[0].cells]
    if any(_is_value(cell) for cell in lines[0].cells):
        return (None, 0, lines) if len(first) == 1 else (0, 1, lines)
    if len(lines) == 1:
        message = "the file has no numbers, only the names of its columns"
        raise InputErrors((InputError(message, Position(str(path), lines[0].number, 1)),))
    rate = next((first.index(name) for name in _RATE_NAMES if name in first), None)
    time = next((first.index(name) for name in _TIME_NAMES if name in first and first.index(name) != rate), None)
    if len(first) == 1:
        return None, 0, lines[1:]
    if rate is None and len(first) == 2:
        time, rate = (0, 1) if time is None else (time, 1 - time)
    if rate is None:
        hint = f"name it {_RATE_NAMES[0]}; its columns are {', '.join(lines[0].cells)}"
        raise InputErrors((InputError("no column looks like rates", Position(str(path), lines[0].number, 1), hint),))
    return time, rate, lines[1:]


def _is_value(cell: str) -> bool:
    try:
        _as_instant(cell)
    except ValueError:
        return False
    return True


def _as_instant(cell: str) -> float:
    """Seconds of a number or a date."""
    text = cell.strip()
    try:
        value = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _number(path: Path, line: _Line, place: int, errors: list[InputError], what: str) -> float:
    cell = line.cells[place].strip() if place < len(line.cells) else ""
    try:
        value = float(cell)
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    errors.append(InputError(f"expected {what}, got '{cell}'", Position(str(path), line.number, line.column(place))))
    return 0.0


def _instant(path: Path, line: _Line, place: int, errors: list[InputError]) -> float:
    cell = line.cells[place] if place < len(line.cells) else ""
    try:
        return _as_instant(cell)
    except ValueError:
        where = Position(str(path), line.number, line.column(place))
        errors.append(InputError(f"expected a time in seconds or a date, got '{cell.strip()}'", where))
        return 0.0


def _interval(path: Path, lines: Sequence[_Line], times: Sequence[float], every: Nanos | None, place: int) -> Nanos:
    """The length of the intervals: as given, else from the times, which are evenly apart."""
    if len(times) < 2:
        if every is None:
            hint = "say how long a rate holds: --every 1s"
            raise InputErrors((InputError("the length of the intervals is not known", Position(str(path)), hint),))
        return every
    step = times[1] - times[0]
    for line, before, after in zip(lines[1:], times, times[1:]):
        if step <= 0 or abs(after - before - step) > _UNEVEN * step:
            where = Position(str(path), line.number, line.column(place))
            message = f"the times are not evenly apart: {after - before:g}s here, {step:g}s at first"
            raise InputErrors((InputError(message, where, "give one line for each interval, also for empty ones"),))
    if every is None:
        return round((times[-1] - times[0]) / (len(times) - 1) * SECOND / 1000) * 1000
    return every
