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
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}

_WELL_KNOWN_TCP: Final = frozenset({25, 53, 3306, 27017})
"""Server-speaks-first ports on which protocol detection would hang: SMTP, DNS, MySQL, MongoDB."""


def parse_protocol(text: str) -> Protocol:
    """A protocol by its name, in any case; unknown names are unsupported, which means detected."""
    return _BY_NAME.get(text.lower(), Protocol.UNSUPPORTED)


def port_protocol(number: int, name: str, transport: str, app_protocol: str | None) -> Protocol:
    """Protocol of a Kubernetes service port: by `appProtocol` when given, else by the name up to its first ``-``."""
    if transport == "UDP":
        return Protocol.UDP
    if app_protocol in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[app_protocol]
    text = (app_protocol if app_protocol is not None else name).lower()
    found = Protocol.GRPC_WEB if text.startswith("grpc-web") else parse_protocol(text.partition("-")[0])
    if found is Protocol.UNSUPPORTED and number in _WELL_KNOWN_TCP:
        return Protocol.TCP
    return found
