"""A set of objects by key and kind, in the order they came: what a kube holds and what Pilot reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from meshsim.api.objects import ApiObject, ObjectKey


class ObjectView(Protocol):
    """Read access to objects."""

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        """Objects of a kind sorted by (namespace, name); any group or namespace when ``None``."""
        ...

    def get(self, key: ObjectKey) -> ApiObject | None: ...


class ObjectStore:
    """Objects by key; the newest value of a key wins."""

    def __init__(self, objects: Iterable[ApiObject] = ()) -> None:
        self._by_kind: dict[str, dict[ObjectKey, ApiObject]] = {}
        for item in objects:
            self.put(item)

    def put(self, item: ApiObject) -> ApiObject | None:
        """Store an object; returns the value it replaces."""
        kind = self._by_kind.setdefault(item.kind, {})
        key = item.key
        before = kind.get(key)
        kind[key] = item
        return before

    def remove(self, key: ObjectKey) -> ApiObject | None:
        """Forget an object; returns it."""
        return self._by_kind.get(key.kind, {}).pop(key, None)

    def get(self, key: ObjectKey) -> ApiObject | None:
        return self._by_kind.get(key.kind, {}).get(key)

    def find(self, kind: str, namespace: str, name: str) -> ApiObject | None:
        """The object of a kind whatever its API group."""
        for key, item in self._by_kind.get(kind, {}).items():
            if key.namespace == namespace and key.name == name:
                return item
        return None

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        found = [
            item
            for key, item in self._by_kind.get(kind, {}).items()
            if (group is None or key.group == group) and (namespace is None or key.namespace == namespace)
        ]
        found.sort(key=lambda o: (o.namespace, o.name, o.group))
        return found

    def kinds(self) -> list[str]:
        return sorted(kind for kind, items in self._by_kind.items() if items)

    def __iter__(self) -> Iterator[ApiObject]:
        for kind in self.kinds():
            yield from self.select(kind)

    def __len__(self) -> int:
        return sum(len(items) for items in self._by_kind.values())
