from __future__ import annotations

from meshsim.controlplane.listeners.inspectors import inspectors
from meshsim.xds.messages import listener_components_pb2
from meshsim.xds.packing import to_json


def _chain(port: int = 0, transport: str = "", *alpns: str) -> listener_components_pb2.FilterChain:
    chain = listener_components_pb2.FilterChain()
    chain.filter_chain_match.transport_protocol = transport
    chain.filter_chain_match.application_protocols.extend(alpns)
    if port:
        chain.filter_chain_match.destination_port.value = port
    return chain


def _found(*chains: listener_components_pb2.FilterChain) -> dict[str, object]:
    return {item.name.rpartition(".")[2]: to_json(item).get("filter_disabled") for item in inspectors(chains)}


def _range(port: int) -> dict[str, object]:
    return {"destination_port_range": {"start": port, "end": port + 1}}


def test_nothing_to_inspect() -> None:
    assert _found(_chain(0, "raw_buffer"), _chain(80, "raw_buffer")) == {}


def test_everywhere_when_every_port_needs_them() -> None:
    both = [_chain(0, "tls"), _chain(0, "raw_buffer", "http/1.1", "h2c")]
    assert _found(*both) == {"tls_inspector": None, "http_inspector": None}


def test_declared_ports_that_do_not_need_them_are_left_out() -> None:
    found = _found(_chain(0, "tls"), _chain(0, "raw_buffer", "h2c"), _chain(90, "raw_buffer"), _chain(80, "tls"))
    assert found["tls_inspector"] == _range(90)
    assert found["http_inspector"] == {"or_match": {"rules": [_range(80), _range(90)]}}


def test_only_declared_ports_need_tls() -> None:
    found = _found(_chain(0, "raw_buffer"), _chain(80, "tls"), _chain(90, "raw_buffer"))
    assert found == {"tls_inspector": {"not_match": _range(80)}}
