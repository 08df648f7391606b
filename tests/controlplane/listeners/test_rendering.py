from __future__ import annotations

from typing import Any

from meshsim.controlplane.listeners.chains import ChainSpec
from meshsim.controlplane.listeners.profile import ProfileBuilder
from meshsim.controlplane.listeners.rendering import bare_listener, needs_http_inspector, render_outbound
from meshsim.controlplane.listeners.tcp import catch_all
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import base_pb2
from meshsim.xds.packing import to_json


def _rendered(small_mesh: Any, look: Any, *chains: ChainSpec, mesh: str = "", bound: bool = False) -> Any:
    small = small_mesh(look.client(), mesh)
    profile = ProfileBuilder(small.push()).build(small.proxy("shop", "client-0"))
    rest = catch_all(profile.network, ListenerClass.SIDECAR_OUTBOUND, "rest")
    filled = [ChainSpec(filters=rest) if chain.matches_all else chain for chain in chains]
    return to_json(render_outbound(profile, "n", "10.0.0.1", 80, filled, rest, bind_to_port=bound))


def test_one_chain_for_everything_stands_alone(small_mesh: Any, look: Any) -> None:
    listener = _rendered(small_mesh, look, ChainSpec())
    assert "default_filter_chain" not in listener
    assert len(listener["filter_chains"]) == 1
    assert listener["filter_chains"][0]["transport_socket_connect_timeout"] == "15s"


def test_beside_others_it_is_the_default(small_mesh: Any, look: Any) -> None:
    listener = _rendered(small_mesh, look, ChainSpec(sni_hosts=("a",)), ChainSpec())
    assert len(listener["filter_chains"]) == 1
    assert "filter_chain_match" not in listener["default_filter_chain"]


def test_without_one_undeclared_traffic_passes(small_mesh: Any, look: Any) -> None:
    listener = _rendered(small_mesh, look, ChainSpec(sni_hosts=("a",)))
    default = listener["default_filter_chain"]
    assert (default["name"], default["filter_chain_match"]) == ("PassthroughFilterChain", {})
    assert "transport_socket_connect_timeout" not in default


def test_the_detection_timeout_is_for_detection(small_mesh: Any, look: Any) -> None:
    sniffing = ChainSpec(application_protocols=("http/1.1", "h2c"), transport_protocol="raw_buffer")
    for chain, timeout in ((sniffing, "5s"), (ChainSpec(), "0s")):
        listener = _rendered(small_mesh, look, chain, mesh="protocolDetectionTimeout: 5s")
        assert listener["listener_filters_timeout"] == timeout
    assert needs_http_inspector([sniffing])
    assert not needs_http_inspector([ChainSpec()])


def test_bound_listeners_share_connections_among_workers(small_mesh: Any, look: Any) -> None:
    listener = _rendered(small_mesh, look, ChainSpec(), bound=True)
    assert listener["max_connections_to_accept_per_socket_event"] == 1
    assert "bind_to_port" not in listener


def test_a_bare_listener() -> None:
    listener = bare_listener("n", "10.0.0.1", 80, base_pb2.TrafficDirection.INBOUND, limited=False)
    assert to_json(listener) == {
        "name": "n",
        "traffic_direction": "INBOUND",
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}},
    }
