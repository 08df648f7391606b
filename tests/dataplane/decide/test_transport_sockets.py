"""Transport sockets from protobuf."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.transport_sockets import (
    PLAIN,
    ClientTls,
    ProxyProtocol,
    TlsVersion,
    decode_server_tls,
    decode_upstream_socket,
)
from meshsim.xds.messages import base_pb2
from meshsim.xds.packing import from_json

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
SECRET = [{"name": "default", "sds_config": {"ads": {}}}]
NAMES = {
    "combined_validation_context": {
        "default_validation_context": {"match_subject_alt_names": [{"exact": "spiffe://a"}]},
        "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": {"ads": {}}},
    }
}


def socket(kind: str, **fields: Any) -> base_pb2.TransportSocket:
    return from_json({"name": "tls", "typed_config": {"@type": f"{TLS}{kind}", **fields}}, base_pb2.TransportSocket)


def test_client_side() -> None:
    common = {"tls_certificate_sds_secret_configs": SECRET, "alpn_protocols": ["istio"], **NAMES}
    found = decode_upstream_socket(socket("UpstreamTlsContext", sni="s", common_tls_context=common), [])
    assert isinstance(found, ClientTls)
    assert (found.sni, found.alpn, found.certificate, found.maximum) == ("s", ("istio",), "default", TlsVersion.TLS12)
    assert found.validation.trusted
    assert [str(n) for n in found.validation.names] == ["exact 'spiffe://a'"]


def test_server_side() -> None:
    common = {"tls_certificate_sds_secret_configs": SECRET, **NAMES}
    found = decode_server_tls(
        socket("DownstreamTlsContext", require_client_certificate=True, common_tls_context=common), []
    )
    assert found is not None
    assert (found.certificates, found.requires_client_certificate, found.maximum) == (
        ("default",),
        True,
        TlsVersion.TLS13,
    )
    with pytest.raises(ResourceRejectedError, match="No TLS certificates found"):
        decode_server_tls(socket("DownstreamTlsContext"), [])


def test_others() -> None:
    raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    plain = from_json({"name": "raw", "typed_config": {"@type": raw}}, base_pb2.TransportSocket)
    assert decode_upstream_socket(plain, []) is PLAIN
    assert decode_server_tls(plain, []) is None
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
    body = {
        "@type": kind,
        "config": {"version": "V2"},
        "transport_socket": {"name": "raw", "typed_config": {"@type": raw}},
    }
    found = decode_upstream_socket(from_json({"name": "p", "typed_config": body}, base_pb2.TransportSocket), [])
    assert found == ProxyProtocol(2, PLAIN)
    notes: list[str] = []
    alts = "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"
    decode_upstream_socket(
        from_json({"name": "internal", "typed_config": {"@type": alts}}, base_pb2.TransportSocket), notes
    )
    assert notes == ["transport socket internal"]
