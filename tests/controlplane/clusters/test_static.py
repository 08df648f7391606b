from __future__ import annotations

from meshsim.controlplane.clusters.draft import HTTP_OPTIONS, Cluster
from meshsim.controlplane.clusters.static import black_hole, dynamic_dns, inbound_passthrough, passthrough
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.views import ProxyView
from meshsim.xds.messages import dynamic_forward_proxy_cluster_pb2

MESH = build_mesh_config({"connectTimeout": "3s"})
FOUR, SIX = (ProxyView(False, six, False, None) for six in (False, True))


def test_the_black_hole_has_no_endpoints() -> None:
    cluster = black_hole(MESH)
    assert (cluster.name, cluster.type, cluster.connect_timeout.seconds) == ("BlackHoleCluster", Cluster.STATIC, 3)
    assert not cluster.HasField("load_assignment")


def test_passthrough_goes_to_the_original_destination() -> None:
    cluster = passthrough(MESH)
    assert (cluster.name, cluster.type) == ("PassthroughCluster", Cluster.ORIGINAL_DST)
    assert HTTP_OPTIONS in cluster.typed_extension_protocol_options
    assert [f.name for f in cluster.filters] == ["istio.metadata_exchange"]


def test_inbound_passthrough_comes_from_an_address_that_is_not_captured() -> None:
    sources = [inbound_passthrough(MESH, view).upstream_bind_config.source_address.address for view in (FOUR, SIX)]
    assert sources == ["127.0.0.6", "::6"]
    assert not inbound_passthrough(MESH, FOUR).filters


def test_unknown_hosts_are_resolved_by_the_proxy() -> None:
    families = []
    for view in (FOUR, SIX):
        config = dynamic_forward_proxy_cluster_pb2.ClusterConfig()
        dynamic_dns(MESH, view).cluster_type.typed_config.Unpack(config)
        families.append(config.dns_cache_config.dns_lookup_family)
    assert families == [Cluster.V4_ONLY, Cluster.V6_ONLY]
