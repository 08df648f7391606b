"""exportTo: which namespaces see an object (istio pkg/config/visibility, release 1.31)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Exported(Protocol):
    """A service or VirtualService, as far as its visibility goes."""

    @property
    def namespace(self) -> str: ...


T = TypeVar("T", bound=Exported)


def parse_export_to(values: Iterable[str], namespace: str) -> frozenset[str]:
    """Visibility values of an object, `.` written as its own namespace would be."""
    return frozenset(namespace if value == "." else value for value in values)


def exported_to(export_to: frozenset[str], owner: str, viewer: str) -> bool:
    """Whether the namespace `viewer` sees an object of namespace `owner`."""
    if "~" in export_to:
        return False
    return "*" in export_to or viewer in export_to or ("." in export_to and owner == viewer)


class Exports(Generic[T]):
    """What each namespace sees of some objects: private ones, those exported to it by name, then public ones.

    Namespaces to which nothing is particular share one tuple.
    """

    __slots__ = ("_named", "_own", "_private", "_public", "_seen")

    def __init__(self, items: Iterable[tuple[T, frozenset[str], bool]]) -> None:
        """Items with their visibility; those with the flag come before the public ones in their own namespace."""
        self._private: dict[str, list[T]] = {}
        self._named: dict[str, list[T]] = {}
        self._own: dict[str, list[T]] = {}
        self._public: list[T] = []
        self._seen: dict[str, tuple[T, ...]] = {}
        for item, export_to, leads in items:
            if "~" in export_to:
                continue
            if "*" in export_to:
                self._public.append(item)
                if leads:
                    self._own.setdefault(item.namespace, []).append(item)
                continue
            if "." in export_to:
                self._private.setdefault(item.namespace, []).append(item)
            for namespace in sorted(export_to - {"."}):
                if namespace != item.namespace or "." not in export_to:
                    self._named.setdefault(namespace, []).append(item)

    def seen_by(self, namespace: str) -> tuple[T, ...]:
        """What a namespace sees."""
        particular = (self._private, self._named, self._own)
        key = namespace if any(namespace in some for some in particular) else ""
        found = self._seen.get(key)
        if found is None:
            private, named, own = (some.get(key, []) for some in particular)
            leading = {id(item) for item in own}
            public = [item for item in self._public if id(item) not in leading]
            found = self._seen[key] = (*private, *named, *own, *public)
        return found
