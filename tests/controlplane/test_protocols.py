"""istio pkg/config/kube/conversion_test.go has the same cases."""

from __future__ import annotations

import pytest

from meshsim.controlplane.model import Protocol
from meshsim.controlplane.protocols import parse_protocol, port_protocol


@pytest.mark.parametrize(
    ("number", "name", "transport", "app", "want"),
    [
        (8888, "", "TCP", None, Protocol.UNSUPPORTED),
        (25, "", "TCP", None, Protocol.TCP),
        (53, "", "TCP", None, Protocol.TCP),
        (3306, "", "TCP", None, Protocol.TCP),
        (27017, "", "TCP", None, Protocol.TCP),
        (8888, "http", "TCP", None, Protocol.HTTP),
        (8888, "http-test", "TCP", None, Protocol.HTTP),
        (8888, "httptest", "TCP", None, Protocol.UNSUPPORTED),
        (25, "httptest", "TCP", None, Protocol.TCP),
        (53, "HTTP2", "TCP", None, Protocol.HTTP2),
        (8888, "grpc-web-x", "TCP", None, Protocol.GRPC_WEB),
        (8888, "grpc-test", "TCP", None, Protocol.GRPC),
        (8888, "http", "UDP", None, Protocol.UDP),
        (8888, "foo", "TCP", "http2", Protocol.HTTP2),
        (8888, "http", "TCP", "unknown", Protocol.UNSUPPORTED),
        (8888, "http", "TCP", "kubernetes.io/h2c", Protocol.HTTP2),
        (8888, "tcp", "TCP", "kubernetes.io/ws", Protocol.HTTP),
        (8888, "tcp", "TCP", "kubernetes.io/wss", Protocol.HTTPS),
        (8888, "tcp", "TCP", "TLS-foo", Protocol.TLS),
    ],
)
def test_port_protocol(number: int, name: str, transport: str, app: str | None, want: Protocol) -> None:
    assert port_protocol(number, name, transport, app) is want


def test_unknown_names_are_detected() -> None:
    assert parse_protocol("Mongo") is Protocol.MONGO
    assert parse_protocol("smtp").is_auto
