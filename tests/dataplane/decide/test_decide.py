"""Decisions end to end: recordings of a real Envoy, and where connections end before any request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xds_bodies import http_listener, listener, static_cluster, tcp_chain

from meshsim.dataplane.decide import (
    Connection,
    Disposition,
    Protocol,
    Request,
    Transport,
    decide_direct,
    decide_inbound,
    decide_outbound,
)
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.world.verify.call_worlds import DECIDERS, CallWorld
from meshsim.world.verify.envoy_calls import verify_world

RECORDED = Path(__file__).resolve().parents[2] / "world" / "verify" / "recorded"


@pytest.mark.parametrize("name", ["gw-tls-modes", "vs-direct-mirror-fault"])
def test_recorded_calls_are_decided_as_by_a_real_envoy(name: str) -> None:
    """The recordings beside tests/world/verify, where all that are in ../shared are compared too."""
    assert verify_world(RECORDED, name, []).differences == []


def test_steps_are_there_when_asked_for_and_change_nothing() -> None:
    world = CallWorld(RECORDED, "gw-tls-modes", ResourceCache())
    for call in world.calls.values():
        arguments = (world.proxy(call.proxy).config, world.connection(call), call.request)
        plain, told = DECIDERS[call.mode](*arguments), DECIDERS[call.mode](*arguments, True)
        assert plain.steps == ()
        assert told.steps
        assert told._replace(steps=()) == plain


CLIENT = Connection(source="10.0.0.9", destination="10.96.0.1", destination_port=80)
FILTER = "type.googleapis.com/envoy.extensions.filters.listener."


def sidecar(build: Any) -> Any:
    """The listeners of a small sidecar: capture outbound and inbound, one service port."""
    original = [{"name": "od", "typed_config": {"@type": f"{FILTER}original_dst.v3.OriginalDst"}}]
    outbound = listener([tcp_chain("catchall", "pass")], 15001, use_original_dst=True, traffic_direction="OUTBOUND")
    inbound = listener([tcp_chain("in", "pass")], 15006, listener_filters=original, traffic_direction="INBOUND")
    route: Mapping[str, Any] = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    service = {**http_listener([route]), "bind_to_port": False}
    passthrough = {"name": "pass", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    return build((outbound, inbound, service), (static_cluster("c", "10.0.0.5"), passthrough))


def test_a_captured_connection_goes_to_the_listener_of_its_port(build: Any) -> None:
    config = sidecar(build)
    known = decide_outbound(config, CLIENT, Request(authority="a"))
    assert (known.listener, known.cluster) == ("l80", "c")
    other = decide_outbound(config, replace(CLIENT, destination_port=81), Request(authority="a"))
    assert (other.listener, other.filter_chain, other.cluster, other.status) == ("l15001", "catchall", "pass", 0)
    inbound = decide_inbound(config, replace(CLIENT, destination="10.0.0.1"), None)
    assert (inbound.listener, inbound.cluster) == ("l15006", "pass")


def test_where_nothing_listens(build: Any) -> None:
    config = build((http_listener([]),))
    assert decide_outbound(config, CLIENT, None).disposition is Disposition.REFUSED
    assert decide_inbound(config, CLIENT, None).disposition is Disposition.REFUSED
    assert decide_direct(config, replace(CLIENT, destination_port=81), None).disposition is Disposition.REFUSED


def test_connections_that_end_before_any_request(build: Any) -> None:
    config = build((listener([tcp_chain("tls", "pass", transport_protocol="tls")]),))
    found = decide_direct(config, CLIENT, None)
    assert (found.disposition, found.details, found.flag_text) == (Disposition.CLOSED, "filter_chain_not_found", "NR")
    inspector = [{"name": "http", "typed_config": {"@type": f"{FILTER}http_inspector.v3.HttpInspector"}}]
    waits = listener([tcp_chain("a", "pass")], listener_filters=inspector, listener_filters_timeout="0s")
    silent = replace(CLIENT, protocol=Protocol.SILENT)
    assert decide_direct(build((waits,)), silent, None).disposition is Disposition.STALLED
    assert decide_direct(build((listener([{"name": "bare"}]),)), CLIENT, None).details == "no_filters"
    assert Transport("mtls") is Transport.MTLS
