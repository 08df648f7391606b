"""Upstreams fail in the way they promise."""

from __future__ import annotations

import contextlib
import socket

import pytest

from meshsim.testing.misbehaving import (
    LOOPBACK,
    ClosedPort,
    FullPort,
    Upstream,
    answers,
    closes,
    cuts_its_body,
    resets,
    resets_streams,
    stays_silent,
)

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def ask(port: int, request: bytes = REQUEST) -> bytes:
    with socket.create_connection((LOOPBACK, port), timeout=5) as stream:
        stream.sendall(request)
        # The other end may have reset the connection already.
        with contextlib.suppress(OSError):
            stream.shutdown(socket.SHUT_WR)
        data = b""
        while part := stream.recv(65536):
            data += part
        return data


def test_an_ordinary_answer() -> None:
    with Upstream(answers(503, "sorry", "x: y\r\n")) as upstream:
        assert ask(upstream.port) == b"HTTP/1.1 503 X\r\ncontent-length: 5\r\nx: y\r\n\r\nsorry"


def test_no_answer_in_four_ways() -> None:
    with Upstream(closes) as upstream:
        assert ask(upstream.port) == b""
    with Upstream(stays_silent) as upstream:
        assert ask(upstream.port) == b""
    with Upstream(resets) as upstream, pytest.raises(ConnectionResetError):
        ask(upstream.port)
    with Upstream(cuts_its_body) as upstream:
        assert ask(upstream.port).endswith(b"content-length: 100\r\n\r\nhalf")


def test_streams_are_reset_with_their_code() -> None:
    headers = b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x82"
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    with Upstream(resets_streams(8)) as upstream:
        answer = ask(upstream.port, preface + headers)
    assert answer.endswith(b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08")


def test_ports_that_refuse_and_that_drop() -> None:
    with ClosedPort() as closed, pytest.raises(ConnectionRefusedError):
        ask(closed.port)
    with FullPort() as full, pytest.raises(TimeoutError):
        socket.create_connection((LOOPBACK, full.port), timeout=0.2)
