from __future__ import annotations

from dataclasses import replace

import pytest

from meshsim.controlplane.listeners.chains import ChainSpec, cidr_range, prefix_ranges, socket_address
from meshsim.xds.packing import to_json


@pytest.mark.parametrize(
    "chain", [ChainSpec(), ChainSpec(sni_hosts=("a", "*"))], ids=["without criteria", "with every name"]
)
def test_a_chain_for_everything(chain: ChainSpec) -> None:
    assert chain.matches_all
    assert chain.match() is None


def test_criteria() -> None:
    chain = ChainSpec(sni_hosts=("b", "a"), destination_cidrs=("10.2.0.0/16", "10.1.0.1", "0.0.0.0"))
    match = chain.match()
    assert match is not None
    assert to_json(match) == {
        "server_names": ["a", "b"],
        "prefix_ranges": [
            {"address_prefix": "10.1.0.1", "prefix_len": 32},
            {"address_prefix": "10.2.0.0", "prefix_len": 16},
        ],
    }
    assert chain.needs_tls_inspector
    assert not ChainSpec().needs_tls_inspector


def test_what_envoy_would_refuse_side_by_side() -> None:
    chain = ChainSpec(sni_hosts=("a", "b"), destination_cidrs=("10.1.2.3/8",), transport_protocol="tls")
    assert chain.conflicts_with(replace(chain, sni_hosts=("b", "a", "*"), destination_cidrs=("10.9.9.9/8",)))
    assert not chain.conflicts_with(replace(chain, sni_hosts=("a",)))
    assert not chain.conflicts_with(replace(chain, application_protocols=("h2c",)))
    assert not chain.conflicts_with(replace(chain, destination_cidrs=("10.1.2.3/16",)))


def test_ranges() -> None:
    assert cidr_range("no address") is None
    assert [r.prefix_len.value for r in prefix_ranges(("fd00::1", "0.0.0.0"))] == [128]


def test_addresses() -> None:
    assert to_json(socket_address("10.0.0.1", 80)) == {"socket_address": {"address": "10.0.0.1", "port_value": 80}}
    assert to_json(socket_address("unix:///tmp/s", 0)) == {"pipe": {"path": "/tmp/s"}}


def test_equal_chains_have_equal_keys() -> None:
    filters = ()
    one, other = (ChainSpec(filters=filters, sni_hosts=("a",)) for _ in range(2))
    assert one.key == other.key
    assert one.key != replace(one, sni_hosts=("b",)).key
