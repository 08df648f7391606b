"""Listeners from protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import http_listener, listener, tcp_chain

from meshsim.dataplane.decide.listeners import (
    Direction,
    Listener,
    ListenerFilterKind,
    decode_listener,
)
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

FILTER = "type.googleapis.com/envoy.extensions.filters.listener."
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def decode(body: dict[str, Any]) -> Listener:
    return decode_listener(from_json(body, listener_pb2.Listener))


def test_defaults() -> None:
    found = decode(http_listener([]))
    assert (found.bound, found.use_original_dst, found.direction) == (True, False, Direction.UNSPECIFIED)
    assert (found.filters_timeout, found.continue_on_timeout) == (15 * 10**9, False)
    assert found.chains[0].connection_manager is not None
    assert found.route_names == ()


def test_listener_filters_and_their_ports() -> None:
    off = {
        "or_match": {
            "rules": [{"destination_port_range": {"start": 80, "end": 81}}, {"not_match": {"any_match": True}}]
        }
    }
    filters = [
        {"name": "tls", "typed_config": {"@type": f"{FILTER}tls_inspector.v3.TlsInspector"}, "filter_disabled": off},
        {
            "name": "pp",
            "typed_config": {
                "@type": f"{FILTER}proxy_protocol.v3.ProxyProtocol",
                "allow_requests_without_proxy_protocol": True,
            },
        },
        {"name": "limit", "typed_config": {"@type": f"{FILTER}local_ratelimit.v3.LocalRateLimit"}},
    ]
    found = decode(listener([tcp_chain("a")], listener_filters=filters))
    assert [f.kind for f in found.listener_filters] == [
        ListenerFilterKind.TLS_INSPECTOR,
        ListenerFilterKind.PROXY_PROTOCOL,
        ListenerFilterKind.OTHER,
    ]
    disabled = found.listener_filters[0].disabled
    assert disabled is not None
    assert [disabled.matches(p) for p in (79, 80, 81)] == [False, True, False]
    assert found.listener_filters[1].allow_without_header
    assert found.unmodelled == ("listener filter limit",)


def _mongo() -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy",
        "stat_prefix": "m",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (listener([]), "no filter chains specified"),
        (listener([tcp_chain("a"), tcp_chain("b")]), "has the same matching rules defined as 'a'"),
        (listener([tcp_chain("a", server_names=["a.*"])]), "partial wildcards"),
        (listener([tcp_chain("a", address_suffix="1")]), "unimplemented fields"),
        (
            listener([{"filters": [{"name": "mongo", "typed_config": _mongo()}]}]),
            "is the last filter in a network filter chain",
        ),
        ({"name": "l", "filter_chains": [tcp_chain("a")]}, "address is necessary"),
    ],
)
def test_refused(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(ResourceRejectedError) as error:
        decode(body)
    assert reason in error.value.message


def test_chains_that_share_one_combination_overlap() -> None:
    first, second = tcp_chain("a", server_names=["x", "y"]), tcp_chain("b", server_names=["y", "z"])
    with pytest.raises(
        ResourceRejectedError, match="multiple filter chains with overlapping matching rules are defined"
    ):
        decode(listener([first, second]))


def test_chains_that_match_alike_are_twins() -> None:
    first, second = tcp_chain("a", server_names=["x"]), tcp_chain("b", server_names=["x"])
    with pytest.raises(ResourceRejectedError, match="'b' has the same matching rules defined as 'a'"):
        decode(listener([first, second]))


def test_a_listener_for_an_api_is_passed_over() -> None:
    """Measured: taken over ADS, whatever else it says, and never there."""
    body = {**listener([tcp_chain("a")]), "api_listener": {"api_listener": {}}}
    found = decode(body)
    assert found.ignored
    assert not found.addresses
