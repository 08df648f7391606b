"""What Pilot makes of every recorded world, for each of its proxies, is accepted by the real Envoy."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import build_push_context
from meshsim.controlplane.resources import generate
from meshsim.testing.envoy import envoy_binary, validate
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.xds import type_urls
from meshsim.xds.references import references

IN_ORDER = (type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE, type_urls.EXTENSION)


def _configurations(folder: Path, name: str) -> dict[str, dict[str, dict[str, bytes]]]:
    """By proxy: everything it asks for when it follows the references in what it gets."""
    world = read_world(folder, name)
    mesh, objects = build_mesh_config(world.mesh_base, world.mesh_overrides), world.store()
    push = build_push_context(objects, mesh)
    found = {}
    for recorded in read_proxies(folder, "xds", name):
        proxy = build_proxy(recorded.node, objects, mesh)
        wanted: dict[str, dict[str, None]] = {}
        state: dict[str, dict[str, bytes]] = {}
        for type_url in IN_ORDER:
            for resource in generate(push, proxy, type_url, tuple(wanted.get(type_url, ()))):
                state.setdefault(type_url, {})[resource.name] = resource.body
                for kind, names in references(type_url, resource.body).items():
                    wanted.setdefault(kind, {}).update(dict.fromkeys(names))
        found[recorded.id] = state
    return found


@pytest.mark.needs_envoy
@pytest.mark.needs_shared
def test_every_proxy_of_every_world(oracle: Path) -> None:
    binary = envoy_binary()
    assert binary is not None
    refused, proxies = [], 0
    for name in sorted(path.name for path in (oracle / "worlds").iterdir() if path.is_dir()):
        for proxy, state in _configurations(oracle, name).items():
            proxies += 1
            assert state[type_urls.CLUSTER]
            assert state[type_urls.LISTENER]
            reason = validate(binary, state)
            if reason:
                refused.append(f"{name} {proxy}: {reason}")
    assert not refused
    assert proxies > 170
