"""Clusters and endpoints from protobuf, and the socket for an endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import address, static_cluster

from meshsim.dataplane.decide.balancers import LbKind
from meshsim.dataplane.decide.clusters import (
    Cluster,
    Discovery,
    Health,
    UpstreamHttp,
    decode_address,
    decode_assignment,
    decode_cluster,
)
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.transport_sockets import ClientTls, PlainSocket
from meshsim.xds.messages import address_pb2, cluster_pb2, endpoint_pb2
from meshsim.xds.packing import from_json

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
RAW = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(**body: Any) -> Cluster:
    return decode_cluster(from_json({"name": "c", **body}, cluster_pb2.Cluster))


def test_defaults() -> None:
    found = cluster(type="STRICT_DNS")
    assert (found.discovery, found.balancer.kind, found.http, found.balancer.choice_count) == (
        Discovery.STRICT_DNS,
        LbKind.ROUND_ROBIN,
        UpstreamHttp.HTTP1,
        2,
    )
    assert (found.thresholds.connections, found.thresholds.retries, found.panic_threshold) == (1024, 3, 50.0)
    assert (found.connect_timeout, found.outlier, found.idle_timeout) == (5 * 10**9, None, 3600 * 10**9)


def test_outlier_detection_defaults() -> None:
    found = cluster(type="STRICT_DNS", outlier_detection={"consecutive_5xx": 0, "enforcing_consecutive_5xx": 0}).outlier
    assert found is not None
    assert (found.interval, found.base_ejection, found.max_ejection_percent) == (10**10, 3 * 10**10, 10)
    assert (found.consecutive_5xx, found.enforcing_5xx, found.consecutive_gateway, found.enforcing_gateway) == (
        0,
        0,
        5,
        0,
    )


@pytest.mark.parametrize(
    ("options", "http"),
    [
        ({"explicit_http_config": {"http2_protocol_options": {}}}, UpstreamHttp.HTTP2),
        ({"explicit_http_config": {"http_protocol_options": {}}}, UpstreamHttp.HTTP1),
        ({"use_downstream_protocol_config": {}}, UpstreamHttp.AS_DOWNSTREAM),
        ({"auto_config": {}}, UpstreamHttp.ALPN),
    ],
)
def test_http_versions(options: dict[str, Any], http: UpstreamHttp) -> None:
    packed = {OPTIONS: {"@type": f"type.googleapis.com/{OPTIONS}", **options}}
    assert cluster(type="STRICT_DNS", typed_extension_protocol_options=packed).http is http


def test_the_first_matching_socket_of_an_endpoint() -> None:
    """Auto mTLS: endpoints with ``tlsMode: istio`` get TLS, the empty match takes the rest."""
    matches = [
        {
            "name": "tlsMode-istio",
            "match": {"tlsMode": "istio"},
            "transport_socket": {"name": "t", "typed_config": {"@type": TLS, "sni": "s"}},
        },
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": {"name": "r", "typed_config": {"@type": RAW}}},
    ]
    found = cluster(type="STRICT_DNS", transport_socket_matches=matches)
    body = {
        "cluster_name": "c",
        "endpoints": [
            {
                "locality": {"region": "r", "zone": "z"},
                "lb_endpoints": [
                    {
                        "endpoint": {"address": address("10.0.0.1", 80)},
                        "health_status": "UNHEALTHY",
                        "metadata": {
                            "filter_metadata": {
                                "envoy.transport_socket_match": {"tlsMode": "istio"},
                                "istio": {"workload": "w;n"},
                            }
                        },
                    },
                    {"endpoint": {"address": address("10.0.0.2", 80)}},
                ],
            }
        ],
    }
    first, second = decode_assignment(from_json(body, endpoint_pb2.ClusterLoadAssignment)).endpoints
    assert (first.health, first.workload, str(first)) == (Health.UNHEALTHY, "w;n", "10.0.0.1:80")
    name, socket = found.socket_for(first)
    assert (name, isinstance(socket, ClientTls)) == ("tlsMode-istio", True)
    name, socket = found.socket_for(second)
    assert (name, isinstance(socket, PlainSocket)) == ("tlsMode-disabled", True)


def test_metadata_of_istio() -> None:
    istio = {"istio": {"config": "/apis/x", "services": [{"host": "a.b"}], "alpn_override": "false"}}
    found = cluster(type="STRICT_DNS", metadata={"filter_metadata": istio})
    assert (found.config, found.services, found.alpn_override) == ("/apis/x", ("a.b",), False)


def test_eds_names_and_inline_hosts() -> None:
    assert cluster(type="EDS", eds_cluster_config={"service_name": "s", "eds_config": {"ads": {}}}).eds_name == "s"
    assert cluster(type="EDS", eds_cluster_config={"eds_config": {"ads": {}}}).eds_name == "c"
    static = decode_cluster(from_json(static_cluster("c", "10.0.0.1"), cluster_pb2.Cluster))
    assert static.assignment is not None
    assert static.eds_name == ""


def test_addresses() -> None:
    assert decode_address(from_json({"pipe": {"path": "/p"}}, address_pb2.Address)) == ("/p", 0)
    internal = {"envoy_internal_address": {"server_listener_name": "l"}}
    assert decode_address(from_json(internal, address_pb2.Address)) == ("internal:l", 0)


@pytest.mark.parametrize(
    "body",
    [
        {"cluster_name": ""},
        {"cluster_name": "c", "endpoints": [{"priority": 200}]},
        {
            "cluster_name": "c",
            "endpoints": [
                {"lb_endpoints": [{"load_balancing_weight": 0, "endpoint": {"address": address("10.0.0.1", 1)}}]}
            ],
        },
    ],
)
def test_refused_assignments(body: dict[str, Any]) -> None:
    with pytest.raises(ResourceRejectedError):
        decode_assignment(from_json(body, endpoint_pb2.ClusterLoadAssignment))
