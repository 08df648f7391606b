"""Tables for people who analyse: pandas where it is installed, Arrow otherwise."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, TypeAlias

DataFrame: TypeAlias = Any
"""A `pandas.DataFrame`, or a `pyarrow.Table` where pandas is not installed."""


def has_pandas() -> bool:
    """Whether pandas is installed."""
    return importlib.util.find_spec("pandas") is not None


def frame_of_table(table: Any) -> DataFrame:
    """An Arrow table as a DataFrame; names stay categories."""
    return table.to_pandas() if has_pandas() else table


def frame_of_rows(rows: Sequence[dict[str, object]]) -> DataFrame:
    """Rows as a DataFrame; a column that some rows lack is empty there."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if has_pandas():
        import pandas as pd

        return pd.DataFrame([dict(row) for row in rows], columns=columns)
    import pyarrow as pa

    return pa.table({name: [row.get(name) for row in rows] for name in columns})
