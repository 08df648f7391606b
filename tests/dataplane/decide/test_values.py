"""Connections and requests."""

from __future__ import annotations

from meshsim.dataplane.decide.values import Connection, Protocol, Request, Transport


def test_defaults() -> None:
    connection = Connection(source="10.0.0.1", destination="10.0.0.2", destination_port=80)
    assert not connection.uses_tls
    assert Connection(source="a", destination="b", destination_port=1, transport=Transport.MTLS).uses_tls
    assert [p.is_http for p in (Protocol.HTTP10, Protocol.HTTP2, Protocol.TCP, Protocol.SILENT)] == [
        True,
        True,
        False,
        False,
    ]
    assert Request().authority is None
