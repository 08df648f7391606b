"""What a proxy is sent: clusters, listeners and the routes these name."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.analysis.serving import listen, serve
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import build_push_context
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.xds import type_urls


@pytest.mark.needs_shared
def test_what_istiod_sent_is_served(oracle: Path) -> None:
    world = read_world(oracle, "svc-port-conflicts")
    objects = world.store()
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    push = build_push_context(objects, mesh)
    for recorded in read_proxies(oracle, "xds", "svc-port-conflicts"):
        served = serve(push, build_proxy(recorded.node, objects, mesh))
        for short, type_url in (("cds", type_urls.CLUSTER), ("lds", type_urls.LISTENER), ("rds", type_urls.ROUTE)):
            names = sorted(str(resource["name"]) for resource in recorded.resources[short])
            assert sorted(name for kind, name in served if kind == type_url) == names
    assert push.status.counts


@pytest.mark.needs_shared
def test_listeners_alone_count_the_conflicts_of_a_workload(oracle: Path) -> None:
    world = read_world(oracle, "svc-port-conflicts")
    objects = world.store()
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    push = build_push_context(objects, mesh)
    for recorded in read_proxies(oracle, "xds", "svc-port-conflicts"):
        listen(push, build_proxy(recorded.node, objects, mesh))
    assert list(push.status.counts) == ["pilot_conflict_inbound_listener"]
