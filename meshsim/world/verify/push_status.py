"""What Pilot's push context counted while it served a world, against what the real istiod counted: conflicts of
listeners, duplicate domains, clusters without endpoints and the like (istio pilot/pkg/model/push_context.go AddMetric).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import PushStatus
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import build_push_context
from meshsim.errors import InputError, MeshsimError, Position
from meshsim.world.verify.canonical import mismatches
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.folder import read_proxies, read_recording, read_world
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally
from meshsim.world.verify.xds import generated

KIND: Final = "push-status"
_FOLDER: Final = "xds"
"""The counts stand beside the resources of the proxies that were served."""
_FILE: Final = "push_status"


def recorded_worlds(folder: Path) -> list[str]:
    """Names of the worlds of which the counts were recorded, sorted."""
    return sorted({path.parent.name for path in (folder / _FOLDER).glob(f"*/{_FILE}.json*")})


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Serve every recorded proxy of a world and compare what was counted, metric by metric and key by key."""
    outcome = WorldOutcome(name)
    tally = Tally(KIND, outcome, deviations)
    want = _recorded(folder, name)
    got: Mapping[str, Mapping[str, object]] = {}
    try:
        got = _counted(folder, name)
    except MeshsimError as error:
        outcome.error = str(error)
    for metric, key in sorted({*_keys(want), *_keys(got)}):
        left, right = want.get(metric, {}).get(key), got.get(metric, {}).get(key)
        tally.add("", metric, key, list(mismatches(left, right)))
    if outcome.error or not outcome.counts:
        tally.add("", "counts", "", list(mismatches("served", "not served" if outcome.error else "served")))
    return outcome


def _recorded(folder: Path, name: str) -> Mapping[str, Mapping[str, object]]:
    body = read_recording(folder / _FOLDER, name, _FILE)
    if not isinstance(body, Mapping) or not all(isinstance(value, Mapping) for value in body.values()):
        place = Position(str(folder / _FOLDER / name / _FILE))
        raise InputError("counts are a JSON object of metrics, each an object by key", place)
    return body


def _counted(folder: Path, name: str) -> Mapping[str, Mapping[str, object]]:
    world = read_world(folder, name)
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    objects = world.store()
    push = build_push_context(objects, mesh)
    for recorded in read_proxies(folder, _FOLDER, name):
        generated(push, build_proxy(recorded.node, objects, mesh))
    return _plain(push.status)


def _plain(status: PushStatus) -> Mapping[str, Mapping[str, object]]:
    """The counts as istiod writes them: absent texts left out."""
    return {
        metric: {
            key: {part: text for part, text in (("proxy", proxy), ("message", message)) if text}
            for key, (proxy, message) in entries.items()
        }
        for metric, entries in status.counts.items()
    }


def _keys(counts: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    return ((metric, key) for metric, entries in counts.items() for key in entries)
