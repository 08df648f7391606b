"""Decisions against recordings: calls sent to a real Envoy, and Istio's own traffic simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_calls import DECIDE, World, connection_of, differences, read, request_of
from simulated_calls import case_config, cases, compare, decide_call
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

SMALL = (
    "svc-http-basic",
    "vs-direct-mirror-fault",
    "vs-rewrite-redirect",
    "ap-allow-deny",
    "gw-tls-modes",
    "pa-levels",
)
OVERLOOKED = {
    "duplicate_chain_match": "an Envoy refuses the whole listener",
    "client_certificate_offered_but_not_requested": "an Envoy does not ask for the certificate",
}
"""Where Istio's simulation knowingly says something else than an Envoy."""


def wrong_calls(folder: Path, names: list[str]) -> tuple[int, dict[str, list[str]]]:
    count, wrong = 0, {}
    for name in names:
        world = World(folder, name)
        calls = {call["name"]: call for call in world.calls()}
        for recorded in read(folder / "envoy-calls" / f"{name}.json.gz")["calls"]:
            count += 1
            found = list(differences(calls[recorded["name"]], recorded, world))
            if found:
                wrong[f"{name} {recorded['name']}"] = found
    return count, wrong


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", SMALL)
def test_calls_of_small_worlds(oracle: Path, name: str) -> None:
    _, wrong = wrong_calls(oracle, [name])
    assert not wrong


@pytest.mark.needs_shared
def test_every_recorded_call_of_a_real_envoy(oracle: Path) -> None:
    """815 calls of 75 worlds: listener, chain, route, cluster, flags, details, answer, what reached the upstream."""
    names = sorted(p.name.removesuffix(".json.gz") for p in (oracle / "envoy-calls").glob("*.json.gz"))
    count, wrong = wrong_calls(oracle, names)
    assert count == 815
    assert not wrong


@pytest.mark.needs_shared
def test_every_call_of_istios_simulation(oracle: Path) -> None:
    """457 calls: Istio's result, or the reason why an Envoy does something else."""
    count, explained, wrong = 0, 0, {}
    for file, case, resources in cases(oracle / "simulation"):
        config, refused = case_config(case, resources)
        for call in case["calls"]:
            count += 1
            decision = decide_call(config, call["call"], case["proxy"]["type"] == "router")
            found = list(compare(call["actual"], decision))
            if not found:
                continue
            if set(call["envoy_may_differ"]) & set(OVERLOOKED):
                explained += 1
                assert refused or decision.disposition is Disposition.FORWARDED
            else:
                wrong[f"{file} {call['test']}"] = found
    assert (count, explained, wrong) == (457, 3, {})


@pytest.mark.needs_shared
def test_steps_are_there_when_asked_for_and_change_nothing(oracle: Path) -> None:
    world = World(oracle, "app-bookinfo")
    for call in world.calls():
        arguments = (world.config(call["proxy"]), connection_of(call, world, None), request_of(call))
        plain, told = DECIDE[call["mode"]](*arguments), DECIDE[call["mode"]](*arguments, True)
        assert plain.steps == ()
        assert told.steps
        assert replace(told, steps=()) == plain


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
