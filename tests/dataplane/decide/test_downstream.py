"""What the connection manager does before routing (checked call by call against the real Envoy in test_decide.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from xds_bodies import manager as manager_body

from meshsim.dataplane.decide.connection_managers import ConnectionManager, decode_connection_manager
from meshsim.dataplane.decide.decision import Surroundings
from meshsim.dataplane.decide.downstream import Prepared, early_headers, prepare
from meshsim.dataplane.decide.handshake import Handshake
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Protocol, Request, Transport
from meshsim.xds.messages import http_connection_manager_pb2
from meshsim.xds.packing import from_json

CLIENT = Connection(source="203.0.113.9", destination="10.0.0.1", destination_port=80)
HTTP2 = replace(CLIENT, protocol=Protocol.HTTP2)
PEER = PeerCertificate(("spiffe://a/ns/x/sa/y",), ("dns.example",))


def manager(**more: Any) -> ConnectionManager:
    body = {k: v for k, v in manager_body([], **more).items() if k != "@type"}
    return decode_connection_manager(from_json(body, http_connection_manager_pb2.HttpConnectionManager), [])


def prepared(
    request: Request,
    one: ConnectionManager | None = None,
    connection: Connection = CLIENT,
    handshake: Handshake | None = None,
) -> Prepared:
    surroundings = Surroundings("spiffe://a/ns/x/sa/me", "10.0.0.1")
    return prepare(one or manager(), ("x-inside",), connection, handshake or Handshake(""), request, surroundings)


def get(path: str = "/", authority: str | None = "a", **headers: str) -> Request:
    return Request(authority=authority, path=path, headers=tuple((k.replace("_", "-"), v) for k, v in headers.items()))


@pytest.mark.parametrize(
    ("request_", "connection", "status", "details"),
    [
        (get(authority=None), CLIENT, 400, "missing_host_header"),
        (get("*"), CLIENT, 400, "http1.codec_error"),
        (get("*"), HTTP2, 404, "absolute_path_rejected"),
        (get(""), HTTP2, 404, "missing_path_rejected"),
        (get(), replace(CLIENT, protocol=Protocol.HTTP10), 426, "low_version"),
    ],
)
def test_refusals(request_: Request, connection: Connection, status: int, details: str) -> None:
    reply = prepared(request_, connection=connection).reply
    assert reply is not None
    assert (reply.status, reply.details) == (status, details)


def test_an_empty_host_is_a_host() -> None:
    assert prepared(get(authority="")).reply is None


def test_headers_of_an_ordinary_client_are_cleaned() -> None:
    found = prepared(get(x_envoy_max_retries="9", x_inside="1", connection="keep-alive", te="gzip", other="1")).headers
    assert [n for n, _ in found if not n.startswith(":")] == ["other", "x-forwarded-proto"]
    assert found.get(":scheme") == "http"


def test_the_edge_appends_the_client() -> None:
    found = prepared(get(x_forwarded_for="198.51.100.1"), manager(use_remote_address=True))
    assert found.headers.get("x-forwarded-for") == "198.51.100.1,203.0.113.9"
    assert (found.remote, found.headers.get("x-envoy-external-address")) == ("203.0.113.9", "203.0.113.9")
    loopback = prepared(get(), manager(use_remote_address=True), replace(CLIENT, source="127.0.0.1"))
    assert loopback.headers.get("x-forwarded-for") == "10.0.0.1"


def test_trusted_hops() -> None:
    hops = manager(use_remote_address=True, xff_num_trusted_hops=1)
    assert prepared(get(x_forwarded_for="198.51.100.1"), hops).remote == "198.51.100.1"
    inner = prepared(get(x_forwarded_for="198.51.100.1, 198.51.100.2"))
    assert inner.remote == "198.51.100.2"
    assert prepared(get(x_forwarded_for="nonsense")).remote == "203.0.113.9"


def test_internal_requests_need_a_configured_network() -> None:
    networks = {"cidr_ranges": [{"address_prefix": "203.0.113.0", "prefix_len": 24}]}
    inside = manager(use_remote_address=True, internal_address_config=networks)
    found = prepared(get(x_envoy_max_retries="9"), inside)
    assert found.internal
    assert (found.headers.get("x-envoy-internal"), found.headers.get("x-envoy-max-retries")) == ("true", "9")
    assert not prepared(get(), manager(use_remote_address=True)).internal


def test_client_certificate_header() -> None:
    details = {"subject": True, "uri": True, "dns": True}
    one = manager(forward_client_cert_details="APPEND_FORWARD", set_current_client_cert_details=details)
    connection = replace(CLIENT, transport=Transport.MTLS, certificate=PEER)
    shown = Handshake("", certificate=PEER, secret="default", terminated=True)
    value = prepared(get(), one, connection, shown).headers.get("x-forwarded-client-cert")
    assert value == 'By=spiffe://a/ns/x/sa/me;Hash=-;Subject="";URI=spiffe://a/ns/x/sa/y;DNS=dns.example'
    forged = get(x_forwarded_client_cert="By=forged")
    assert "x-forwarded-client-cert" not in prepared(forged, one).headers, "without certificate nothing is believed"
    appended = prepared(forged, one, connection, shown).headers.get("x-forwarded-client-cert")
    assert appended == f"By=forged,{value}"


@pytest.mark.parametrize(
    ("given", "host", "result"),
    [
        ({"strip_any_host_port": True}, "a:8080", "a"),
        ({"strip_any_host_port": True}, "a:x", "a:x"),
        ({"strip_matching_host_port": True}, "a:80", "a"),
        ({"strip_matching_host_port": True}, "a:81", "a:81"),
        ({"strip_trailing_host_dot": True}, "a.:80", "a:80"),
        ({"strip_trailing_host_dot": True, "strip_any_host_port": True}, "a:80.", "a"),
    ],
)
def test_hosts(given: dict[str, Any], host: str, result: str) -> None:
    assert prepared(get(authority=host), manager(**given)).headers.get(":authority") == result


def test_underscores() -> None:
    options = {"headers_with_underscores_action": "REJECT_REQUEST"}
    reply = prepared(get(a__b="1"), manager(common_http_protocol_options=options)).reply
    assert reply is None, "a header written with dashes has none"
    request = Request(authority="a", headers=(("a_b", "1"),))
    reply = prepared(request, manager(common_http_protocol_options=options)).reply
    assert reply is not None
    dropped = {"headers_with_underscores_action": "DROP_HEADER"}
    assert "a_b" not in prepared(request, manager(common_http_protocol_options=dropped)).headers


@pytest.mark.parametrize(("protocol", "kept"), [(Protocol.HTTP11, "Bearer"), (Protocol.HTTP2, "Bearer ")])
def test_values_lose_the_blanks_around_them_in_http1(protocol: Protocol, kept: str) -> None:
    connection = replace(CLIENT, protocol=protocol)
    headers = early_headers(connection, Request(authority="a", headers=(("authorization", "Bearer "),)), False)
    assert headers.get("authorization") == kept
