from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields, make_object
from meshsim.controlplane.clusters.draft import Cluster
from meshsim.controlplane.clusters.patches import added_clusters, patch_clusters
from meshsim.controlplane.envoy_filters import Patch, PatchContext, PatchSet
from meshsim.xds.messages import tls_pb2
from meshsim.xds.packing import pack

SOURCE = make_object({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter"})
OUT = "outbound|80|v1|web.shop.svc.cluster.local"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def _patches(operation: str, value: Any = None, match: Any = None, context: str = "ANY") -> PatchSet:
    fields = Fields({"cluster": match} if match is not None else {})
    return PatchSet({"CLUSTER": (Patch(SOURCE, "CLUSTER", context, fields, operation, "", value or {}),)})


def _patched(patches: PatchSet, name: str = OUT, hosts: tuple[str, ...] = (), **fields: Any) -> list[Cluster]:
    return patch_clusters([Cluster(name=name, **fields)], patches, PatchContext.SIDECAR_OUTBOUND, hosts)


@pytest.mark.parametrize(
    ("match", "name", "hosts", "matches"),
    [
        (None, OUT, (), True),
        ({}, OUT, (), True),
        ({"name": OUT}, OUT, (), True),
        ({"name": "other"}, OUT, (), False),
        ({"service": "web.shop.svc.cluster.local"}, OUT, (), True),
        ({"service": "db.shop.svc.cluster.local"}, OUT, (), False),
        ({"subset": "v1", "portNumber": 80}, OUT, (), True),
        ({"subset": "v2"}, OUT, (), False),
        ({"portNumber": 81}, OUT, (), False),
        ({"portNumber": 8080}, "inbound|8080||", (), True),
        ({"service": "a"}, "inbound|8080||", ("a", "b"), True),
        ({"service": "c"}, "inbound|8080||", ("a", "b"), False),
        ({"service": "a"}, "BlackHoleCluster", (), False),
    ],
)
def test_matches(match: Any, name: str, hosts: tuple[str, ...], matches: bool) -> None:
    assert (_patched(_patches("REMOVE", match=match), name, hosts) == []) is matches


def test_other_contexts_and_kinds_are_left_alone() -> None:
    assert len(_patched(_patches("REMOVE", context="GATEWAY"))) == 1
    assert len(_patched(PatchSet({}))) == 1


def test_merge() -> None:
    (cluster,) = _patched(_patches("MERGE", {"lb_policy": "RANDOM", "connect_timeout": "2s"}))
    assert (cluster.name, cluster.lb_policy, cluster.connect_timeout.seconds) == (OUT, Cluster.RANDOM, 2)


def test_a_patch_with_a_socket_touches_the_socket_only() -> None:
    value = {"lb_policy": "RANDOM", "transport_socket": {"name": "tls", "typed_config": {"@type": TLS, "sni": "new"}}}
    original = tls_pb2.UpstreamTlsContext(sni="old", allow_renegotiation=True)
    (cluster,) = _patched(_patches("MERGE", value), transport_socket={"name": "tls", "typed_config": pack(original)})
    context = tls_pb2.UpstreamTlsContext()
    cluster.transport_socket.typed_config.Unpack(context)
    assert (context.sni, context.allow_renegotiation, cluster.lb_policy) == ("new", True, Cluster.ROUND_ROBIN)
    (replaced,) = _patched(_patches("MERGE", value), transport_socket={"name": "other"})
    assert replaced.transport_socket.name == "tls"
    matches = [{"name": "m", "transport_socket": {"name": "tls", "typed_config": pack(original)}}]
    (matched,) = _patched(_patches("MERGE", value), transport_socket_matches=matches)
    matched.transport_socket_matches[0].transport_socket.typed_config.Unpack(context)
    assert context.sni == "new"


def test_clusters_are_added_once() -> None:
    for context, want in (("ANY", [1, 0, 1]), ("SIDECAR_INBOUND", [0, 1, 0])):
        patches = _patches("ADD", {"name": "mine"}, context=context)
        found = [
            len(added_clusters(patches, where))
            for where in (PatchContext.SIDECAR_OUTBOUND, PatchContext.SIDECAR_INBOUND, PatchContext.GATEWAY)
        ]
        assert found == want
