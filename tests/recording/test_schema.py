"""Tables say what their columns mean, and agree with the records they hold."""

from __future__ import annotations

import pytest

from meshsim.recording.schema import CHANGES, PODS, TABLES, TIMELINE, Kind, Table
from meshsim.trace import ConfigChange, PodPhase, TimelineMark


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_are_distinct_and_explained(table: Table) -> None:
    assert len(set(table.names)) == len(table.names)
    assert all(column.meaning for column in table.columns)
    assert table.columns[-1].name == "seed" or table.name == "requests"


@pytest.mark.parametrize(
    ("table", "record"), [(CHANGES, ConfigChange), (PODS, PodPhase), (TIMELINE, TimelineMark)], ids=str
)
def test_records_are_rows(table: Table, record: type) -> None:
    assert [*record._fields, "seed"] == table.names  # type: ignore[attr-defined]


def test_times_are_whole_nanoseconds() -> None:
    assert all(c.kind is Kind.TIME for t in TABLES for c in t.columns if c.name in ("time", "start", "end", "sent"))
