"""Tables are pandas where it is installed, Arrow otherwise."""

from __future__ import annotations

import pyarrow as pa
import pytest

from meshsim.reporting import frames

ROWS: list[dict[str, object]] = [{"a": 1, "b": "x"}, {"a": 2, "c": True}]


def test_pandas() -> None:
    frame = frames.frame_of_rows(ROWS)
    assert list(frame.columns) == ["a", "b", "c"]
    assert frame["a"].tolist() == [1, 2]
    assert list(frames.frame_of_table(pa.table({"x": [1]}))["x"]) == [1]


def test_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "has_pandas", lambda: False)
    table = frames.frame_of_rows(ROWS)
    assert table.column_names == ["a", "b", "c"]
    assert table["c"].to_pylist() == [None, True]
    assert isinstance(frames.frame_of_table(pa.table({"x": [1]})), pa.Table)
