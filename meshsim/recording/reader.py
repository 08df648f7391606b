"""A recording as tables, read when they are asked for. Several replications are read as one, told apart by `seed`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from meshsim.errors import InputError
from meshsim.recording.folder import LATEST
from meshsim.recording.manifest import FILE, Manifest, read_manifest
from meshsim.recording.records import ConfigEntry
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
from meshsim.units import Nanos

VERDICTS = "verdicts.json"
T = TypeVar("T")


class Run:
    """A finished run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        several = len(self.manifest.seeds) > 1
        self._parts = [folder / f"seed-{seed}" for seed in self.manifest.seeds] if several else [folder]
        for part in self._parts:
            if not (part / FILE).is_file():
                raise InputError(f"the recording '{folder}' is incomplete: '{part.name}' is missing")
        self._tables: dict[str, Any] = {}
        self._derived: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[Run], T]) -> T:
        """What a reader makes of the run, made when it is first asked for."""
        if name not in self._derived:
            self._derived[name] = make(self)
        found: T = self._derived[name]
        return found

    def moved(self, folder: Path) -> None:
        """Its folder has been renamed."""
        self._parts = [folder / part.relative_to(self.folder) for part in self._parts]
        self.folder = folder

    @property
    def duration(self) -> Nanos:
        """Simulated time of each replication."""
        return self.manifest.until

    @cached_property
    def parts(self) -> tuple[Run, ...]:
        """One run for each replication."""
        return (self,) if len(self._parts) == 1 else tuple(Run(part) for part in self._parts)

    def requests(self, columns: Sequence[str] | None = None) -> Any:
        """The requests as an Arrow table, all columns or some."""
        if columns is None:
            return self._table(REQUESTS)
        return self._read(REQUESTS, list(columns))

    def pushes(self) -> Any:
        """The responses to proxies as an Arrow table."""
        return self._table(PUSHES)

    def changes(self) -> Any:
        """The changes that Pilot noticed."""
        return self._table(CHANGES)

    def timeline(self) -> Any:
        """The timeline actions that happened."""
        return self._table(TIMELINE)

    def pods(self) -> Any:
        """The steps of the pods' lives."""
        return self._table(PODS)

    def proxies(self) -> Any:
        """The proxies."""
        return self._table(PROXIES)

    def objects(self) -> Any:
        """Where objects were written."""
        return self._table(OBJECTS)

    def traffic(self) -> Any:
        """What clients send."""
        return self._table(TRAFFIC)

    def series(self) -> Any:
        """Requests counted by second, edge, outcome and latency bucket."""
        return self._table(SERIES)

    def instances(self) -> Any:
        """The pods that took part."""
        return self._table(INSTANCES)

    def counters(self) -> Any:
        """Statistics of clusters, each time that they had changed."""
        return self._table(COUNTERS)

    def verdicts(self) -> Any:
        """The content of `verdicts.json`, an empty list where nothing was judged."""
        path = self.folder / VERDICTS
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []

    def config(self, proxy: str, at: Nanos | None = None) -> list[ConfigEntry]:
        """What one proxy has at an instant (at the end when `None`), by type and name. Of the first replication."""
        from meshsim.recording.configs import read_config

        return read_config(self._parts[0], proxy, at)

    def former_config(self, proxy: str, types: Sequence[str], at: Nanos | None = None) -> list[ConfigEntry]:
        """What one proxy had of some types and no longer has, latest first. Of the first replication."""
        from meshsim.recording.configs import read_former

        return read_former(self._parts[0], proxy, types, at)

    def configured_proxies(self) -> list[str]:
        """Proxies whose configuration was kept."""
        from meshsim.recording.configs import configured_proxies

        return configured_proxies(self._parts[0])

    def _table(self, table: Table) -> Any:
        if table.name not in self._tables:
            self._tables[table.name] = self._read(table, None)
        return self._tables[table.name]

    def _read(self, table: Table, columns: list[str] | None) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = [part / f"{table.name}.parquet" for part in self._parts]
        try:
            parts = [pq.read_table(file, columns=columns) for file in files]
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"the recording '{self.folder}' cannot be read: {error}") from None
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts).unify_dictionaries()

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"


def open_run(path: str | Path) -> Run:
    """The recording in a folder; of a scenario's folder its latest one. Raises `InputError`."""
    folder = Path(path)
    if not (folder / FILE).is_file():
        latest = folder / LATEST
        if (latest / FILE).is_file():
            return Run(latest.resolve())
        numbered = sorted(_numbered(folder))
        if numbered:
            return Run(numbered[-1])
    return Run(folder)


def _numbered(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (entry for entry in folder.iterdir() if entry.name.isdigit() and (entry / FILE).is_file())
