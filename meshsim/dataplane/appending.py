"""Rows and numbers on their way into the tables of the event core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshsim.dataplane.storage import Tables

Row = tuple[int, ...]


@dataclass(slots=True)
class Appender:
    """Rows that wait to be written behind the `count` a table has."""

    name: str
    count: int = 0
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> int:
        """Number of the new row."""
        self.rows.append(row)
        return self.count + len(self.rows) - 1

    def extend(self, rows: Sequence[Row]) -> int:
        """Number of the first of the new rows."""
        first = self.count + len(self.rows)
        self.rows.extend(rows)
        return first

    def flush(self, tables: Tables) -> None:
        """Write what waits."""
        if self.rows:
            tables.write_rows(self.name, self.count, self.rows)
            self.count += len(self.rows)
            self.rows.clear()


@dataclass(slots=True)
class ColumnAppender:
    """Numbers that wait to be written behind the `count` a column has."""

    name: str
    count: int = 0
    values: list[int] = field(default_factory=list)

    def extend(self, values: Sequence[int]) -> int:
        """Place of the first of the new numbers."""
        first = self.count + len(self.values)
        self.values.extend(values)
        return first

    def flush(self, tables: Tables) -> None:
        """Write what waits."""
        if self.values:
            tables.write(self.name, self.count, self.values)
            self.count += len(self.values)
            self.values.clear()
