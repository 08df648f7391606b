"""The ADS service over gRPC on a Unix socket: moves messages between real Envoys and a server that does no I/O.

A Unix socket crosses network namespaces, so one server reaches the Envoy of every pod, as pilot-agent's own pipe does.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc

from meshsim.errors import InternalError
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.snapshot_server import AdsService, Request, Response

_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_STOP_WITHIN: Final = 5.0


class AdsGrpcServer:
    """Serves an `AdsService` on a socket file; a context manager that ends every stream it began."""

    def __init__(self, service: AdsService, path: Path, streams: int = 64) -> None:
        self._service = service
        self._path = path
        self._lock = threading.Lock()
        self._outboxes: dict[str, queue.SimpleQueue[Response | None]] = {}
        self._begun = 0
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="ads")
        self._grpc = grpc.server(self._pool, maximum_concurrent_rpcs=streams)
        handlers = {
            "DeltaAggregatedResources": self._handler(delta=True, request=discovery_pb2.DeltaDiscoveryRequest),
            "StreamAggregatedResources": self._handler(delta=False, request=discovery_pb2.DiscoveryRequest),
        }
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))

    def __enter__(self) -> AdsGrpcServer:
        if self._grpc.add_insecure_port(f"unix:{self._path}") == 0:
            raise InternalError(f"the socket {self._path} cannot be used")
        self._grpc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()
        self._grpc.stop(0).wait(_STOP_WITHIN)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def send(self, make: Callable[[], Iterable[tuple[str, Response]]]) -> None:
        """Send what `make` says (stream, response), undisturbed by requests that arrive meanwhile."""
        with self._lock:
            for stream, response in make():
                outbox = self._outboxes.get(stream)
                if outbox is not None:
                    outbox.put(response)

    def disconnect(self) -> None:
        """End every stream; clients come back by themselves."""
        with self._lock:
            for outbox in self._outboxes.values():
                outbox.put(None)

    def _handler(self, *, delta: bool, request: Any) -> Any:
        def serve(requests: Iterator[Request], _: grpc.ServicerContext) -> Iterator[Response]:
            return self._serve(requests, delta=delta)

        return grpc.stream_stream_rpc_method_handler(
            serve,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _serve(self, requests: Iterator[Request], *, delta: bool) -> Iterator[Response]:
        outbox: queue.SimpleQueue[Response | None] = queue.SimpleQueue()
        with self._lock:
            self._begun += 1
            stream = f"{self._begun}"
            self._outboxes[stream] = outbox
            self._service.open(stream, delta=delta)
        reader = threading.Thread(target=self._read, args=(stream, requests, outbox), daemon=True)
        reader.start()
        try:
            while (response := outbox.get()) is not None:
                yield response
        finally:
            with self._lock:
                self._outboxes.pop(stream, None)
                self._service.close(stream)

    def _read(self, stream: str, requests: Iterator[Request], outbox: queue.SimpleQueue[Response | None]) -> None:
        try:
            for request in requests:
                with self._lock:
                    for response in self._service.on_request(stream, request):
                        outbox.put(response)
        except grpc.RpcError:
            pass  # the client went away: how a stream ordinarily ends
        finally:
            outbox.put(None)
