"""A set of objects by key and kind, in the order they came: what a kube holds and what Pilot reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

from meshsim.api.objects import ApiObject, ObjectKey

_Place: TypeAlias = tuple[str, ...]
"""Namespace, name and group: the order of the objects of a kind."""


class ObjectView(Protocol):
    """Read access to objects."""

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        """Objects of a kind sorted by (namespace, name); any group or namespace when ``None``."""
        ...

    def get(self, key: ObjectKey) -> ApiObject | None: ...


class _KindObjects:
    """The objects of one kind, by key and, once somebody asked for it, in their order."""

    __slots__ = ("_items", "_listed", "_places", "by_key")

    def __init__(self) -> None:
        self.by_key: dict[ObjectKey, ApiObject] = {}
        self._places: list[_Place] = []
        self._items: list[ApiObject] | None = None
        """One for each place."""
        self._listed: tuple[ApiObject, ...] | None = None

    def put(self, key: ObjectKey, item: ApiObject) -> ApiObject | None:
        before = self.by_key.get(key)
        self.by_key[key] = item
        self._listed = None
        if self._items is not None:
            place = _place(item)
            at = bisect_left(self._places, place)
            if before is None:
                self._places.insert(at, place)
                self._items.insert(at, item)
            else:
                self._items[at] = item
        return before

    def remove(self, key: ObjectKey) -> ApiObject | None:
        before = self.by_key.pop(key, None)
        if before is not None:
            self._listed = None
            if self._items is not None:
                at = bisect_left(self._places, _place(before))
                del self._places[at], self._items[at]
        return before

    def listed(self) -> tuple[ApiObject, ...]:
        if self._listed is None:
            self._listed = tuple(self._ordered())
        return self._listed

    def of_namespace(self, namespace: str) -> list[ApiObject]:
        items = self._ordered()
        start = bisect_left(self._places, (namespace,))
        # The least name behind all that begin with the namespace alone.
        return items[start : bisect_left(self._places, (f"{namespace}\0",), start)]

    def _ordered(self) -> list[ApiObject]:
        if self._items is None:
            self._items = sorted(self.by_key.values(), key=_place)
            self._places = [_place(item) for item in self._items]
        return self._items


def _place(item: ApiObject) -> _Place:
    return item.namespace, item.name, item.group


class ObjectStore:
    """Objects by key; the newest value of a key wins."""

    def __init__(self, objects: Iterable[ApiObject] = ()) -> None:
        self._by_kind: dict[str, _KindObjects] = {}
        for item in objects:
            self.put(item)

    def put(self, item: ApiObject) -> ApiObject | None:
        """Store an object; returns the value it replaces."""
        kind = self._by_kind.get(item.kind)
        if kind is None:
            kind = self._by_kind[item.kind] = _KindObjects()
        return kind.put(item.key, item)

    def remove(self, key: ObjectKey) -> ApiObject | None:
        """Forget an object; returns it."""
        kind = self._by_kind.get(key.kind)
        return kind.remove(key) if kind is not None else None

    def get(self, key: ObjectKey) -> ApiObject | None:
        kind = self._by_kind.get(key.kind)
        return kind.by_key.get(key) if kind is not None else None

    def find(self, kind: str, namespace: str, name: str) -> ApiObject | None:
        """The object of a kind whatever its API group."""
        for key, item in self._by_kind[kind].by_key.items() if kind in self._by_kind else ():
            if key.namespace == namespace and key.name == name:
                return item
        return None

    def listed(self, kind: str) -> tuple[ApiObject, ...]:
        """All objects of a kind as `select` gives them: the same tuple until one of them changes."""
        found = self._by_kind.get(kind)
        return found.listed() if found is not None else ()

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        found = self._by_kind.get(kind)
        if found is None:
            return []
        items = found.listed() if namespace is None else found.of_namespace(namespace)
        return [item for item in items if group is None or item.group == group]

    def kinds(self) -> list[str]:
        return sorted(kind for kind, items in self._by_kind.items() if items.by_key)

    def __iter__(self) -> Iterator[ApiObject]:
        for kind in self.kinds():
            yield from self.select(kind)

    def __len__(self) -> int:
        return sum(len(items.by_key) for items in self._by_kind.values())
