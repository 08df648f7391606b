"""Where the objects of a run were written, by time: file and line of what made a resource."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import ApiObject, ObjectKey
from meshsim.errors import Position
from meshsim.recording import ObjectSource
from meshsim.scenario import LoadedScenario
from meshsim.units import Nanos

_CONFIG: Final = re.compile(r"/apis/[^/]+/[^/]+/namespaces/([^/]*)/([^/]+)/([^/]+)")
"""``istio.config`` of the metadata Pilot writes (istio pilot/pkg/networking/util BuildConfigInfoMetadata, 1.31)."""
_CORE: Final = ("Service",)


class ConfigName(NamedTuple):
    """An object as Pilot's metadata name it."""

    kind: str
    """In lower case without dashes: ``virtualservice``."""
    namespace: str
    name: str


def config_name(text: str) -> ConfigName | None:
    """The object that ``/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews`` names."""
    match = _CONFIG.fullmatch(text)
    return ConfigName(match[2].replace("-", ""), match[1], match[3]) if match else None


class Written(NamedTuple):
    """An object and where it stands; with the object itself places inside it are known too."""

    time: Nanos
    kind: str
    position: Position
    item: ApiObject | None = None


@dataclass(slots=True)
class Sources:
    """Objects by name with every version of them, oldest first."""

    _versions: dict[ConfigName, list[Written]] = field(default_factory=dict)

    def add(self, kind: str, namespace: str, name: str, written: Written) -> None:
        """Another version of an object."""
        self._versions.setdefault(ConfigName(kind.lower(), namespace, name), []).append(written)

    def at(self, name: ConfigName, time: Nanos) -> Written | None:
        """The version of an object that counted at an instant."""
        found = [written for written in self._versions.get(name, ()) if written.time <= time]
        return max(found, key=lambda written: written.time) if found else None


def sources_of(loaded: LoadedScenario) -> Sources:
    """The objects of a scenario with places inside them."""
    sources = Sources()
    for time, item in _versions(loaded):
        sources.add(item.kind, item.namespace, item.name, Written(time, item.kind, _begin(item), item))
    return sources


def recorded_sources(rows: Iterable[dict[str, object]]) -> Sources:
    """The objects of a recording, from the rows of its table."""
    sources = Sources()
    for row in rows:
        kind, file = str(row["kind"]), str(row["file"])
        time, line = int(str(row["time"])), int(str(row["line"]))
        sources.add(kind, str(row["namespace"]), str(row["name"]), Written(time, kind, Position(file, line)))
    return sources


def object_sources(loaded: LoadedScenario) -> Iterator[ObjectSource]:
    """Where each object of a scenario that shapes configuration was written, for its recording."""
    for time, item in _versions(loaded):
        begin = _begin(item)
        yield ObjectSource(time, item.kind, item.namespace, item.name, begin.file, begin.line)


def _versions(loaded: LoadedScenario) -> Iterator[tuple[Nanos, ApiObject]]:
    """Each version of each object with the instant it counts from; one that is undone gives way to that before it."""
    current: dict[ObjectKey, ApiObject] = {}
    for item in loaded.objects:
        if _shapes(item):
            current[item.key] = item
    yield from ((0, item) for item in current.values())
    for action in loaded.actions:
        if action.entry.verb != "apply":
            continue
        for item in action.objects:
            if not _shapes(item):
                continue
            before = current.get(item.key)
            yield action.at, item
            if action.until is None:
                current[item.key] = item
            elif before is not None:
                yield action.until, before


def _shapes(item: ApiObject) -> bool:
    """Whether Pilot makes configuration of it."""
    own = item.kind in _CORE and not item.group
    return item.origin is not None and (own or item.group.endswith(".istio.io") or item.group == _GATEWAY_API)


_GATEWAY_API: Final = "gateway.networking.k8s.io"


def _begin(item: ApiObject) -> Position:
    """The line an object begins on; the first line with content where it is a document of its own."""
    origin = item.origin
    assert origin is not None
    if origin.path:
        return origin.position()
    for number, line in enumerate(origin.text.splitlines()):
        if line.strip() and not line.lstrip().startswith(("#", "---", "%")):
            return Position(origin.file, origin.line + number)
    return Position(origin.file, origin.line)
