"""The client that watches a delta stream: what it follows, and what it notes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message

from meshsim.api import Fields
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.world.verify.push_client import ReferenceMemo, WatchingClient
from meshsim.xds import type_urls
from meshsim.xds.bodies import Bodies
from meshsim.xds.delta_response import DeltaResponse, ReceivedBody
from meshsim.xds.messages import (
    cluster_pb2,
    http_connection_manager_pb2,
    listener_pb2,
)
from meshsim.xds.packing import pack


def _client(kind: ProxyType = ProxyType.SIDECAR) -> WatchingClient:
    proxy = Proxy(
        id="p.n",
        node_id=f"{kind.value}~10.0.0.1~p.n~n.svc.cluster.local",
        type=kind,
        addresses=("10.0.0.1",),
        name="p",
        namespace="n",
        dns_domain="n.svc.cluster.local",
        labels={},
        metadata=Fields(None),
    )
    return WatchingClient(proxy, ReferenceMemo())


def _response(type_url: str, resources: dict[str, Message], removed: Sequence[str] = ()) -> DeltaResponse:
    bodies = Bodies(ReceivedBody(name, message.SerializeToString()) for name, message in resources.items())
    return DeltaResponse(type_url, "1", "v", bodies, tuple(removed))


def _cluster(name: str, timeout: int = 1) -> cluster_pb2.Cluster:
    found = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    found.connect_timeout.seconds = timeout
    return found


def _listener(name: str, route: str) -> listener_pb2.Listener:
    manager = http_connection_manager_pb2.HttpConnectionManager()
    manager.rds.route_config_name = route
    found = listener_pb2.Listener(name=name)
    found.filter_chains.add().filters.add(name="http", typed_config=pack(manager))
    return found


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        (ProxyType.SIDECAR, [type_urls.CLUSTER, type_urls.LISTENER, type_urls.NAME_TABLE]),
        (ProxyType.ROUTER, [type_urls.CLUSTER, type_urls.LISTENER]),
    ],
)
def test_wildcards_are_asked_for_at_once(kind: ProxyType, types: list[str]) -> None:
    assert [request.type_url for request in _client(kind).on_connected()] == types


def test_a_response_is_noted_with_what_is_new_in_it() -> None:
    client = _client()
    client.on_connected()
    client.on_response(_response(type_urls.CLUSTER, {"b": _cluster("b"), "a": _cluster("a")}))
    client.on_response(_response(type_urls.CLUSTER, {"a": _cluster("a", 2), "b": _cluster("b"), "c": _cluster("c")}))
    client.on_response(_response(type_urls.CLUSTER, {}, ["c"]))
    first, second, third = (event for event in client.events if not event.asks)
    assert first.names == {"sent": ("a", "b"), "changed": (), "added": ("a", "b"), "removed": ()}
    assert second.names == {"sent": ("a", "b", "c"), "changed": ("a",), "added": ("c",), "removed": ()}
    assert third.names == {"sent": (), "changed": (), "added": (), "removed": ("c",)}


def test_clusters_lead_to_endpoints() -> None:
    client = _client()
    client.on_connected()
    requests = client.on_response(_response(type_urls.CLUSTER, {"b": _cluster("b"), "a": _cluster("a")}))
    assert [(r.type_url, list(r.resource_names_subscribe)) for r in requests] == [
        (type_urls.ENDPOINT, ["b", "a"]),
        (type_urls.CLUSTER, []),
    ], "the question leaves before the acknowledgement"
    client.on_response(_response(type_urls.CLUSTER, {}, ["a"]))
    asked = [event for event in client.events if event.asks]
    assert [event.names for event in asked] == [
        {"subscribe": ("a", "b"), "unsubscribe": ()},
        {"subscribe": (), "unsubscribe": ("a",)},
    ]


def test_listeners_lead_to_routes() -> None:
    client = _client()
    client.on_connected()
    client.on_response(_response(type_urls.LISTENER, {"a": _listener("a", "80"), "b": _listener("b", "80")}))
    client.on_response(_response(type_urls.LISTENER, {"a": _listener("a", "81")}, ["b"]))
    asked = [(event.type, event.names) for event in client.events if event.asks]
    assert asked == [
        ("RDS", {"subscribe": ("80",), "unsubscribe": ()}),
        ("RDS", {"subscribe": ("81",), "unsubscribe": ("80",)}),
    ]


def test_what_is_not_followed_any_more_is_not_held() -> None:
    """Endpoints that were on their way when their cluster went count as new, as the recordings' clients counted."""
    client = _client()
    client.on_connected()
    client.on_response(_response(type_urls.CLUSTER, {"a": _cluster("a")}))
    endpoints = _response(type_urls.ENDPOINT, {"a": _cluster("a")})
    client.on_response(endpoints)
    client.on_response(_response(type_urls.CLUSTER, {}, ["a"]))
    client.events.clear()
    client.on_response(endpoints)
    assert client.events[0].names["added"] == ("a",)
