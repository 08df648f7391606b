"""How rows of the event core are kept: lists of Python objects, or numpy records that compiled code works on.

Both offer the same `Tables`, so that the engine above does not know how rows are kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.dataplane import core
from meshsim.dataplane.core import State
from meshsim.dataplane.series import CELL_DTYPE, merge_cells

Ints = npt.NDArray[np.int64]

ROWS: Final[Mapping[str, type]] = {
    "ctl": core.Ctl,
    "dist": core.Dist,
    "proxy": core.Proxy,
    "pod": core.Pod,
    "handler": core.Handler,
    "call": core.Call,
    "flow": core.Flow,
    "route": core.Route,
    "share": core.Share,
    "cluster": core.Cluster,
    "plan": core.Plan,
    "level": core.Level,
    "host_source": core.HostSource,
    "link": core.Link,
    "host": core.Host,
    "probe": core.Probe,
    "check": core.Check,
    "inbound": core.Inbound,
    "pool": core.Pool,
    "conn": core.Conn,
    "conn_age": core.ConnAge,
    "source": core.Source,
    "user": core.User,
    "req": core.Req,
    "att": core.Att,
    "trace": core.Trace,
    "timer": core.Timer,
    "timer_class": core.TimerClass,
    "change": core.Change,
    "log": core.Log,
    "bucket": core.Bucket,
    "tally": core.Tally,
    "rare": core.Rare,
    "cell": core.Cell,
    "kept": core.Cell,
    "series": core.Series,
    "piece": core.Piece,
    "bound": core.Bound,
    "wake": core.Wake,
    "turn_of": core.Turn,
    "pool_key": core.PoolKey,
    "own_bucket": core.OwnBucket,
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {name: tuple(row.__annotations__) for name, row in ROWS.items()}
COLUMNS: Final = tuple(name for name in State._fields if name not in ROWS)
WIDTHS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("att_gen", "hosts", "seen", "cluster_row", "call_flow", "member", "tried", "layer", "height"), 4),
    **dict.fromkeys(("bucket_first", "cell_at"), 4),
}
"""Bytes of a number in the columns whose numbers are small; the others have 8."""


class Mode(StrEnum):
    """How the core is executed."""

    PLAIN = "plain"
    NUMBA = "numba"
    CHECKED = "numba-checked"
    """Compiled with bounds checks: slower, and an index out of range is an error instead of silent damage."""


class Tables(ABC):
    """The state of one engine and the two functions that work on it.

    Tables hold rows (`ROWS`), columns plain numbers. Every write goes through here, so that the engine above does not
    know how rows are kept.
    """

    mode: Mode
    state: State

    @abstractmethod
    def run(self, until: int) -> int:
        """`core.run`."""

    @abstractmethod
    def inject(self, first: int, n: int) -> None:
        """`core.inject`."""

    @abstractmethod
    def reserve(self, name: str, capacity: int) -> None:
        """Make a table or column at least this long; what is new is zero."""

    @abstractmethod
    def read_rows(self, name: str, at: int, n: int) -> list[tuple[int, ...]]:
        """`n` rows from `at` on, each as its fields in order."""

    @abstractmethod
    def write_rows(self, name: str, at: int, rows: Sequence[tuple[int, ...]]) -> None:
        """Overwrite rows from `at` on, each given as its fields in order; the table is grown as needed."""

    @abstractmethod
    def read(self, name: str, at: int, n: int) -> list[int]:
        """`n` places of a column from `at` on."""

    @abstractmethod
    def write(self, name: str, at: int, values: Sequence[int]) -> None:
        """Overwrite places of a column from `at` on; it is grown as needed."""

    @abstractmethod
    def set(self, name: str, row: int, field: str, value: int) -> None:
        """Write one field."""

    @abstractmethod
    def get(self, name: str, row: int, field: str) -> int:
        """Read one field."""

    @abstractmethod
    def field(self, name: str, field: str) -> Ints:
        """A copy of one field of all rows."""

    @abstractmethod
    def column(self, name: str) -> Ints:
        """A copy of a column."""

    @abstractmethod
    def fill(self, name: str, field: str, at: int, values: Iterable[int]) -> None:
        """Write one field of consecutive rows."""

    @abstractmethod
    def take_log(self) -> npt.NDArray[np.void]:
        """A copy of the log rows, which are then gone."""

    @abstractmethod
    def reuse_log(self, rows: npt.NDArray[np.void]) -> None:
        """Rows that `take_log` gave are needed no longer."""

    @abstractmethod
    def keep_cells(self) -> None:
        """Set the series cells aside, so that there is room for others."""

    @abstractmethod
    def take_series(self) -> npt.NDArray[np.void]:
        """All cells since the last call as rows of the series (`series.SERIES_DTYPE`), there until the next call."""

    def length(self, name: str) -> int:
        """Length of a table or column."""
        return len(getattr(self.state, name))


# ---------------------------------------------------------------------------------------------------------------------
# Interpreted
# ---------------------------------------------------------------------------------------------------------------------


def _slotted(row: type) -> type[Any]:
    fields = tuple(row.__annotations__)

    def init(self: Any, values: tuple[int, ...] | None = None) -> None:
        for name, value in zip(fields, values or (0,) * len(fields), strict=True):
            setattr(self, name, value)

    return type(row.__name__, (), {"__slots__": fields, "__init__": init, "__doc__": row.__doc__})


_PLAIN_ROWS: Final = {name: _slotted(row) for name, row in ROWS.items()}


class PlainTables(Tables):
    """The interpreted mode: the reference, with debugger, coverage and tracebacks."""

    def __init__(self) -> None:
        self.mode = Mode.PLAIN
        lists: dict[str, list[Any]] = {name: [] for name in State._fields}
        self.state = State(**lists)
        self._kept: list[npt.NDArray[np.void]] = []

    def run(self, until: int) -> int:
        return core.run(self.state, until)

    def inject(self, first: int, n: int) -> None:
        core.inject(self.state, first, n)

    def _list(self, name: str) -> list[Any]:
        found: list[Any] = getattr(self.state, name)
        return found

    def reserve(self, name: str, capacity: int) -> None:
        table = self._list(name)
        missing = capacity - len(table)
        if missing > 0:
            make = _PLAIN_ROWS.get(name)
            table.extend([0] * missing if make is None else [make() for _ in range(missing)])

    def read_rows(self, name: str, at: int, n: int) -> list[tuple[int, ...]]:
        return [tuple(getattr(row, f) for f in FIELDS[name]) for row in self._list(name)[at : at + n]]

    def write_rows(self, name: str, at: int, rows: Sequence[tuple[int, ...]]) -> None:
        self.reserve(name, at + len(rows))
        make = _PLAIN_ROWS[name]
        self._list(name)[at : at + len(rows)] = [make(row) for row in rows]

    def read(self, name: str, at: int, n: int) -> list[int]:
        return self._list(name)[at : at + n]

    def write(self, name: str, at: int, values: Sequence[int]) -> None:
        self.reserve(name, at + len(values))
        self._list(name)[at : at + len(values)] = [int(value) for value in values]

    def set(self, name: str, row: int, field: str, value: int) -> None:
        setattr(self._list(name)[row], field, value)

    def get(self, name: str, row: int, field: str) -> int:
        return int(getattr(self._list(name)[row], field))

    def field(self, name: str, field: str) -> Ints:
        return np.array([getattr(row, field) for row in self._list(name)], np.int64)

    def column(self, name: str) -> Ints:
        return np.array(self._list(name), np.int64)

    def fill(self, name: str, field: str, at: int, values: Iterable[int]) -> None:
        for row, value in zip(self._list(name)[at:], values):
            setattr(row, field, value)

    def take_log(self) -> npt.NDArray[np.void]:
        ctl = self._list("ctl")[0]
        rows = [tuple(getattr(row, f) for f in FIELDS["log"]) for row in self._list("log")[: ctl.log_n]]
        ctl.log_n = 0
        return np.array(rows, LOG_DTYPE)

    def reuse_log(self, rows: npt.NDArray[np.void]) -> None:
        """Python takes back by itself what nobody needs."""

    def keep_cells(self) -> None:
        ctl = self._list("ctl")[0]
        rows = [tuple(getattr(row, f) for f in FIELDS["cell"]) for row in self._list("cell")[: ctl.cell_n]]
        self._kept.append(np.array(rows, CELL_DTYPE))
        ctl.cell_n = 0
        self._list("cell_at")[:] = [0] * self.length("cell_at")

    def take_series(self) -> npt.NDArray[np.void]:
        self.keep_cells()
        kept, self._kept = self._kept, []
        return merge_cells(np.concatenate(kept))


# ---------------------------------------------------------------------------------------------------------------------
# Compiled
# ---------------------------------------------------------------------------------------------------------------------

_LINE: Final = 64
"""Bytes of a cache line."""
_PIECE: Final = 1 << 25
"""Bytes that are asked for at once; what is not used yet costs nothing."""
_SIZES: Final = {"i64": 8, "i32": 4, "i16": 2, "i8": 1}
_IN_SEQUENCE: Final = frozenset({"ctl", "log", "tally", "cell", "kept", "series", "timer", "change"})
"""Tables that are walked through, whose rows lie close; rows of the others are on as few cache lines as possible."""


def _dtype(name: str) -> np.dtype[np.void]:
    """A table's record: fields in order, each as wide as `core` declares it, at its natural alignment."""
    formats, offsets, end = [], [], 0
    for kind in ROWS[name].__annotations__.values():
        size = _SIZES[kind]
        offsets.append(-(-end // size) * size)
        formats.append(f"i{size}")
        end = offsets[-1] + size
    step = 8 if name in _IN_SEQUENCE else _LINE if end > _LINE else 1 << (end - 1).bit_length()
    itemsize = -(-end // step) * step
    return np.dtype({"names": FIELDS[name], "formats": formats, "offsets": offsets, "itemsize": itemsize})


DTYPES: Final = {name: _dtype(name) for name in FIELDS}
LOG_DTYPE: Final = DTYPES["log"]


def _column_dtype(name: str) -> np.dtype[np.signedinteger[Any]]:
    return np.dtype(f"i{WIDTHS.get(name, 8)}")


class _Arena:
    """Memory that tables share, in pieces large enough for huge pages.

    At 1,000 services the tables take thousands of ordinary pages, more than a processor remembers the places of; numpy
    asks for huge pages for large arrays only.
    """

    def __init__(self) -> None:
        self._room = np.zeros(0, np.uint8)
        self._used = 0

    def zeros(self, n: int, dtype: Any) -> npt.NDArray[Any]:
        """An array of zeros that begins on a cache line."""
        size = np.dtype(dtype).itemsize * n
        if self._used + size > len(self._room):
            room = np.zeros(max(_PIECE, size) + _LINE, np.uint8)
            self._room = room[-room.ctypes.data % _LINE :]
            self._used = 0
        first = self._used
        self._used += -(-size // _LINE) * _LINE
        return self._room[first : first + size].view(dtype)


class Compiled(NamedTuple):
    """The core's entries as machine code; the first argument is the address of the directory of tables."""

    run: Callable[[int, int], int]
    inject: Callable[[int, int, int], object]
    arrange: Callable[[int, int], int]


class ArrayTables(Tables):
    """The compiled mode: numpy records, and the core's functions as machine code.

    The machine code finds the tables through a directory of (address, length), one line for each field of
    `core.State`, which is brought up to date whenever a table moves. So its functions pass one pointer to each other,
    where numpy arrays would be counted in and out of every call.
    """

    def __init__(self, mode: Mode, compiled: Compiled) -> None:
        self.mode = mode
        arrays: dict[str, Any] = {
            name: np.zeros(0, DTYPES[name] if name in DTYPES else _column_dtype(name)) for name in State._fields
        }
        self.state = State(**arrays)
        self._arena = _Arena()
        self._compiled = compiled
        self._spare_logs: list[npt.NDArray[np.void]] = []
        self._kept = 0
        self._directory = np.zeros((len(State._fields), 2), np.int64)

    def run(self, until: int) -> int:
        return int(self._compiled.run(self._directory.ctypes.data, until))

    def inject(self, first: int, n: int) -> None:
        self._compiled.inject(self._directory.ctypes.data, first, n)

    def _array(self, name: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = getattr(self.state, name)
        return found

    def reserve(self, name: str, capacity: int) -> None:
        old = self._array(name)
        if capacity > len(old):
            new = self._arena.zeros(max(capacity, 2 * len(old)) if name not in _EXACT else capacity, old.dtype)
            new[: len(old)] = old
            self._put(name, new)

    def _put(self, name: str, array: npt.NDArray[Any]) -> None:
        tables: dict[str, Any] = {**self.state._asdict(), name: array}
        self.state = State(**tables)
        self._directory[State._fields.index(name)] = array.ctypes.data, len(array)

    def read_rows(self, name: str, at: int, n: int) -> list[tuple[int, ...]]:
        return [tuple(row) for row in self._array(name)[at : at + n].tolist()]

    def write_rows(self, name: str, at: int, rows: Sequence[tuple[int, ...]]) -> None:
        self.reserve(name, at + len(rows))
        self._array(name)[at : at + len(rows)] = np.array(rows, DTYPES[name])

    def read(self, name: str, at: int, n: int) -> list[int]:
        found: list[int] = self._array(name)[at : at + n].tolist()
        return found

    def write(self, name: str, at: int, values: Sequence[int]) -> None:
        self.reserve(name, at + len(values))
        self._array(name)[at : at + len(values)] = values

    def set(self, name: str, row: int, field: str, value: int) -> None:
        self._array(name)[field][row] = value

    def get(self, name: str, row: int, field: str) -> int:
        return int(self._array(name)[field][row])

    def field(self, name: str, field: str) -> Ints:
        return np.array(self._array(name)[field], np.int64)

    def column(self, name: str) -> Ints:
        return np.array(self._array(name), np.int64)

    def fill(self, name: str, field: str, at: int, values: Iterable[int]) -> None:
        numbers = np.fromiter(values, np.int64)
        self._array(name)[field][at : at + len(numbers)] = numbers

    def take_log(self) -> npt.NDArray[np.void]:
        rows = self._array("log")[: self.get("ctl", 0, "log_n")]
        if 2 * len(rows) < self.length("log"):
            rows = rows.copy()
        else:
            # A log that is full is given away, and one that came back takes its place: memory that the machine has to
            # find first costs more than rows.
            size = self.length("log")
            self._put("log", self._spare_logs.pop() if self._spare_logs else np.empty(size, LOG_DTYPE))
        self.set("ctl", 0, "log_n", 0)
        return rows

    def reuse_log(self, rows: npt.NDArray[np.void]) -> None:
        log = rows.base
        if isinstance(log, np.ndarray) and log.dtype == LOG_DTYPE and len(log) == self.length("log"):
            self._spare_logs.append(log)

    def keep_cells(self) -> None:
        n = self.get("ctl", 0, "cell_n")
        self.reserve("kept", self._kept + n)
        self._array("kept")[self._kept : self._kept + n] = self._array("cell")[:n]
        self._kept += n
        self._array("cell_at")[:] = 0
        self.set("ctl", 0, "cell_n", 0)

    def take_series(self) -> npt.NDArray[np.void]:
        self.keep_cells()
        self.reserve("series", self._kept)
        self.reserve("sorting", 4 * self._kept)
        self.reserve("digit", core.DIGITS)
        rows = self._compiled.arrange(self._directory.ctypes.data, self._kept)
        self._kept = 0
        return self._array("series")[:rows]


_EXACT: Final = frozenset(
    {"req", "att", "conn", "heap", "log", "tally", "rare", "cell", "cell_at", "timer", "tried", "hedged", "late"}
)
"""Tables whose length means something to the core, or which their owner grows by a rule of its own."""
