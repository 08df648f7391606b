"""Which protocol a port speaks, from `appProtocol`, name and number (istio pkg/config/kube/conversion.go, 1.31)."""

from __future__ import annotations

from typing import Final

from meshsim.controlplane.model import Protocol

_BY_NAME: Final = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "http_proxy": Protocol.HTTP_PROXY,
    "https": Protocol.HTTPS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    "udp": Protocol.UDP,
    "mongo": Protocol.MONGO,
    "redis": Protocol.REDIS,
    "mysql": Protocol.MYSQL,
    "hbone": Protocol.HBONE,
    "double-hbone": Protocol.HBONE,
}

_APP_PROTOCOLS: Final = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/http2": Protocol.HTTP2,
    "kubernetes.io/http": Protocol.HTTP,
    "kubernetes.io/https": Protocol.HTTPS,
    "kubernetes.io/tls": Protocol.TLS,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
    "gateway.networking.k8s.io/h2c": Protocol.HTTP2,
    "istio.io/http-connect": Protocol.HTTP_PROXY,
}

_WELL_KNOWN_TCP: Final = frozenset({25, 53, 3306, 27017})
"""Server-speaks-first ports on which protocol detection would hang: SMTP, DNS, MySQL, MongoDB."""


def parse_protocol(text: str) -> Protocol:
    """A protocol by its name, in any case; unknown names are unsupported, which means detected."""
    return _BY_NAME.get(text.lower(), Protocol.UNSUPPORTED)


def port_protocol(number: int, name: str, transport: str, app_protocol: str | None) -> Protocol:
    """Protocol of a Kubernetes service port."""
    if transport == "UDP":
        return Protocol.UDP
    if app_protocol is not None:
        # An unknown application protocol falls back to detection, never to the port name.
        known = _APP_PROTOCOLS.get(app_protocol.lower())
        return known if known is not None else parse_protocol(app_protocol)
    lowered = name.lower()
    head = lowered if lowered.startswith("grpc-web") else lowered.partition("-")[0]
    found = Protocol.GRPC_WEB if head.startswith("grpc-web") else parse_protocol(head)
    if found is Protocol.UNSUPPORTED and number in _WELL_KNOWN_TCP:
        return Protocol.TCP
    return found
