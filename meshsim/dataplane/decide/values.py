"""What goes into a decision: a connection as a listener sees it, and a request on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Transport(Enum):
    """What the client does on its side of the connection."""

    PLAINTEXT = "plaintext"
    TLS = "tls"
    """TLS without client certificate."""
    MTLS = "mtls"


class Protocol(Enum):
    """What the client speaks inside the transport."""

    HTTP10 = "HTTP/1.0"
    HTTP11 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    TCP = "tcp"
    """Bytes that are neither TLS nor HTTP."""
    SILENT = "silent"
    """The server speaks first."""

    @property
    def is_http(self) -> bool:
        return self is not Protocol.TCP and self is not Protocol.SILENT


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """Names in a client certificate."""

    uris: tuple[str, ...] = ()
    """``spiffe://cluster.local/ns/shop/sa/client``."""
    dns_names: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as it reaches the proxy: `destination` is where the client meant to go, before any redirection."""

    source: str
    source_port: int = 0
    destination: str
    destination_port: int
    transport: Transport = Transport.PLAINTEXT
    sni: str = ""
    alpn: tuple[str, ...] = ()
    certificate: PeerCertificate | None = None
    protocol: Protocol = Protocol.HTTP11
    proxy_header: bool = False
    """Whether a PROXY header that names source and destination comes first."""

    @property
    def uses_tls(self) -> bool:
        return self.transport is not Transport.PLAINTEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as the client sends it; header names in lower case, without pseudo-headers."""

    method: str = "GET"
    authority: str | None = None
    """Host; None = the request has none (an empty one is allowed)."""
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: int = 0
    """Bytes of the body."""
