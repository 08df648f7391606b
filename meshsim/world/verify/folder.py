"""Reading a folder of recordings: its worlds, what was recorded of each proxy, the mesh configuration."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meshsim.api import ApiObject, ObjectStore
from meshsim.api.documents import parse_documents
from meshsim.api.loading import load_file, read_text
from meshsim.errors import InputError, InputErrors, Position


@dataclass(frozen=True, slots=True)
class RecordedWorld:
    """One small cluster: the objects in it and the MeshConfig overrides it ran with."""

    name: str
    objects: tuple[ApiObject, ...]
    mesh_base: Mapping[str, object]
    mesh_overrides: Mapping[str, object]

    def store(self) -> ObjectStore:
        return ObjectStore(self.objects)


@dataclass(frozen=True, slots=True)
class RecordedProxy:
    """What one proxy sent as its node and received by type."""

    id: str
    """``namespace/pod``."""
    node: Mapping[str, object]
    resources: Mapping[str, list[Mapping[str, object]]]
    """By short type name (``cds``, ``eds`` ...)."""


def world_names(folder: Path) -> list[str]:
    """Names of the worlds in the folder, sorted."""
    worlds = folder / "worlds"
    if not worlds.is_dir():
        raise InputError(
            f"{folder} has no worlds/ folder",
            Position(str(folder)),
            "a folder of recordings holds worlds/NAME/world.yaml and xds/NAME/NAMESPACE__POD.json.gz",
        )
    return sorted(path.name for path in worlds.iterdir() if (path / "world.yaml").is_file())


def read_world(folder: Path, name: str) -> RecordedWorld:
    """The objects and mesh configuration of a world."""
    here = folder / "worlds" / name
    objects: list[ApiObject] = []
    for part in ("world.yaml", "istio.yaml"):
        if (here / part).is_file():
            objects += load_file(here / part).objects
    return RecordedWorld(
        name,
        tuple(objects),
        _mapping(folder / "worlds" / "meshconfig-base.yaml"),
        _mapping(here / "meshconfig.yaml"),
    )


def read_proxies(folder: Path, kind: str, world: str) -> list[RecordedProxy]:
    """What was recorded of each proxy of a world, by proxy."""
    return [_proxy(path) for path in sorted((folder / kind / world).glob("*__*.json*"))]


def read_proxy(folder: Path, kind: str, world: str, proxy: str) -> RecordedProxy:
    """What was recorded of one proxy (``namespace/pod``); raises `InputError` when nothing was."""
    path = folder / kind / world / f"{proxy.replace('/', '__')}.json.gz"
    plain = path.with_suffix("")
    return _proxy(plain if plain.is_file() else path)


def _proxy(path: Path) -> RecordedProxy:
    namespace, _, pod = path.name.partition(".json")[0].partition("__")
    body = read_json(path)
    if not isinstance(body, dict):
        raise InputError("a recording of a proxy is a JSON object", Position(str(path)))
    node = body.pop("node", {})
    return RecordedProxy(f"{namespace}/{pod}", node, {k: v for k, v in body.items() if isinstance(v, list)})


def recorded_names(folder: Path, kind: str) -> list[str]:
    """Names of the recordings of one kind, sorted: files ``NAME.json``, plain or gzipped."""
    return sorted({path.name.partition(".json")[0] for path in (folder / kind).glob("*.json*")})


def read_recording(folder: Path, kind: str, name: str) -> object:
    """The recording of one name; raises `InputError` when there is none."""
    plain = folder / kind / f"{name}.json"
    return read_json(plain if plain.is_file() else plain.with_name(f"{name}.json.gz"))


def read_json(path: Path) -> object:
    """A JSON document, gzipped or plain."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return json.loads(data)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read: {error}", Position(str(path))) from error


def read_values(path: Path) -> list[object]:
    """The values of all documents of a YAML file; raises `InputErrors`."""
    parsed = parse_documents(read_text(path), str(path))
    if parsed.errors:
        raise InputErrors(tuple(parsed.errors))
    return [document.value for document in parsed.documents]


def read_mapping(path: Path) -> Mapping[str, object]:
    """The one mapping of a YAML file, empty for an empty file; raises `InputError`."""
    values = [v for v in read_values(path) if v is not None]
    if not values:
        return {}
    if len(values) > 1 or not isinstance(values[0], Mapping):
        raise InputError("one mapping is expected here", Position(str(path), 1))
    return values[0]


def _mapping(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        return {}
    return read_mapping(path)
