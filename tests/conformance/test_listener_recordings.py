"""LDS of whole worlds against what the real istiod sent (shared/oracle/xds)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from meshsim.controlplane.listeners import build_listeners
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import build_push_context
from meshsim.world.verify.canonical import canonical
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import to_json

WORLDS = (
    "ap-custom-audit-gateway",
    "app-bookinfo",
    "dr-levels",
    "dr-pool-outlier",
    "dr-tunnel-proxyprotocol",
    "ef-http-filters",
    "extensions",
    "gw-east-west",
    "gw-http",
    "gw-tls-modes",
    "pa-levels",
    "pa-ports",
    "policy-odds",
    "ra-jwt",
    "se-resolutions",
    "sidecar-egress-listeners",
    "sidecar-ingress",
    "svc-headless-kafka",
    "svc-http-basic",
    "svc-multiport",
    "svc-port-conflicts",
    "svc-protocols",
    "telemetry",
    "trust-domain",
    "vs-direct-mirror-fault",
    "vs-rewrite-redirect",
    "vs-tcp-tls",
    "vs-uri",
    "vs-weights",
)


@pytest.mark.needs_shared
@pytest.mark.parametrize("world_name", WORLDS)
def test_listeners_are_those_of_the_real_istiod(oracle: Path, world_name: str) -> None:
    world = read_world(oracle, world_name)
    mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
    objects = world.store()
    push = build_push_context(objects, mesh)
    for recorded in read_proxies(oracle, "xds", world_name):
        found = build_listeners(push, build_proxy(recorded.node, objects, mesh))
        got = {r.name: canonical(to_json(listener_pb2.Listener.FromString(r.body))) for r in found}
        want = {str(item["name"]): canonical(item) for item in recorded.resources["lds"]}
        assert got == want, recorded.node["id"]
    conflicts = {
        metric: {key: {"proxy": proxy, "message": message} for key, (proxy, message) in entries.items()}
        for metric, entries in push.status.counts.items()
        if "conflict" in metric
    }
    assert conflicts == _recorded_conflicts(oracle, world_name)


def _recorded_conflicts(oracle: Path, world_name: str) -> dict[str, Any]:
    text = gzip.decompress((oracle / "xds" / world_name / "push_status.json.gz").read_bytes())
    return {metric: entries for metric, entries in json.loads(text).items() if "conflict" in metric}
