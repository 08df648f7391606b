"""Where the event core lives: interpreted over lists of Python rows, or compiled by numba over numpy records.

This module alone knows both modes and alone imports numba. `MESHSIM_ENGINE` chooses (``numba`` or ``plain``); without
numba the interpreted mode is used, after one warning. The compiled code is kept in a folder named by everything it
depends on, so that a stale result is never loaded and a read-only installation works.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import types
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meshsim.dataplane import core
from meshsim.dataplane.core import State
from meshsim.errors import UsageError

Ints = npt.NDArray[np.int64]
Notice = Callable[[str], None]

COMPILING: Final = "compiling the engine (first run only)..."

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
    "host": core.Host,
    "pool": core.Pool,
    "conn": core.Conn,
    "source": core.Source,
    "user": core.User,
    "req": core.Req,
    "att": core.Att,
    "timer": core.Timer,
    "timer_class": core.TimerClass,
    "change": core.Change,
    "log": core.Log,
    "cell": core.Cell,
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {name: tuple(row.__annotations__) for name, row in ROWS.items()}
COLUMNS: Final = tuple(name for name in State._fields if name not in ROWS)
LOG_DTYPE: Final = np.dtype([(name, np.int64) for name in FIELDS["log"]])
CELL_DTYPE: Final = np.dtype([(name, np.int64) for name in FIELDS["cell"]])


class Mode(StrEnum):
    """How the core is executed."""

    PLAIN = "plain"
    NUMBA = "numba"
    CHECKED = "numba-checked"
    """Compiled with bounds checks: slower, and an index out of range is an error instead of silent damage."""


def choose_mode(wish: str | None = None) -> Mode:
    """The mode to use: `wish`, else the environment's ``MESHSIM_ENGINE``, else numba where it is installed."""
    wish = wish or os.environ.get("MESHSIM_ENGINE") or Mode.NUMBA
    try:
        mode = Mode(wish)
    except ValueError:
        raise UsageError(
            f"'{wish}' is not an engine", None, f"MESHSIM_ENGINE is one of {', '.join(Mode)}", "MESHSIM_ENGINE"
        ) from None
    if mode is not Mode.PLAIN and importlib.util.find_spec("numba") is None:
        _warn_once()
        return Mode.PLAIN
    return mode


_warned: list[bool] = []


def _warn_once() -> None:
    if not _warned:
        _warned.append(True)
        warnings.warn("numba is not installed: the engine runs interpreted, up to 90 times slower", stacklevel=3)


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
    def take_cells(self) -> npt.NDArray[np.void]:
        """A copy of the used series cells, which are then empty."""

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

    def take_cells(self) -> npt.NDArray[np.void]:
        used = [cell for cell in self._list("cell") if cell.requests]
        rows = [tuple(getattr(cell, f) for f in FIELDS["cell"]) for cell in used]
        for cell in used:
            cell.requests = 0
        self._list("ctl")[0].cell_n = 0
        return np.array(rows, CELL_DTYPE)


# ---------------------------------------------------------------------------------------------------------------------
# Compiled
# ---------------------------------------------------------------------------------------------------------------------

_DTYPES: Final = {name: np.dtype([(field, np.int64) for field in fields]) for name, fields in FIELDS.items()}


class ArrayTables(Tables):
    """The compiled mode: numpy records, and the core's functions as machine code."""

    def __init__(self, mode: Mode, notice: Notice | None = None) -> None:
        self.mode = mode
        arrays: dict[str, Any] = {name: np.zeros(0, _DTYPES.get(name, np.int64)) for name in State._fields}
        self.state = State(**arrays)
        self._run, self._inject = _compiled(mode, notice)

    def run(self, until: int) -> int:
        return int(self._run(self.state, until))

    def inject(self, first: int, n: int) -> None:
        self._inject(self.state, first, n)

    def _array(self, name: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = getattr(self.state, name)
        return found

    def reserve(self, name: str, capacity: int) -> None:
        old = self._array(name)
        if capacity > len(old):
            new = np.zeros(max(capacity, 2 * len(old)) if name not in _EXACT else capacity, old.dtype)
            new[: len(old)] = old
            tables: dict[str, Any] = {**self.state._asdict(), name: new}
            self.state = State(**tables)

    def read_rows(self, name: str, at: int, n: int) -> list[tuple[int, ...]]:
        return [tuple(row) for row in self._array(name)[at : at + n].tolist()]

    def write_rows(self, name: str, at: int, rows: Sequence[tuple[int, ...]]) -> None:
        self.reserve(name, at + len(rows))
        self._array(name)[at : at + len(rows)] = np.array(rows, _DTYPES[name])

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
        rows = self._array("log")[: self.get("ctl", 0, "log_n")].copy()
        self.set("ctl", 0, "log_n", 0)
        return rows

    def take_cells(self) -> npt.NDArray[np.void]:
        table = self._array("cell")
        rows = table[table["requests"] > 0].copy()
        table["requests"] = 0
        self.set("ctl", 0, "cell_n", 0)
        return rows


_EXACT: Final = frozenset({"req", "att", "conn", "heap", "log", "cell", "flow_key", "flow_of", "timer", "tried"})
"""Tables whose length means something to the core, or which their owner grows by a rule of its own."""


def _cache_folder(mode: Mode) -> Path:
    """Where compiled code for exactly this core, compiler, Python and processor belongs."""
    import numba
    from llvmlite import binding

    parts = hashlib.blake2b(digest_size=8)
    for module in (core.__file__, __file__):
        parts.update(Path(module).read_bytes())
    features = binding.get_host_cpu_features().flatten()
    for text in (mode, numba.__version__, np.__version__, sys.version, platform.machine(), binding.get_host_cpu_name()):
        parts.update(text.encode())
    parts.update(features.encode())
    return _cache_base() / f"engine-{parts.hexdigest()}"


def _cache_base() -> Path:
    wish = os.environ.get("MESHSIM_CACHE_DIR")
    if wish:
        return Path(wish)
    home = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    base = Path(home) / "meshsim"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / "meshsim-cache"
    return base if os.access(base, os.W_OK) else Path(tempfile.gettempdir()) / "meshsim-cache"


KEEP: Final = 4
"""Folders of compiled code that are kept, most recently used first."""


def _tidy(folder: Path) -> None:
    """Remove code compiled for cores that have not been used for long."""
    others = [path for path in folder.parent.glob("engine-*") if path != folder and path.is_dir()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEEP - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


_ready: dict[Mode, tuple[Callable[..., Any], Callable[..., Any]]] = {}


def _compiled(mode: Mode, notice: Notice | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The compiled `run` and `inject`; says so when they have to be compiled first."""
    if mode in _ready:
        return _ready[mode]
    import numba

    folder = _cache_folder(mode)
    folder.mkdir(parents=True, exist_ok=True)
    cold = not any(folder.rglob("core.run-*.nbc"))
    if cold:
        _tidy(folder)
        if notice is not None:
            notice(COMPILING)
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)
    try:
        run, inject = _dispatchers(numba, mode)
    finally:
        settings.CACHE_DIR = before
    os.utime(folder)
    _ready[mode] = (run, inject)
    return run, inject


def _dispatchers(numba: Any, mode: Mode) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The core's functions once more, in a namespace of their own where each calls the compiled others."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": mode is Mode.CHECKED}
    namespace = dict(vars(core))
    for name, item in vars(core).items():
        if isinstance(item, types.FunctionType):
            twin = types.FunctionType(item.__code__, namespace, name, item.__defaults__, item.__closure__)
            twin.__module__ = core.__name__
            twin.__qualname__ = name
            twin.__annotations__ = {}
            entry = name in core.ENTRIES
            inline = not entry and name not in core.OUT_OF_LINE
            namespace[name] = numba.njit(twin, cache=entry, forceinline=inline, **options)
    return namespace["run"], namespace["inject"]


def make_tables(mode: Mode, notice: Notice | None = None) -> Tables:
    """Empty tables for a mode."""
    return PlainTables() if mode is Mode.PLAIN else ArrayTables(mode, notice)
