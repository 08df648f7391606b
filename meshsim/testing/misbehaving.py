"""Upstreams that fail on purpose, each in one way, on loopback ports of their own."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 1, 3, 4, 7
_STATUS_200: Final = b"\x88"
"""HPACK: the indexed field ``:status: 200``."""
_PATIENCE: Final = 20.0

Behaviour = Callable[[socket.socket], None]
"""What an upstream does with an accepted connection; it is closed afterwards."""


def answers(status: int, body: str = "", headers: str = "") -> Behaviour:
    """An ordinary HTTP/1 answer to every request on the connection."""
    text = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n{body}".encode()

    def behave(stream: socket.socket) -> None:
        while _read_request(stream):
            stream.sendall(text)

    return behave


def closes(stream: socket.socket) -> None:
    """Reads a request and closes."""
    _read_request(stream)


def resets(stream: socket.socket) -> None:
    """Reads a request and resets the connection."""
    _read_request(stream)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def talks_nonsense(stream: socket.socket) -> None:
    """Reads a request and answers with bytes that are not HTTP."""
    _read_request(stream)
    stream.sendall(b"\x00\x01nonsense\r\n\r\n")


def stays_silent(stream: socket.socket) -> None:
    """Reads requests and never answers."""
    while _read_request(stream):
        pass


def cuts_its_body(stream: socket.socket) -> None:
    """Promises more body than it sends."""
    _read_request(stream)
    stream.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")


def resets_streams(code: int) -> Behaviour:
    """HTTP/2: resets the stream of every request with this error code."""

    def behave(stream: socket.socket) -> None:
        for number in _Requests(stream):
            stream.sendall(_frame(_RST_STREAM, 0, number, struct.pack(">I", code)))

    return behave


def resets_streams_after_headers(code: int) -> Behaviour:
    """HTTP/2: answers with headers, then resets the stream."""

    def behave(stream: socket.socket) -> None:
        for number in _Requests(stream):
            stream.sendall(_frame(_HEADERS, 4, number, _STATUS_200))
            time.sleep(0.05)
            stream.sendall(_frame(_RST_STREAM, 0, number, struct.pack(">I", code)))

    return behave


def goes_away(stream: socket.socket) -> None:
    """HTTP/2: says on the first request that it took none."""
    for _ in _Requests(stream):
        stream.sendall(_frame(_GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
        time.sleep(0.05)
        return


def _frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload


class _Requests:
    """Stream ids of the requests on an HTTP/2 connection, one after another."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._data = b""
        stream.sendall(_frame(_SETTINGS, 0, 0, b""))

    def __iter__(self) -> _Requests:
        return self

    def __next__(self) -> int:
        while True:
            kind, flags, number = self._next_frame()
            if kind == _SETTINGS and not flags & 1:
                self._stream.sendall(_frame(_SETTINGS, 1, 0, b""))
            if kind == _HEADERS:
                return number

    def _next_frame(self) -> tuple[int, int, int]:
        if self._data.startswith(_H2_PREFACE):
            self._data = self._data[len(_H2_PREFACE) :]
        while len(self._data) < 9 or len(self._data) < 9 + int.from_bytes(self._data[:3], "big"):
            part = self._stream.recv(65536)
            if not part:
                raise StopIteration
            self._data += part
            if self._data.startswith(_H2_PREFACE):
                self._data = self._data[len(_H2_PREFACE) :]
        size = int.from_bytes(self._data[:3], "big")
        kind, flags = self._data[3], self._data[4]
        number = int.from_bytes(self._data[5:9], "big")
        self._data = self._data[9 + size :]
        return kind, flags, number


def _read_request(stream: socket.socket) -> bool:
    """Read one HTTP/1 request with its body; false at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = stream.recv(65536)
        if not part:
            return False
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = (int(lengths[0].split(b":")[1]) if lengths else 0) - len(body)
    while missing > 0:
        missing -= len(stream.recv(65536)) or missing
    return True


class Upstream:
    """One listening port with a behaviour; a context manager that ends its threads."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._streams: list[socket.socket] = []
        self._ended = False

    def __enter__(self) -> Upstream:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for stream in (self._listener, *self._streams):
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            stream.settimeout(_PATIENCE)
            self._streams.append(stream)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream: socket.socket) -> None:
        with contextlib.suppress(OSError, StopIteration):
            self._behaviour(stream)
        stream.close()


class ClosedPort:
    """A port that refuses connections as long as it is held."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> ClosedPort:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class FullPort:
    """A port whose queue is full: the kernel drops every further SYN, so that connecting takes for ever."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind((LOOPBACK, 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> FullPort:
        for _ in range(3):
            stream = socket.socket()
            stream.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                stream.connect((LOOPBACK, self.port))
            self._waiting.append(stream)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (*self._waiting, self._listener):
            stream.close()
