"""What a run hands over while it goes: columns of requests, records of the control plane, configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow.parquet as pq

from meshsim.recording.arrow import ColumnData, arrow_schema, arrow_table, check_columns, joined, rows_table
from meshsim.recording.configs import ConfigLog
from meshsim.recording.manifest import Manifest
from meshsim.recording.pushes import PushLog
from meshsim.recording.records import InstanceInfo, ObjectSource, ProxyInfo, TrafficInfo
from meshsim.recording.row_stream import ROW_GROUP, RowStream
from meshsim.recording.schema import (
    CHANGES,
    COUNTERS,
    INSTANCES,
    OBJECTS,
    PODS,
    PROXIES,
    PUSHES,
    REQUESTS,
    SERIES,
    TIMELINE,
    TRAFFIC,
    Table,
)
from meshsim.trace import ConfigChange, PodPhase, ProxyEffective, Push, PushAnswer, PushSent, Taps, TimelineMark
from meshsim.units import Nanos

Record = (
    ConfigChange
    | Push
    | PushSent
    | PushAnswer
    | ProxyEffective
    | PodPhase
    | TimelineMark
    | ProxyInfo
    | InstanceInfo
    | ObjectSource
    | TrafficInfo
)
"""Everything but requests and configuration."""

_PLAIN: Final[dict[type, Table]] = {
    ConfigChange: CHANGES,
    PodPhase: PODS,
    TimelineMark: TIMELINE,
    ProxyInfo: PROXIES,
    InstanceInfo: INSTANCES,
    ObjectSource: OBJECTS,
    TrafficInfo: TRAFFIC,
}


class RunSink(Protocol):
    """What a world needs of a recording."""

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        """Take a batch of requests; the arrays are overwritten afterwards."""

    def add_series(self, columns: Mapping[str, ColumnData]) -> None: ...

    def add_counters(self, columns: Mapping[str, ColumnData]) -> None: ...

    def add_record(self, record: Record) -> None: ...

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None: ...


class _Stream:
    """A table that is written while its rows come: batches are gathered to row groups of about `ROW_GROUP`."""

    def __init__(self, folder: Path, table: Table, seed: int) -> None:
        self.rows = 0
        self._table = table
        self._seed = seed
        self._waiting: list[tuple[Mapping[str, ColumnData], int]] = []
        self._waiting_rows = 0
        path = folder / f"{table.name}.parquet"
        self._file = pq.ParquetWriter(path, arrow_schema(table), compression="zstd")

    def add(self, columns: Mapping[str, ColumnData]) -> None:
        """Append a batch, every column of the table but the seed."""
        rows = _rows(columns)
        if not rows:
            return
        check_columns(self._table, {**columns, "seed": self._seed}, rows)
        self._waiting.append((columns, rows))
        self._waiting_rows += rows
        self.rows += rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        columns: dict[str, ColumnData] = {
            column.name: joined(column, [(batch[column.name], rows) for batch, rows in self._waiting])
            for column in self._table.columns
            if column.name != "seed"
        }
        table = arrow_table(self._table, {**columns, "seed": self._seed}, self._waiting_rows)
        self._waiting.clear()
        self._waiting_rows = 0
        self._file.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._flush()
        self._file.close()


class RunWriter:
    """Writes the tables of one replication into a folder; complete only after `finish`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self._requests = RowStream(folder, REQUESTS, seed)
        self._series = _Stream(folder, SERIES, seed)
        self._counters = _Stream(folder, COUNTERS, seed)
        self._pushes = PushLog()
        self._records: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in _PLAIN.values()}
        self._config = ConfigLog()

    @property
    def rows(self) -> int:
        """Rows of requests so far."""
        return self._requests.rows

    def listen(self, taps: Taps) -> None:
        """Record everything that appears at these taps."""
        for tap in (
            taps.config_change,
            taps.push,
            taps.push_sent,
            taps.push_answer,
            taps.proxy_effective,
            taps.pod_phase,
            taps.timeline,
        ):
            tap.listen(self.add_record)

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        """Append a batch of requests: one entry a column of `REQUESTS`, `seed` excepted.

        Times and ids are arrays, names are `Coded` (codes into a list of names), an array or list of text, or one text
        for all rows.
        """
        self._requests.add(columns, _rows(columns))

    def add_series(self, columns: Mapping[str, ColumnData]) -> None:
        """Append counts of requests: one entry a column of `SERIES`, `seed` excepted."""
        self._series.add(columns)

    def add_counters(self, columns: Mapping[str, ColumnData]) -> None:
        """Append values of statistics: one entry a column of `COUNTERS`, `seed` excepted."""
        self._counters.add(columns)

    def add_record(self, record: Record) -> None:
        """Append a record of any type."""
        if isinstance(record, Push | PushSent | PushAnswer | ProxyEffective):
            self._pushes.add(record)
        else:
            self._records[_PLAIN[type(record)].name].append((*record, self.seed))

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None:
        """Note that a proxy has these resources from `time` on, and others no longer."""
        self._config.add(time, proxy, type_url, changed, removed)

    def finish(self, manifest: Manifest) -> None:
        """Write what is still in memory, and the manifest last."""
        self.close()
        self._write(PUSHES, rows_table(PUSHES, self._pushes.rows(self.seed)))
        for table in _PLAIN.values():
            self._write(table, rows_table(table, self._records[table.name]))
        self._config.write(self.folder)
        manifest.write(self.folder)

    def close(self) -> None:
        """Complete the open files, also those of a run that failed."""
        self._requests.close()
        self._series.close()
        self._counters.close()

    def _write(self, table: Table, rows: Any) -> None:
        pq.write_table(rows, self.folder / f"{table.name}.parquet", compression="zstd")


def _rows(columns: Mapping[str, ColumnData]) -> int:
    for data in columns.values():
        if isinstance(data, str | int):
            continue
        return len(data.codes) if hasattr(data, "codes") else len(data)
    return 0
