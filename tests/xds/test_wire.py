"""Counting on the wire agrees with decoding."""

from __future__ import annotations

import pytest
from google.protobuf import wrappers_pb2
from google.protobuf.message import DecodeError, Message

from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_components_pb2, route_pb2
from meshsim.xds.wire import count_virtual_hosts, plain_fields, resource_name


@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_virtual_hosts_are_counted(count: int) -> None:
    table = route_pb2.RouteConfiguration(name="80" * 100, ignore_port_in_host_matching=True)
    table.validate_clusters.value = False
    for index in range(count):
        table.virtual_hosts.append(route_components_pb2.VirtualHost(name=f"host-{index}", domains=["x" * (index + 1)]))
    assert count_virtual_hosts(table.SerializeToString()) == count


def test_plain_fields() -> None:
    route = route_components_pb2.Route(name="n" * 300, match={"prefix": "/"}, route={"cluster": "c"})
    fields = plain_fields(route.SerializeToString())
    assert fields == [
        (1, route.match.SerializeToString()),
        (2, route.route.SerializeToString()),
        (14, route.name.encode()),
    ]
    host = route_components_pb2.VirtualHost(name="v", domains=["a", "b"], include_request_attempt_count=True)
    assert plain_fields(host.SerializeToString()) == [(1, b"v"), (2, b"a"), (2, b"b"), (-14, b"\x01")]
    assert plain_fields(b"") == []


@pytest.mark.parametrize(
    "message",
    [
        route_components_pb2.VirtualHost(retry_policy={}),
        route_components_pb2.DirectResponseAction(status=200),
        route_components_pb2.Route(name="n" * 20_000),
        wrappers_pb2.DoubleValue(value=1.0),
    ],
    ids=["number above 15", "integer above 127", "part of 20,000 bytes", "fixed width"],
)
def test_what_is_not_plain(message: Message) -> None:
    assert plain_fields(message.SerializeToString()) is None


@pytest.mark.parametrize(
    "message",
    [
        cluster_pb2.Cluster(name="näme", lb_policy=cluster_pb2.Cluster.RANDOM),
        endpoint_pb2.ClusterLoadAssignment(cluster_name="näme"),
        listener_pb2.Listener(name="näme"),
        route_pb2.RouteConfiguration(name="näme", virtual_hosts=[route_components_pb2.VirtualHost(name="x")]),
        cluster_pb2.Cluster(lb_policy=cluster_pb2.Cluster.RANDOM),
    ],
    ids=["cluster", "assignment", "listener", "routes", "no name"],
)
def test_the_name_is_the_first_field_of_every_type(message: Message) -> None:
    assert resource_name(message.SerializeToString()) == (
        getattr(message, "name", "") or getattr(message, "cluster_name", "")
    )


def test_the_last_name_counts_as_everywhere_in_protobuf() -> None:
    body = cluster_pb2.Cluster(name="one").SerializeToString() + cluster_pb2.Cluster(name="two").SerializeToString()
    assert resource_name(body) == cluster_pb2.Cluster.FromString(body).name == "two"


@pytest.mark.parametrize("body", [b"\x0a\xff", b"\x0a\x01\xff", b"\x0f", b"\x0a", b"\x80" * 20, b"\x09\x00"])
def test_broken_bytes_have_no_name(body: bytes) -> None:
    with pytest.raises(DecodeError):
        resource_name(body)
