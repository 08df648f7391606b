"""TLS between a client and a filter chain, as far as configuration decides it.

Measured on Envoy 1.40: a missing client certificate fails after a TLS 1.3 handshake that looked
good to the client; without ALPN in common the connection goes on without one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.dataplane.decide.transport_sockets import ClientTls, ServerTls, TlsVersion, Validation
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Transport


class Handshake(NamedTuple):
    """The outcome: empty `failure` when the connection is up."""

    failure: str
    alpn: str = ""
    """Agreed application protocol, empty without."""
    certificate: PeerCertificate | None = None
    """What the client showed and the server accepted."""
    late: bool = False
    """The client saw a finished handshake before the failure."""
    secret: str = ""
    """Secret of the server certificate that was shown, also before a late failure."""
    terminated: bool = False
    """Whether TLS ends here, and filters see what is inside."""
    version: TlsVersion = TlsVersion.AUTO
    """Highest version the server takes; AUTO without a handshake."""


NO_HANDSHAKE: Final = Handshake("")
"""The chain takes bytes as they are, or none was chosen."""


def accept(server: ServerTls | None, connection: Connection, missing_secrets: frozenset[str]) -> Handshake:
    """The server side of a filter chain against a client."""
    if server is None:
        return NO_HANDSHAKE
    if any(name in missing_secrets for name in (*server.certificates, server.validation.secret)):
        return Handshake("TLS_error:|Secret is not supplied by SDS")
    if not connection.uses_tls:
        return Handshake("plaintext on a TLS filter chain")
    asks = server.requires_client_certificate or server.validation.trusted
    certificate = connection.certificate if connection.transport is Transport.MTLS and asks else None
    failure = ""
    if server.requires_client_certificate and certificate is None:
        failure = "peer did not return a certificate"
    elif certificate is not None and not names_accepted(server.validation, certificate):
        failure = "no subject alternative name of the client certificate is accepted"
    late = bool(failure) and server.maximum is TlsVersion.TLS13
    alpn = next((name for name in server.alpn if name in connection.alpn), "")
    accepted = None if failure else certificate
    return Handshake(failure, alpn, accepted, late, server.certificates[0], not failure, server.maximum)


def names_accepted(validation: Validation, certificate: PeerCertificate) -> bool:
    """Whether one of the certificate's names is one of those asked for."""
    if not validation.names:
        return True
    names = (*certificate.uris, *certificate.dns_names)
    return any(matcher.matches(name) for matcher in validation.names for name in names)


def server_accepted(client: ClientTls, server: PeerCertificate) -> bool:
    """Whether a client takes the server's certificate, its chain of trust granted."""
    return not client.validation.trusted or names_accepted(client.validation, server)
