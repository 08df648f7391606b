"""Requests of a recording as the proxies on both sides report them: groups that have their labels in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meshsim.metrics.histogram import bins_of
from meshsim.recording import Run
from meshsim.units import MILLISECOND, SECOND, Nanos

T = TypeVar("T", bool, int, str)

_COLUMNS: Final = (
    *("last", "mirror", "attempt", "start", "arrived", "served", "done", "end", "traffic", "source_namespace"),
    *("source_pod", "destination_namespace", "pod", "service", "endpoint", "call", "route", "cluster", "session"),
    *("security", "status", "flags"),
)


class Side(Enum):
    """Who reports."""

    SOURCE = "source"
    DESTINATION = "destination"


class Group(NamedTuple):
    """Requests of one second, or of a whole run, that no label tells apart, and one bin of their durations."""

    second: int
    """The second at whose end they count; 0 where seconds do not matter."""
    bin: int
    """Lower end of the bin, in tenths of a millisecond."""
    requests: int
    source_namespace: str
    source_pod: str
    destination_namespace: str
    pod: str
    """Empty where none was reached."""
    service: str
    """Host asked for."""
    endpoint: str
    call: str
    """Method and path."""
    route: str
    cluster: str
    session: str
    """The cluster that the caller's TCP proxy leads to; empty where it is no session of one."""
    security: str
    status: int
    flags: str
    heard: bool
    """Whether the peer has answered, and so told who it is."""

    @property
    def routed(self) -> bool:
        """Whether an HTTP connection manager of the caller's proxy had it.

        A connection that a listener closes has neither status nor cluster; nor has a request whose client goes early.
        """
        return not self.session and bool(self.status or self.cluster or "DC" in self.flags.split(","))


_KEYS: Final = Group._fields[3:]


def request_groups(run: Run, side: Side, until: Nanos, step: Nanos = 0) -> Iterator[Group]:
    """What proxies of one side had reported before `until`, in steps of so much time, or 0 for all at once.

    A caller's proxy reports a request when it ends; a server's sidecar each attempt that arrives, when the application
    has answered or the caller has gone.
    DEVIATION: a server's sidecar reports durations without its own CPU time.
    """
    table = reported(run, side)
    if table.num_rows:
        duration = table["duration"].to_numpy() // MILLISECOND
        yield from grouped(table.append_column("bin", pa.array(bins_of(duration))), until, step)


def reported(run: Run, side: Side) -> Any:
    """The rows of what proxies of one side report: when (`time`), after how long, and whether the peer has `heard`."""
    table = run.requests(list(_COLUMNS))
    return _of_source(table, run) if side is Side.SOURCE else _of_destination(table)


def grouped(table: Any, until: Nanos, step: Nanos) -> Iterator[Group]:
    """Rows that have a `time`, before `until`, and a `bin` as groups, in order."""
    time = table["time"].to_numpy()
    second = np.zeros(len(time), np.int64) if not step else (time // step + 1) * (step // SECOND)
    table = table.append_column("second", pa.array(second)).filter(pc.less(table["time"], until))
    groups = table.group_by(["second", "bin", *_KEYS], use_threads=False).aggregate([([], "count_all")])
    columns = [groups[name].to_pylist() for name in ("second", "bin", "count_all", *_KEYS)]
    yield from sorted(Group(*values) for values in zip(*columns, strict=True))


_BROKEN: Final = frozenset({"UT", "DC", "SI", "UMSDR", "UC", "UF", "UR", "UPE"})
"""Flags of an attempt whose answer its caller has not got."""
_SERVERS: Final = frozenset({"UAEX", "RLSE", "RL"})
"""Flags that a server's sidecar sets itself."""


def _plain(table: Any) -> Any:
    """Names as text: groups of several replications have dictionaries of their own."""
    names = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    for name in names:
        table = table.set_column(table.schema.get_field_index(name), name, pc.cast(table[name], pa.string()))
    return table


def mapped(column: Any, function: Callable[[str], T]) -> np.ndarray[Any, np.dtype[Any]]:
    """A function of each name of a column, called once for each different one."""
    coded = pc.dictionary_encode(column).combine_chunks()
    values = np.array([function(name) for name in coded.dictionary.to_pylist()])
    picked: np.ndarray[Any, np.dtype[Any]] = values[coded.indices.to_numpy()] if len(values) else values
    return picked


def _is_broken(flags: str) -> bool:
    return not _BROKEN.isdisjoint(flags.split(","))


def _of_source(table: Any, run: Run) -> Any:
    table = _plain(table.filter(pc.and_(table["last"], pc.invert(table["mirror"]))))
    if not table.num_rows:
        return table
    ways = {row["traffic"]: row["way"] for row in run.traffic().to_pylist() if row["gateway"]}
    way = mapped(table["traffic"], lambda name: ways.get(name, 0))
    duration = np.maximum(table["end"].to_numpy() - table["start"].to_numpy() - way, 0)
    heard = (table["done"].to_numpy() >= 0) & ~mapped(table["flags"], _is_broken)
    return _with(table, table["end"].to_numpy(), duration, heard)


def _of_destination(table: Any) -> Any:
    arrived = pc.greater_equal(table["arrived"], 0)
    table = _plain(table.filter(arrived))
    table = table.filter(pc.not_equal(table["pod"], ""))
    if not table.num_rows:
        return table
    # A connection that breaks under an attempt is that of a pod that has died, its sidecar with it.
    table = table.filter(pa.array(~mapped(table["flags"], lambda flags: "UC" in flags.split(","))))
    if not table.num_rows:
        return table
    done, end = table["done"].to_numpy(), table["end"].to_numpy()
    gone = mapped(table["flags"], _is_broken) | (done < 0)
    status = np.where(gone, 0, table["status"].to_numpy())
    unserved = (status == 503) & (table["served"].to_numpy() < 0)
    own = mapped(table["flags"], lambda flags: ",".join(f for f in flags.split(",") if f in _SERVERS))
    flags = np.where(gone, "DC", np.where(unserved, "UF", own))
    table = table.append_column("caller_flags", table["flags"])
    table = table.set_column(table.schema.get_field_index("flags"), "flags", pa.array(flags.tolist(), pa.string()))
    table = table.set_column(table.schema.get_field_index("status"), "status", pa.array(status))
    time = np.where(gone, end, done)
    return _with(table, time, np.maximum(time - table["arrived"].to_numpy(), 0), ~gone)


def _with(table: Any, time: Any, duration: Any, heard: Any) -> Any:
    for name, values in (("time", time), ("duration", duration), ("heard", heard)):
        table = table.append_column(name, pa.array(values))
    return table
