"""Hosts choose interface and source as the kernel does."""

from __future__ import annotations

import ipaddress

import pytest

from meshsim.netfilter.packet import Endpoint, Host, localhost, pod_host

HOST = pod_host("10.9.0.2")


@pytest.mark.parametrize(
    ("destination", "interface", "source"),
    [
        ("10.9.0.3", "eth0", "10.9.0.2"),
        ("10.96.0.10", "eth0", "10.9.0.2"),
        ("10.9.0.2", "lo", "10.9.0.2"),
        ("127.0.0.1", "lo", "127.0.0.1"),
        ("127.0.0.2", "lo", "127.0.0.1"),
    ],
)
def test_the_source_is_chosen_by_the_route_to_the_original_destination(
    destination: str, interface: str, source: str
) -> None:
    packet = HOST.outbound(destination, 80)
    assert packet.out_interface == interface
    assert str(packet.flow.source.address) == source
    assert packet.is_local


def test_a_bound_source_is_kept() -> None:
    packet = HOST.outbound("10.9.0.2", 80, source="127.0.0.6", source_port=7)
    assert packet.flow.source == Endpoint(ipaddress.ip_address("127.0.0.6"), 7)


def test_a_peers_packet_comes_in_without_owner() -> None:
    packet = HOST.inbound("10.9.0.3", "10.9.0.2", 8080)
    assert not packet.is_local
    assert packet.uid is None
    assert packet.in_interface == "eth0"


def test_ipv6_pods_have_the_address_of_passed_on_traffic_on_lo() -> None:
    host = pod_host("10.9.0.2", "fd00::2")
    assert host.is_own(ipaddress.ip_address("::6"))
    assert host.primary("eth0", 6) == ipaddress.ip_address("fd00::2")
    assert str(host.outbound("fd00::9", 80).flow) == "[fd00::2]:40000 -> [fd00::9]:80"
    assert host.primary("lo", 4) == localhost(4)


def test_a_host_with_lo_alone_sends_by_it() -> None:
    host = Host({"lo": (localhost(4),)})
    assert host.route(ipaddress.ip_address("10.0.0.1")) == "lo"
    assert host.source_for(ipaddress.ip_address("10.0.0.1")) == localhost(4)
