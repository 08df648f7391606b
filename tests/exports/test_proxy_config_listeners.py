"""`proxy-config listener` against a real istioctl, and rule by rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.exports.proxy_config_listeners import describe_chain_match, filter_chains, listener_table, listener_type
from meshsim.xds.messages import listener_components_pb2, listener_pb2
from meshsim.xds.packing import from_json


@pytest.mark.needs_shared
@pytest.mark.parametrize(("table", "verbose"), [("listener", True), ("listener-not-verbose", False)])
def test_as_istioctl_prints_it(printed: Callable, table: str, verbose: bool) -> None:
    count = 0
    for proxy in printed("lds", table):
        got = listener_table(proxy.resources, verbose)
        if max(len(filter_chains(item)) for item in proxy.resources) > 12:
            assert sorted(got.splitlines()) == sorted(proxy.text.splitlines()), proxy.name
        else:
            assert got == proxy.text, proxy.name
        count += 1
    assert count > 100


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "ALL"),
        ({"server_names": ["a.com", "b.com"]}, "SNI: a.com,b.com"),
        (
            {"transport_protocol": "tls", "application_protocols": ["istio-peer-exchange", "istio"]},
            "Trans: tls; App: TCP TLS",
        ),
        ({"application_protocols": ["http/1.1", "h2c"]}, "App: http/1.1,h2c"),
        ({"destination_port": 80}, "Addr: *:80"),
        (
            {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}], "destination_port": 80},
            "Addr: 10.0.0.0/8:80",
        ),
    ],
)
def test_matches(body: dict[str, object], text: str) -> None:
    assert describe_chain_match(from_json(body, listener_components_pb2.FilterChainMatch)) == text


def test_a_chain_to_nowhere_gives_no_type() -> None:
    filters = [
        {
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "cluster": "BlackHoleCluster",
            },
        }
    ]
    body: dict[str, object] = {"default_filter_chain": {"filters": filters}}
    listener = from_json(body, listener_pb2.Listener)
    assert listener_type(listener) == "UNKNOWN"
    assert listener_table([listener]).splitlines()[1].endswith("Non-HTTP/Non-TCP")
