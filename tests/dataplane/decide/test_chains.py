"""Listener look-up, inspectors, and the filter chain sieve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from xds_bodies import listener, tcp_chain

from meshsim.dataplane.decide.chains import ListenerIndex, choose_chain, inspect
from meshsim.dataplane.decide.listeners import Listener, decode_listener
from meshsim.dataplane.decide.values import Connection, Protocol, Transport
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

FILTER = "type.googleapis.com/envoy.extensions.filters.listener."
INSPECTORS = [
    {"name": "tls", "typed_config": {"@type": f"{FILTER}tls_inspector.v3.TlsInspector"}},
    {"name": "http", "typed_config": {"@type": f"{FILTER}http_inspector.v3.HttpInspector"}},
]
PLAIN = Connection(source="10.9.9.9", source_port=40000, destination="10.1.2.3", destination_port=80)
TLS = replace(PLAIN, transport=Transport.TLS, sni="a.b.example.com", alpn=("h2", "http/1.1"))


def decode(body: dict[str, Any]) -> Listener:
    return decode_listener(from_json(body, listener_pb2.Listener))


def chosen(connection: Connection, *chains: dict[str, Any], default: str = "") -> str:
    more = {"default_filter_chain": tcp_chain(default)} if default else {}
    one = decode(listener(chains, listener_filters=INSPECTORS, **more))
    found = choose_chain(one, connection, inspect(one, connection)).chain
    return found.name if found else ""


def prefix(text: str) -> list[dict[str, Any]]:
    ip, _, length = text.partition("/")
    return [{"address_prefix": ip, "prefix_len": int(length)}]


CHAINS = {
    "port": (PLAIN, [tcp_chain("any"), tcp_chain("80", destination_port=80)], "80"),
    "longest prefix": (
        PLAIN,
        [
            tcp_chain("8", prefix_ranges=prefix("10.0.0.0/8")),
            tcp_chain("16", prefix_ranges=prefix("10.1.0.0/16")),
            tcp_chain("any"),
        ],
        "16",
    ),
    "exact name before wildcard": (
        TLS,
        [tcp_chain("w", server_names=["*.b.example.com"]), tcp_chain("e", server_names=["a.b.example.com"])],
        "e",
    ),
    "longest wildcard": (
        TLS,
        [tcp_chain("com", server_names=["*.com"]), tcp_chain("example", server_names=["*.example.com"])],
        "example",
    ),
    "a wildcard needs a label": (
        replace(TLS, sni="example.com"),
        [tcp_chain("w", server_names=["*.example.com"]), tcp_chain("none")],
        "none",
    ),
    "transport": (
        TLS,
        [tcp_chain("raw", transport_protocol="raw_buffer"), tcp_chain("tls", transport_protocol="tls")],
        "tls",
    ),
    "the client's order of protocols": (
        TLS,
        [tcp_chain("11", application_protocols=["http/1.1"]), tcp_chain("2", application_protocols=["h2"])],
        "2",
    ),
    "http inspector": (
        PLAIN,
        [
            tcp_chain("tcp"),
            tcp_chain("http", application_protocols=["http/1.1", "h2c"], transport_protocol="raw_buffer"),
        ],
        "http",
    ),
    "source type": (
        replace(PLAIN, source="10.1.2.3"),
        [tcp_chain("ext", source_type="EXTERNAL"), tcp_chain("own", source_type="SAME_IP_OR_LOOPBACK")],
        "own",
    ),
    "source prefix and port": (
        PLAIN,
        [
            tcp_chain("net", source_prefix_ranges=prefix("10.9.0.0/16")),
            tcp_chain("port", source_prefix_ranges=prefix("10.9.0.0/16"), source_ports=[40000]),
            tcp_chain("any"),
        ],
        "port",
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_criteria(case: str) -> None:
    connection, chains, expected = CHAINS[case]
    assert chosen(connection, *chains) == expected
    assert chosen(connection, *reversed(chains)) == expected, "the order of the chains does not matter"


def test_there_is_no_way_back() -> None:
    """A port that has chains of its own is final: what fails inside goes to the default chain."""
    own = tcp_chain("80 tls", destination_port=80, transport_protocol="tls")
    assert chosen(PLAIN, own, tcp_chain("any")) == ""
    assert chosen(PLAIN, own, tcp_chain("any"), default="default") == "default"
    named = tcp_chain("named", server_names=["a.b.example.com"], application_protocols=["other"])
    assert chosen(TLS, named, tcp_chain("any")) == ""


def test_without_inspector_nothing_is_known() -> None:
    one = decode(listener([tcp_chain("a")]))
    assert inspect(one, TLS) == ("raw_buffer", "", (), False, False)


def test_a_server_that_speaks_first_meets_a_waiting_inspector() -> None:
    silent = replace(PLAIN, protocol=Protocol.SILENT)
    waiting = decode(
        listener(
            [tcp_chain("a")],
            listener_filters=INSPECTORS,
            listener_filters_timeout="0s",
            continue_on_listener_filters_timeout=True,
        )
    )
    assert inspect(waiting, silent).stalled
    passing = decode(
        listener(
            [tcp_chain("a")],
            listener_filters=INSPECTORS,
            listener_filters_timeout="1s",
            continue_on_listener_filters_timeout=True,
        )
    )
    assert inspect(passing, silent) == ("raw_buffer", "", (), False, False)
    assert not inspect(waiting, replace(TLS, protocol=Protocol.SILENT)).stalled, "a TLS client always speaks first"


def test_a_missing_proxy_header_closes() -> None:
    proxied = [{"name": "pp", "typed_config": {"@type": f"{FILTER}proxy_protocol.v3.ProxyProtocol"}}]
    assert inspect(decode(listener([tcp_chain("a")], listener_filters=proxied)), PLAIN).proxy_header_missing


def test_hand_off() -> None:
    """Measured with real REDIRECT rules: the exact address, else the wildcard of the port, else the entry itself."""

    def one(name: str, ip: str, port: int, **more: Any) -> Listener:
        body = {**listener([tcp_chain(name)], port, **more), "name": name}
        body["address"]["socket_address"]["address"] = ip
        return decode(body)

    found = {
        x.name: x
        for x in (
            one("virtualOutbound", "0.0.0.0", 15001, use_original_dst=True, traffic_direction="OUTBOUND"),
            one("exact", "10.1.2.3", 80, bind_to_port=False),
            one("wildcard", "0.0.0.0", 80, bind_to_port=False),
            one("bound", "0.0.0.0", 90),
        )
    }
    entry = ListenerIndex(found).outbound
    assert entry is not None
    assert ListenerIndex(found).hand_off(entry, PLAIN).listener.name == "exact"
    assert ListenerIndex(found).hand_off(entry, replace(PLAIN, destination="10.1.2.4")).listener.name == "wildcard"
    assert ListenerIndex(found).hand_off(entry, replace(PLAIN, destination_port=81)) == (entry, False)
    assert ListenerIndex(found).at("10.1.2.3", 80) is None, "without socket only by hand-off"
    assert ListenerIndex(found).at("10.1.2.3", 90) is found["bound"]
    assert ListenerIndex(found).inbound is None


def test_the_inbound_listener_restores_but_keeps_the_connection() -> None:
    original = [{"name": "od", "typed_config": {"@type": f"{FILTER}original_dst.v3.OriginalDst"}}]
    inbound = decode(listener([tcp_chain("a")], 15006, listener_filters=original))
    assert ListenerIndex({"virtualInbound": inbound}).inbound is inbound
    assert ListenerIndex({"virtualInbound": inbound}).hand_off(inbound, PLAIN) == (inbound, False)
