"""The resources of a response, in parts that many responses share: what is asked of a part is computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Protocol, TypeVar


class NamedBody(Protocol):
    """A generated resource: its name and its deterministic serialization."""

    @property
    def name(self) -> str: ...
    @property
    def body(self) -> bytes: ...


B = TypeVar("B", bound=NamedBody, covariant=True)


class TableKey:
    """Stands for a table: two are equal whose tables have the same entries in the same order and parts."""

    __slots__ = ("table",)

    def __init__(self, table: BodyTable) -> None:
        self.table = table

    def __hash__(self) -> int:
        return self.table.content_hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TableKey):
            return False
        one, another = self.table, other.table
        return one is another or (one.content_hash == another.content_hash and one.content == another.content)


class BodyTable(dict[str, bytes]):
    """Bodies by name; not changed once it is made."""

    _parts: tuple[BodyTable, ...] = ()

    @classmethod
    def of(cls, bodies: Mapping[str, bytes]) -> BodyTable:
        """These bodies as a table; one that is a table already as it is."""
        return bodies if isinstance(bodies, BodyTable) else cls(bodies)

    @classmethod
    def joined(cls, parts: tuple[BodyTable, ...]) -> BodyTable:
        """The entries of several tables."""
        made = cls(parts[0])
        for part in parts[1:]:
            made.update(part)
        if len(made) == sum(map(len, parts)):
            made._parts = parts
        return made

    @property
    def parts(self) -> tuple[BodyTable, ...]:
        """Tables of which it is made up, in order, with no name in two of them; itself where there are none."""
        return self._parts or (self,)

    @property
    def key(self) -> TableKey:
        """What stands for it where results are remembered."""
        return TableKey(self)

    @cached_property
    def content(self) -> tuple[object, ...]:
        """What tables are compared by."""
        return tuple([part.key for part in self._parts]) or (tuple(self), tuple(self.values()))

    @cached_property
    def content_hash(self) -> int:
        """Of equal tables it is equal."""
        return hash(self.content)


class Bodies(tuple[B, ...]):
    """Resources as they go into a response; `joined` ones know the parts they came from."""

    _parts: tuple[Bodies[B], ...] = ()

    @classmethod
    def of(cls, resources: Iterable[B]) -> Bodies[B]:
        """These resources; those that are `Bodies` already as they are."""
        return resources if isinstance(resources, Bodies) else cls(resources)

    @classmethod
    def joined(cls, shared: Iterable[B], own: Iterable[B]) -> Bodies[B]:
        """What many proxies get, and what one of them gets besides."""
        parts = cls.of(shared), cls.of(own)
        made = cls(parts[0] + parts[1])
        made._parts = parts
        return made

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple([item.name for item in self])

    @cached_property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum([part.size for part in self._parts] or [len(item.body) for item in self])

    @cached_property
    def table(self) -> BodyTable:
        """Bodies by name; of two with one name the last."""
        if not self._parts:
            return BodyTable({item.name: item.body for item in self})
        return BodyTable.joined(tuple([part.table for part in self._parts]))

    @property
    def distinct(self) -> bool:
        """Whether no two have one name."""
        return len(self.table) == len(self)
