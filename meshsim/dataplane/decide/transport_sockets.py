"""Transport sockets of filter chains and clusters as decoded values (envoy/extensions/transport_sockets)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from meshsim.dataplane.decide.extensions import check_registered
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import Notes, StringMatcher, decode_string_matcher
from meshsim.xds.messages import base_pb2, tls_common_pb2, tls_pb2, upstream_proxy_protocol_pb2

_TLS: Final = "envoy.extensions.transport_sockets.tls.v3."
_RAW: Final = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
_PROXY: Final = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"


class TlsVersion(IntEnum):
    """Protocol versions, as numbers of the API."""

    AUTO = 0
    TLS10 = 1
    TLS11 = 2
    TLS12 = 3
    TLS13 = 4


@dataclass(frozen=True, slots=True)
class Validation:
    """How the peer's certificate is judged."""

    trusted: bool
    """Whether there is a trusted CA at all; without one every certificate passes."""
    names: tuple[StringMatcher, ...]
    """Subject alternative names, of which one must match; empty = any."""
    secret: str


@dataclass(frozen=True, slots=True)
class PlainSocket:
    """Bytes as they are."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS towards an upstream host."""

    sni: str
    alpn: tuple[str, ...]
    minimum: TlsVersion
    maximum: TlsVersion
    certificate: str
    """Secret of the client certificate, empty without."""
    validation: Validation
    auto_host_sni: bool = False


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS towards a client."""

    alpn: tuple[str, ...]
    minimum: TlsVersion
    maximum: TlsVersion
    certificates: tuple[str, ...]
    """Secrets of the server certificates."""
    requires_client_certificate: bool
    validation: Validation


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """A PROXY header before another socket."""

    version: int
    inner: PlainSocket | ClientTls


UpstreamSocket: TypeAlias = PlainSocket | ClientTls | ProxyProtocol
PLAIN: Final = PlainSocket()


class UpstreamTls(NamedTuple):
    """What the proxy does on its side of an upstream connection, for the endpoints with the same socket."""

    match: str
    """Name of the transport socket match, empty for the cluster's own socket."""
    tls: bool
    mutual: bool
    """Whether it shows a client certificate."""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    proxy_protocol: int = 0
    """Version of the PROXY header sent first, 0 = none."""


def upstream_tls(name: str, socket: UpstreamSocket) -> UpstreamTls:
    """What a socket, chosen by the match of this name, speaks below HTTP."""
    proxy_protocol = 0
    if isinstance(socket, ProxyProtocol):
        proxy_protocol, socket = socket.version, socket.inner
    if isinstance(socket, ClientTls):
        return UpstreamTls(name, True, bool(socket.certificate), socket.sni, socket.alpn, proxy_protocol)
    return UpstreamTls(name, False, False, proxy_protocol=proxy_protocol)


def _validation(context: tls_common_pb2.CertificateValidationContext, secret: str, notes: Notes) -> Validation:
    names = [decode_string_matcher(m, notes) for m in context.match_subject_alt_names]
    names += [decode_string_matcher(m.matcher, notes) for m in context.match_typed_subject_alt_names]
    trusted = bool(secret) or context.HasField("trusted_ca") or context.HasField("system_root_certs")
    return Validation(trusted, tuple(names), secret)


def _peer(common: tls_pb2.CommonTlsContext, notes: Notes) -> Validation:
    kind = common.WhichOneof("validation_context_type")
    if kind == "combined_validation_context":
        combined = common.combined_validation_context
        secret = combined.validation_context_sds_secret_config.name
        return _validation(combined.default_validation_context, secret, notes)
    if kind == "validation_context_sds_secret_config":
        empty = tls_common_pb2.CertificateValidationContext()
        return _validation(empty, common.validation_context_sds_secret_config.name, notes)
    return _validation(common.validation_context, "", notes)


def _certificates(common: tls_pb2.CommonTlsContext) -> tuple[str, ...]:
    inline = tuple(f"inline {i}" for i in range(len(common.tls_certificates)))
    return (*(s.name for s in common.tls_certificate_sds_secret_configs), *inline)


def decode_upstream_socket(message: base_pb2.TransportSocket, notes: Notes) -> UpstreamSocket:
    """The socket of a cluster or of one of its matches; an absent one is plain."""
    type_name = message.typed_config.type_url.rpartition("/")[2]
    if type_name == f"{_TLS}UpstreamTlsContext":
        return _client_tls(unpack_valid(message.typed_config, tls_pb2.UpstreamTlsContext), notes)
    if type_name == _PROXY:
        config = unpack_valid(message.typed_config, upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport)
        inner = decode_upstream_socket(config.transport_socket, notes)
        version = 2 if config.config.version else 1
        return ProxyProtocol(version, inner if not isinstance(inner, ProxyProtocol) else inner.inner)
    if type_name != _RAW:
        check_registered(message.name, message.typed_config)
        notes.append(f"transport socket {message.name}")
    return PLAIN


def _client_tls(context: tls_pb2.UpstreamTlsContext, notes: Notes) -> ClientTls:
    common = context.common_tls_context
    certificates = _certificates(common)
    if len(certificates) > 1:
        raise ResourceRejectedError("Multiple TLS certificates are not supported for client contexts")
    params = common.tls_params
    return ClientTls(
        context.sni,
        tuple(common.alpn_protocols),
        TlsVersion(params.tls_minimum_protocol_version or TlsVersion.TLS12),
        TlsVersion(params.tls_maximum_protocol_version or TlsVersion.TLS12),
        certificates[0] if certificates else "",
        _peer(common, notes),
        context.auto_host_sni,
    )


def decode_server_tls(message: base_pb2.TransportSocket, notes: Notes) -> ServerTls | None:
    """The socket of a filter chain; None for a plain one."""
    type_name = message.typed_config.type_url.rpartition("/")[2]
    if type_name == _RAW:
        return None
    if type_name != f"{_TLS}DownstreamTlsContext":
        check_registered(message.name, message.typed_config)
        notes.append(f"transport socket {message.name}")
        return None
    context = unpack_valid(message.typed_config, tls_pb2.DownstreamTlsContext)
    common = context.common_tls_context
    certificates = _certificates(common)
    if not certificates:
        raise ResourceRejectedError("No TLS certificates found for server context")
    params = common.tls_params
    return ServerTls(
        tuple(common.alpn_protocols),
        TlsVersion(params.tls_minimum_protocol_version or TlsVersion.TLS12),
        TlsVersion(params.tls_maximum_protocol_version or TlsVersion.TLS13),
        certificates,
        context.require_client_certificate.value,
        _peer(common, notes),
    )
