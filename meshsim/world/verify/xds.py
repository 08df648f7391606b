"""Pilot's configuration of each recorded proxy against what the real istiod sent it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.resources import generate
from meshsim.errors import MeshsimError
from meshsim.world.verify.canonical import canonical, mismatches, resource_name
from meshsim.world.verify.deviations import Deviation, reason_for
from meshsim.world.verify.folder import RecordedProxy, read_proxies, read_world
from meshsim.world.verify.outcome import Difference, WorldOutcome
from meshsim.xds import type_urls
from meshsim.xds.packing import message_class, to_json
from meshsim.xds.references import references

TYPES: Final = {
    "cds": type_urls.CLUSTER,
    "eds": type_urls.ENDPOINT,
    "lds": type_urls.LISTENER,
    "rds": type_urls.ROUTE,
    "ecds": type_urls.EXTENSION,
    "nds": type_urls.NAME_TABLE,
}


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Replay one world and compare every resource of every recorded proxy."""
    outcome = WorldOutcome(name)
    proxies = read_proxies(folder, "xds", name)
    try:
        world = read_world(folder, name)
        mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
        objects = world.store()
        push = build_push_context(objects, mesh)
    except MeshsimError as error:
        outcome.error = str(error)
        for recorded in proxies:
            _compare(outcome, recorded, {}, deviations)
        return outcome
    for recorded in proxies:
        got = generated(push, build_proxy(recorded.node, objects, mesh))
        _compare(outcome, recorded, got, deviations)
    return outcome


def generated(push: PushContext, proxy: Proxy) -> dict[str, list[dict[str, object]]]:
    """Everything Pilot sends this proxy, as protobuf JSON by short type name."""
    out: dict[str, list[dict[str, object]]] = {}
    names: dict[str, dict[str, None]] = {}
    for short, type_url in TYPES.items():
        resources = generate(push, proxy, type_url, tuple(names.get(type_url, ())))
        for resource in resources:
            for wanted, found in references(type_url, resource.body).items():
                names.setdefault(wanted, {}).update(dict.fromkeys(found))
        cls = message_class(type_url)
        out[short] = [to_json(cls.FromString(resource.body)) for resource in resources]
    return out


def _compare(
    outcome: WorldOutcome,
    recorded: RecordedProxy,
    got: Mapping[str, Sequence[Mapping[str, object]]],
    deviations: Sequence[Deviation],
) -> None:
    for kind in sorted({*recorded.resources, *got} & TYPES.keys()):
        counts = outcome.at(recorded.id, kind)
        for name, want_one, got_one in _pairs(recorded.resources.get(kind, []), got.get(kind, ())):
            found = list(_differences(outcome.name, recorded.id, kind, name, want_one, got_one))
            if not found:
                counts.equal += 1
                continue
            named = [d._replace(deviation=reason_for(deviations, "xds", d)) for d in found]
            if all(d.deviation for d in named):
                counts.deviations += 1
            else:
                counts.different += 1
            outcome.differences += named


def _pairs(
    want: Sequence[Mapping[str, object]], got: Sequence[Mapping[str, object]]
) -> Iterator[tuple[str, object, object]]:
    """Resources of both sides by name; a name used twice pairs in canonical order."""
    left, right = _by_name(want), _by_name(got)
    for name in sorted({*left, *right}):
        ours, theirs = left.get(name, []), right.get(name, [])
        for index in range(max(len(ours), len(theirs))):
            yield (
                name,
                ours[index] if index < len(ours) else None,
                theirs[index] if index < len(theirs) else None,
            )


def _by_name(resources: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    out: dict[str, list[object]] = {}
    for resource in sorted((canonical(r) for r in resources), key=str):
        assert isinstance(resource, Mapping)
        out.setdefault(resource_name(resource), []).append(resource)
    return out


def _differences(world: str, proxy: str, kind: str, name: str, want: object, got: object) -> Iterator[Difference]:
    if want is None or got is None:
        side = ("present", "absent") if got is None else ("absent", "present")
        yield Difference(world, proxy, kind, name, "", *side)
        return
    for mismatch in mismatches(want, got):
        yield Difference(world, proxy, kind, name, mismatch.path, _shown(mismatch.want), _shown(mismatch.got))


def _shown(value: object) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 400 else text[:397] + "..."
