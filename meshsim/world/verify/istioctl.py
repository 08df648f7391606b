"""The tables that a real istioctl printed of istiod's configuration, and ours of the configuration Pilot's model sends.

Rows count as a set: istioctl sorts some of its rows by relations that are no order, and prints others in the order in
which Go's maps give them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from google.protobuf.message import Message

from meshsim.api import Fields
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.resources import generate
from meshsim.errors import InputError, MeshsimError, Position
from meshsim.world.verify.canonical import Mismatch, canonical
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.folder import read_json, read_proxy, read_world
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally
from meshsim.xds import type_urls
from meshsim.xds.packing import from_json, message_class, to_json
from meshsim.xds.references import references

KIND: Final = "istioctl"
TYPES: Final = (type_urls.CLUSTER, type_urls.LISTENER, type_urls.ROUTE, type_urls.EXTENSION)
"""What the tables show, each after the types that refer to it."""

Resources: TypeAlias = Mapping[str, Sequence[Message]]
"""What a proxy was sent, by type URL."""
Tables: TypeAlias = Mapping[str, Callable[[Resources], str]]
"""What prints each table, by its name in the recording; raises `InputError` where istioctl refuses."""


def recorded_worlds(folder: Path) -> list[str]:
    """Worlds of which tables were recorded, sorted."""
    return sorted({path.parent.name for path in (folder / KIND).glob("*/*__*.json*")})


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation], *, tables: Tables) -> WorldOutcome:
    """Print every recorded table of every proxy of a world anew and compare the rows.

    A table that nobody knows to print differs as a whole.
    """
    outcome = WorldOutcome(name)
    tally = Tally(KIND, outcome, deviations)
    recorded = dict(_recorded(folder, name))
    try:
        world = read_world(folder, name)
        mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
        objects = world.store()
        push = build_push_context(objects, mesh)
        proxies = {proxy: build_proxy(read_proxy(folder, "xds", name, proxy).node, objects, mesh) for proxy in recorded}
    except MeshsimError as error:
        outcome.error = str(error)
        for proxy, wanted in recorded.items():
            for table, text in wanted.items():
                tally.add(proxy, table, "", list(compare_rows(text, "")))
        return outcome
    for proxy, wanted in recorded.items():
        resources = sent(push, proxies[proxy])
        for table, text in wanted.items():
            got = _printed(tables[table], resources) if table in tables else ""
            tally.add(proxy, table, "", list(compare_rows(text, got)))
    return outcome


def _recorded(folder: Path, world: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The tables of each proxy (``namespace/pod``); a refusal is the text of its error."""
    for path in sorted((folder / KIND / world).glob("*__*.json*")):
        body = read_json(path)
        if not isinstance(body, dict):
            raise InputError("the tables of a proxy are a JSON object", Position(str(path)))
        namespace, _, pod = path.name.partition(".json")[0].partition("__")
        fields = Fields(body)
        yield (
            f"{namespace}/{pod}",
            {key: fields.fields(key).text("error") if isinstance(body[key], dict) else str(body[key]) for key in body},
        )


def sent(push: PushContext, proxy: Proxy) -> dict[str, list[Message]]:
    """What Pilot sends a proxy of the types that tables show; names are followed as Envoy follows them."""
    found: dict[str, list[Message]] = {}
    names: dict[str, dict[str, None]] = {}
    for type_url in TYPES:
        resources = generate(push, proxy, type_url, tuple(names.get(type_url, ())))
        for resource in resources:
            for wanted, more in references(type_url, resource.body).items():
                names.setdefault(wanted, {}).update(dict.fromkeys(more))
        found[type_url] = [_canonical(type_url, resource.body) for resource in resources]
    return found


def _canonical(type_url: str, body: bytes) -> Message:
    """The resource as recordings hold it: the tables were printed from these, and show only the first of domains."""
    cls = message_class(type_url)
    plain = to_json(cls.FromString(body))
    ordered = canonical(plain)
    assert isinstance(ordered, Mapping)
    return from_json(ordered, cls)


def _printed(table: Callable[[Resources], str], resources: Resources) -> str:
    try:
        return table(resources)
    except InputError as error:
        return f"Error: {error.message}\n"


def compare_rows(want: str, got: str) -> Iterator[Mismatch]:
    """Rows that only one of two tables has, or has more often; the place is the row's in its own table."""
    ours, theirs = (text.splitlines() for text in (got, want))
    missing, extra = Counter(theirs) - Counter(ours), Counter(ours) - Counter(theirs)
    for row in missing:
        yield Mismatch(f"row {theirs.index(row)}", row, None)
    for row in extra:
        yield Mismatch(f"row {ours.index(row)}", None, row)
