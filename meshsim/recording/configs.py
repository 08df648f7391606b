"""The configuration of proxies on disk: each distinct resource once, and which proxy has which from when on.

Proxies share most of what they have. So resources that reach proxies together make a set, which stands in the folder
once, and a proxy is said to have a set. Sets are as large as they can be with no resource in two of them for long: one
of which a proxy gets only a part is replaced, for the proxies to come, by that part and the rest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from meshsim.recording.arrow import rows_table
from meshsim.recording.records import ConfigEntry
from meshsim.recording.schema import CONFIG_BLOBS, CONFIG_INDEX, CONFIG_SETS
from meshsim.units import Nanos

FOLDER: Final = "config"
_MANY: Final = 32
_REMEMBERED: Final = 64
_Pair = tuple[str, bytes | None]
"""A resource's name and its body, `None` where it was removed."""


class _Known(NamedTuple):
    """Resources that were noted before."""

    changed: Mapping[str, bytes]
    moves: int
    """How often sets had been replaced then."""
    sets: list[int]


class ConfigLog:
    """Collects what proxies were told."""

    def __init__(self) -> None:
        self._index: list[tuple[Nanos, str, str, int]] = []
        self._sets: list[tuple[_Pair, ...]] = []
        self._home: dict[_Pair, int] = {}
        """The set that proxies to come have a resource in."""
        self._moves = 0
        """How often resources came into another set."""
        self._known: dict[int, _Known] = {}
        """By identity, many resources at once."""

    def add(self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]) -> None:
        """Note that a proxy has these resources from `time` on, and others no longer.

        Many resources that come as one object again are those of before: whoever gave them does not change them.
        """
        if removed or len(changed) < _MANY:
            numbers = self._sets_of([*changed.items(), *((name, None) for name in removed)])
        else:
            known = self._known.get(id(changed))
            if known is None or known.moves != self._moves:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                numbers = self._sets_of(list(changed.items()))
                known = self._known[id(changed)] = _Known(changed, self._moves, numbers)
            numbers = known.sets
        self._index += [(time, proxy, type_url, number) for number in numbers]

    def _sets_of(self, pairs: Sequence[_Pair]) -> list[int]:
        """The sets that these resources make up together."""
        numbers: list[int] = []
        homes = list(map(self._home.get, pairs))
        for home, count in Counter(homes).items():
            number = home
            if number is None or len(self._sets[number]) != count:
                number = self._make_set(pair for pair, known in zip(pairs, homes, strict=True) if known == home)
            numbers.append(number)
        return numbers

    def _make_set(self, pairs: Iterator[_Pair]) -> int:
        number = len(self._sets)
        made = tuple(pairs)
        self._sets.append(made)
        self._moves += made[0] in self._home
        self._home.update(dict.fromkeys(made, number))
        return number

    def write(self, folder: Path) -> None:
        """Write everything into the folder of a recording."""
        bodies = dict.fromkeys(body for _, body in self._home if body is not None)
        keys: dict[bytes | None, str] = {body: hashlib.blake2b(body, digest_size=16).hexdigest() for body in bodies}
        keys[None] = ""
        place = folder / FOLDER
        place.mkdir(exist_ok=True)
        sets = ((number, name, keys[body]) for number, pairs in enumerate(self._sets) for name, body in pairs)
        for table, rows in (
            (CONFIG_INDEX, self._index),
            (CONFIG_SETS, sets),
            (CONFIG_BLOBS, ((keys[body], body) for body in bodies)),
        ):
            pq.write_table(rows_table(table, rows), place / f"{table.name}.parquet", compression="zstd")


def read_config(folder: Path, proxy: str, at: Nanos | None = None) -> list[ConfigEntry]:
    """What a proxy of a recording has at an instant (at the end when `None`), by type and name."""
    current = {(told.type_url, told.name): told for told in _told(folder, proxy, at)}
    return _entries(folder, [told for _, told in sorted(current.items())])


def read_former(folder: Path, proxy: str, types: Sequence[str], at: Nanos | None = None) -> list[ConfigEntry]:
    """Resources of some types as a proxy of a recording had them and, at an instant, no longer has: latest first."""
    current: dict[tuple[str, str], _Told] = {}
    former: dict[tuple[str, str, str], _Told] = {}
    for told in _told(folder, proxy, at):
        if told.type_url not in types:
            continue
        before = current.get((told.type_url, told.name))
        current[told.type_url, told.name] = told
        if before is not None and before.key != told.key:
            former.pop((told.type_url, told.name, before.key), None)
            former[told.type_url, told.name, before.key] = before
    gone = [told for told in former.values() if current[told.type_url, told.name].key != told.key]
    return _entries(folder, gone[::-1])


class _Told(NamedTuple):
    """One resource that a proxy was told, or told to forget."""

    type_url: str
    name: str
    time: Nanos
    key: str
    """Of its body; empty where it was removed."""


def _told(folder: Path, proxy: str, at: Nanos | None) -> Iterator[_Told]:
    """What a proxy was told until an instant, in order."""
    place = folder / FOLDER
    index = pq.read_table(place / "index.parquet", filters=[("proxy", "=", proxy)])
    if at is not None:
        index = index.filter(pc.less_equal(index["time"], at))
    had = index.to_pylist()
    numbers = sorted({row["set"] for row in had})
    pairs: dict[int, list[tuple[str, str]]] = {number: [] for number in numbers}
    if numbers:
        sets = pq.read_table(place / "sets.parquet", filters=[("set", "in", numbers)])
        columns = (sets[name].to_pylist() for name in ("set", "name", "hash"))
        for number, name, key in zip(*columns, strict=True):
            pairs[number].append((name, key))
    return (_Told(row["type_url"], name, row["time"], key) for row in had for name, key in pairs[row["set"]])


def _entries(folder: Path, found: list[_Told]) -> list[ConfigEntry]:
    """Resources with their bodies, removed ones left out."""
    wanted = sorted({told.key for told in found if told.key})
    if not wanted:
        return []
    blobs = pq.read_table(folder / FOLDER / "blobs.parquet", filters=[("hash", "in", wanted)])
    bodies = dict(zip(blobs["hash"].to_pylist(), blobs["body"].to_pylist(), strict=True))
    return [ConfigEntry(told.type_url, told.name, told.time, bodies[told.key]) for told in found if told.key]


def configured_proxies(folder: Path) -> list[str]:
    """Proxies whose configuration a recording has."""
    index = pq.read_table(folder / FOLDER / "index.parquet", columns=["proxy"])
    return sorted(set(index["proxy"].to_pylist()))
