"""What the codec refuses; the same on a real Envoy in tests/conformance/test_envoy_failures.py."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.http1 import MAX_HEADERS, codec_fault
from meshsim.dataplane.decide.values import Protocol


def fault(method: str = "GET", path: str = "/", protocol: Protocol = Protocol.HTTP11, **more: str) -> str:
    pairs = [(":method", method), (":path", path), *((name.replace("_", "-"), value) for name, value in more.items())]
    reply = codec_fault(protocol, HeaderMap(pairs))
    return reply.details if reply else ""


@pytest.mark.parametrize("method", ["GET", "POST", "QUERY", "PROPFIND"])
def test_known_methods(method: str) -> None:
    assert fault(method) == ""


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/"), ("FOO", "/"), ("GET", "a/b"), ("GET", ""), ("GET", "*"), ("GET", "ftp://x/")]
)
def test_request_lines_that_cannot_be_read(method: str, path: str) -> None:
    assert fault(method, path) == "http1.codec_error"
    assert fault(method, path, Protocol.HTTP2) == "", "HTTP/2 has a codec of its own"


@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "*"), ("CONNECT", ""), ("CONNECT", "x:1"), ("GET", "http://x/"), ("GET", "HTTPS://x")],
)
def test_targets_without_a_slash(method: str, path: str) -> None:
    assert fault(method, path) == ""


def test_a_length_and_chunks_exclude_each_other() -> None:
    assert fault(content_length="0", transfer_encoding="chunked") == "http1.content_length_and_chunked_not_allowed"
    assert fault(transfer_encoding="chunked") == ""


def test_headers_have_a_limit() -> None:
    assert fault(x="v" * (MAX_HEADERS - 1)) == ""
    assert fault(x="v" * MAX_HEADERS) == "http1.headers_too_large"
