"""TLS outcomes that configuration decides."""

from __future__ import annotations

from meshsim.dataplane.decide.handshake import accept, names_accepted, server_accepted
from meshsim.dataplane.decide.strings import StringKind, string_matcher
from meshsim.dataplane.decide.transport_sockets import ClientTls, ServerTls, TlsVersion, Validation
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Transport

PEER = PeerCertificate(("spiffe://cluster.local/ns/a/sa/b",))
MESH = Validation(True, (string_matcher(StringKind.PREFIX, "spiffe://cluster.local/"),), "ROOTCA")
NOBODY: frozenset[str] = frozenset()


def server(requires: bool = True, validation: Validation = MESH) -> ServerTls:
    return ServerTls(
        ("istio-peer-exchange", "h2", "http/1.1"),
        TlsVersion.TLS12,
        TlsVersion.TLS13,
        ("default",),
        requires,
        validation,
    )


def client(transport: Transport, certificate: PeerCertificate | None = None, *alpn: str) -> Connection:
    return Connection(
        source="a", destination="b", destination_port=80, transport=transport, alpn=alpn, certificate=certificate
    )


def test_mutual() -> None:
    found = accept(server(), client(Transport.MTLS, PEER, "istio", "http/1.1", "h2"), NOBODY)
    assert (found.failure, found.alpn, found.certificate, found.terminated) == ("", "h2", PEER, True), (
        "the server's order counts"
    )


def test_failures() -> None:
    assert accept(server(), client(Transport.PLAINTEXT), NOBODY).failure
    missing = accept(server(), client(Transport.TLS), NOBODY)
    assert (missing.failure, missing.late) == ("peer did not return a certificate", True)
    stranger = PeerCertificate(("spiffe://elsewhere/ns/a/sa/b",))
    assert accept(server(), client(Transport.MTLS, stranger), NOBODY).failure
    assert accept(server(), client(Transport.MTLS, PEER), frozenset({"default"})).failure.endswith(
        "not supplied by SDS"
    )


def test_a_certificate_nobody_asked_for_is_not_seen() -> None:
    found = accept(server(False, Validation(False, (), "")), client(Transport.MTLS, PEER), NOBODY)
    assert (found.failure, found.certificate) == ("", None)


def test_without_socket_nothing_is_terminated() -> None:
    assert not accept(None, client(Transport.MTLS, PEER), NOBODY).terminated


def test_the_client_checks_the_server() -> None:
    tls = ClientTls("sni", (), TlsVersion.TLS12, TlsVersion.TLS13, "default", MESH)
    assert server_accepted(tls, PEER)
    assert not server_accepted(tls, PeerCertificate(dns_names=("a.example",)))
    assert names_accepted(Validation(True, (), "x"), PEER)
