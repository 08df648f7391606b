"""Hosts of a cluster: priorities, panic, localities, transports."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import address, static_cluster

from meshsim.dataplane.decide.clusters import Cluster, LoadAssignment, decode_assignment, decode_cluster
from meshsim.dataplane.decide.upstreams import candidates, has_host, hosts, priority_loads, resolve, transport_to
from meshsim.dataplane.decide.values import Connection, Protocol
from meshsim.xds.messages import cluster_pb2, endpoint_pb2
from meshsim.xds.packing import from_json

CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=99)


def cluster(panic: float | None = None, **more: Any) -> Cluster:
    config = dict(more.pop("common_lb_config", {}))
    if panic is not None:
        config["healthy_panic_threshold"] = {"value": panic}
    return decode_cluster(
        from_json({"name": "c", "type": "STRICT_DNS", "common_lb_config": config, **more}, cluster_pb2.Cluster)
    )


def priorities(*levels: tuple[int, int]) -> LoadAssignment:
    """Levels of (healthy, all) hosts."""
    endpoints = []
    for priority, (healthy, total) in enumerate(levels):
        found = [
            {
                "endpoint": {"address": address(f"10.{priority}.0.{i}", 80)},
                "health_status": "HEALTHY" if i < healthy else "UNHEALTHY",
            }
            for i in range(total)
        ]
        endpoints.append({"priority": priority, "lb_endpoints": found})
    return decode_assignment(
        from_json({"cluster_name": "c", "endpoints": endpoints}, endpoint_pb2.ClusterLoadAssignment)
    )


@pytest.mark.parametrize(
    ("levels", "loads", "panic"),
    [
        (((72, 100), (100, 100)), (100, 0), (False, False)),
        (((71, 100), (71, 100)), (99, 1), (False, False)),
        (((50, 100), (60, 100)), (70, 30), (False, False)),
        (((25, 100), (100, 100)), (35, 65), (False, False)),
        (((25, 100), (25, 100)), (50, 50), (True, True)),
        (((5, 100), (65, 100)), (8, 92), (True, False)),  # the page says 7/93, the code gives the rest to the first
        (((0, 100), (100, 100)), (0, 100), (False, False)),
        (((25, 100), (25, 100), (20, 100)), (34, 33, 33), (True, True, True)),
    ],
)
def test_priority_loads(levels: tuple[tuple[int, int], ...], loads: tuple[int, ...], panic: tuple[bool, ...]) -> None:
    found = priority_loads(cluster(), priorities(*levels))
    assert tuple(p.healthy for p in found) == loads
    assert tuple(p.panic for p in found) == panic


def test_nothing_healthy() -> None:
    broken = priorities((0, 4))
    assert len(candidates(cluster(), broken)) == 4, "panic by default: every host"
    assert candidates(cluster(panic=0), broken) == (), "Istio's threshold with outlier detection: no healthy upstream"
    assert len(candidates(cluster(panic=0), priorities((1, 4)))) == 1
    assert candidates(cluster(), priorities((0, 0))) == ()


def test_draining_hosts_take_nothing() -> None:
    body = {
        "cluster_name": "c",
        "endpoints": [
            {
                "lb_endpoints": [
                    {"endpoint": {"address": address("10.0.0.1", 80)}, "health_status": "DRAINING"},
                    {"endpoint": {"address": address("10.0.0.2", 80)}},
                ]
            }
        ],
    }
    found = candidates(cluster(), decode_assignment(from_json(body, endpoint_pb2.ClusterLoadAssignment)))
    assert [e.address for e in found] == ["10.0.0.2"]


def test_localities_without_weight_get_nothing_once_localities_are_weighted() -> None:
    body = {
        "cluster_name": "c",
        "endpoints": [
            {
                "locality": {"zone": "a"},
                "load_balancing_weight": 1,
                "lb_endpoints": [{"endpoint": {"address": address("10.0.0.1", 80)}}],
            },
            {"locality": {"zone": "b"}, "lb_endpoints": [{"endpoint": {"address": address("10.0.0.2", 80)}}]},
        ],
    }
    assignment = decode_assignment(from_json(body, endpoint_pb2.ClusterLoadAssignment))
    weighted = cluster(common_lb_config={"locality_weighted_lb_config": {}})
    assert [e.address for e in candidates(weighted, assignment)] == ["10.0.0.1"]
    assert len(candidates(cluster(), assignment)) == 2, "otherwise the weights are ignored"


def test_resolving(build: Any) -> None:
    original = {"name": "pass", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    moved = {**original, "name": "moved", "original_dst_lb_config": {"upstream_port_override": 7}}
    config = build(clusters=(static_cluster("c", "10.0.0.5"), static_cluster("empty"), original, moved))
    found = resolve(config, "c", 3, CLIENT, "a")
    assert (found.weight, found.known, found.http2, [str(e) for e in hosts(found)]) == (
        3,
        True,
        False,
        ["10.0.0.5:8080"],
    )
    assert not resolve(config, "absent", 1, CLIENT, "a").known
    assert not has_host(resolve(config, "absent", 1, CLIENT, "a"))
    assert not has_host(resolve(config, "empty", 1, CLIENT, "a"))
    assert [str(e) for e in hosts(resolve(config, "pass", 1, CLIENT, "a"))] == ["10.0.0.1:99"]
    assert [str(e) for e in hosts(resolve(config, "moved", 1, CLIENT, "a"))] == ["10.0.0.1:7"]


def test_the_upstream_may_speak_as_the_client(build: Any) -> None:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    packed = {
        options: {
            "@type": f"type.googleapis.com/{options}",
            "use_downstream_protocol_config": {"http2_protocol_options": {}},
        }
    }
    config = build(clusters=(static_cluster("c", "10.0.0.5", typed_extension_protocol_options=packed),))
    http2 = Connection(source="a", destination="b", destination_port=1, protocol=Protocol.HTTP2)
    assert resolve(config, "c", 1, http2, "a").http2
    assert not resolve(config, "c", 1, CLIENT, "a").http2


def test_transports(build: Any) -> None:
    tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    secret = [{"name": "default", "sds_config": {"ads": {}}}]
    common = {"alpn_protocols": ["istio"], "tls_certificate_sds_secret_configs": secret}
    socket = {"name": "tls", "typed_config": {"@type": tls, "sni": "s", "common_tls_context": common}}
    config = build(clusters=(static_cluster("c", "10.0.0.5", transport_socket=socket),))
    found = resolve(config, "c", 1, CLIENT, "a")
    assert found.cluster is not None
    assert transport_to(found.cluster, hosts(found)[0]) == found.transports[0]
    assert found.transports[0][:5] == ("", True, True, "s", ("istio",))
