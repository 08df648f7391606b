"""The service over gRPC on a Unix socket, asked by a gRPC client of our own."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from meshsim.errors import InternalError
from meshsim.xds import type_urls
from meshsim.xds.ads_grpc import AdsGrpcServer
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.snapshot_server import SnapshotServer

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"


class Client:
    """A stream whose requests are put one by one; every answer is waited for, but never for long."""

    def __init__(self, channel: grpc.Channel, *, delta: bool) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        answer: Any = discovery_pb2.DeltaDiscoveryResponse if delta else discovery_pb2.DiscoveryResponse
        call = channel.stream_stream(
            METHOD + ("DeltaAggregatedResources" if delta else "StreamAggregatedResources"),
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        self.answers = call(iter(self._requests.get, None), timeout=20)

    def send(self, request: Any) -> None:
        self._requests.put(request)

    def close(self) -> None:
        self._requests.put(None)


@pytest.fixture(name="connect")
def _connect(short_folder: Path) -> Iterator[tuple[SnapshotServer, AdsGrpcServer, Callable[[bool], Client]]]:
    service = SnapshotServer()
    service.put(type_urls.CLUSTER, "a", b"1")
    path = short_folder / "x"
    with AdsGrpcServer(service, path) as server, grpc.insecure_channel(f"unix:{path}") as channel:
        yield service, server, lambda delta: Client(channel, delta=delta)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_requests_are_answered_and_pushes_arrive(connect: Any, delta: bool) -> None:
    service, server, client_of = connect
    client = client_of(delta)
    kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    client.send(kind(type_url=type_urls.CLUSTER))
    assert len(next(client.answers).resources) == 1
    service.put(type_urls.CLUSTER, "b", b"2")
    server.send(lambda: service.push(type_urls.CLUSTER))
    assert len(next(client.answers).resources) == 2
    client.close()
    assert list(client.answers) == []


def test_a_disconnect_ends_the_stream_and_a_new_one_begins(connect: Any) -> None:
    service, server, client_of = connect
    client = client_of(True)
    client.send(discovery_pb2.DeltaDiscoveryRequest(type_url=type_urls.CLUSTER))
    next(client.answers)
    assert service.streams == ("1",)
    server.disconnect()
    assert list(client.answers) == []
    again = client_of(True)
    again.send(discovery_pb2.DeltaDiscoveryRequest(type_url=type_urls.CLUSTER))
    assert next(again.answers).nonce.endswith("-2-1")
    again.close()


def test_a_socket_that_cannot_be_made_is_told() -> None:
    with pytest.raises((InternalError, RuntimeError)), AdsGrpcServer(SnapshotServer(), Path("/nowhere/at/all")):
        pass
