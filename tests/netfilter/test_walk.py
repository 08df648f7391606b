"""Where connections of an injected pod go.

The cases were measured in a network namespace with the default
rules.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from meshsim.netfilter import CaptureOptions, Outcome, State, Transport, build_rules, parse_rules, pod_host, walk
from meshsim.netfilter.packet import Endpoint

POD, PEER, VIP = "10.9.0.2", "10.9.0.3", "10.96.0.10"
HOST = pod_host(POD)
OPTIONS = CaptureOptions(
    inbound_ports_include="*", inbound_ports_exclude="15090,15021,15020", outbound_ranges_include="*"
)
RULES = parse_rules(build_rules(OPTIONS).restore_v4)
TPROXY = parse_rules(build_rules(replace(OPTIONS, inbound_interception_mode="TPROXY")).restore_v4)
DNS = parse_rules(build_rules(replace(OPTIONS, redirect_dns=True, dns_servers_v4=("10.96.0.10",))).restore_v4)

APP, PROXY, ROOT = (1000, 1000), (1337, 1337), (0, 0)


@pytest.mark.parametrize(
    ("owner", "source", "destination", "port", "arrives", "rule"),
    [
        pytest.param(APP, "", PEER, 8080, 15001, "-A ISTIO_OUTPUT -j ISTIO_REDIRECT", id="app to other pod"),
        pytest.param(APP, "", VIP, 80, 15001, "-A ISTIO_OUTPUT -j ISTIO_REDIRECT", id="app to VIP"),
        pytest.param(APP, "", POD, 8080, 0, "-o lo -m owner ! --uid-owner 1337 -j RETURN", id="app to own pod IP"),
        pytest.param(APP, "", "127.0.0.1", 8080, 0, "! --uid-owner 1337 -j RETURN", id="app to localhost"),
        pytest.param(APP, "", "127.0.0.2", 8080, 0, "! --uid-owner 1337 -j RETURN", id="app to 127.0.0.2"),
        pytest.param(PROXY, "", PEER, 8080, 0, "-m owner --uid-owner 1337 -j RETURN", id="proxy to other pod"),
        pytest.param(PROXY, "", VIP, 80, 0, "-m owner --uid-owner 1337 -j RETURN", id="proxy to VIP"),
        pytest.param(PROXY, "", POD, 8080, 15006, "--uid-owner 1337 -j ISTIO_IN_REDIRECT", id="proxy to own pod IP"),
        pytest.param(PROXY, "", "127.0.0.1", 80, 0, "-m owner --uid-owner 1337 -j RETURN", id="proxy to localhost"),
        pytest.param(PROXY, "", "127.0.0.2", 80, 15006, "--uid-owner 1337 -j ISTIO_IN_REDIRECT", id="proxy to .2"),
        pytest.param(PROXY, "127.0.0.6", POD, 8080, 0, "-s 127.0.0.6/32 -j RETURN", id="proxy bound to 127.0.0.6"),
        pytest.param(PROXY, "", POD, 15008, 0, "-m owner --uid-owner 1337 -j RETURN", id="proxy to own tunnel port"),
        pytest.param((1000, 1337), "", PEER, 80, 0, "-m owner --gid-owner 1337 -j RETURN", id="gid alone, off lo"),
        pytest.param((1000, 1337), "", POD, 80, 0, "! --uid-owner 1337 -j RETURN", id="gid alone, on lo"),
        pytest.param((1337, 1000), "", PEER, 80, 0, "-m owner --uid-owner 1337 -j RETURN", id="uid alone, off lo"),
        pytest.param((1337, 1000), "", POD, 80, 15006, "--uid-owner 1337 -j ISTIO_IN_REDIRECT", id="uid alone, on lo"),
        pytest.param(ROOT, "", PEER, 80, 15001, "-A ISTIO_OUTPUT -j ISTIO_REDIRECT", id="root"),
        pytest.param(APP, "", PEER, 15001, 15001, "-A ISTIO_OUTPUT -j ISTIO_REDIRECT", id="app to 15001"),
    ],
)
def test_local_connections(
    owner: tuple[int, int], source: str, destination: str, port: int, arrives: int, rule: str
) -> None:
    verdict = walk(RULES, HOST, HOST.outbound(destination, port, uid=owner[0], gid=owner[1], source=source))
    assert verdict.redirected_to == arrives
    assert any(rule in step.rule for step in verdict.path)
    assert verdict.original_destination == Endpoint(ipaddress.ip_address(destination), port)
    if arrives:
        assert str(verdict.destination) == f"127.0.0.1:{arrives}"
    else:
        assert verdict.destination == verdict.original_destination


@pytest.mark.parametrize("port", [80, 8080, 9999, 15001, 15006])
def test_peers_arrive_at_the_inbound_port(port: int) -> None:
    verdict = walk(RULES, HOST, HOST.inbound(PEER, POD, port))
    assert str(verdict.destination) == f"{POD}:15006"
    assert verdict.original_destination.port == port
    assert [step.chain for step in verdict.path] == ["PREROUTING", "ISTIO_INBOUND", "ISTIO_IN_REDIRECT"]


@pytest.mark.parametrize("port", [15008, 15020, 15021, 15090])
def test_peers_reach_the_proxys_own_ports(port: int) -> None:
    verdict = walk(RULES, HOST, HOST.inbound(PEER, POD, port))
    assert verdict.outcome is Outcome.DIRECT
    assert verdict.destination.port == port


def test_udp_is_never_redirected_but_meets_the_returns() -> None:
    app = walk(RULES, HOST, HOST.outbound(VIP, 53, uid=1000, gid=1000, transport=Transport.UDP))
    assert app.outcome is Outcome.DIRECT
    proxy = walk(RULES, HOST, HOST.outbound(VIP, 53, uid=1337, gid=1337, transport=Transport.UDP))
    assert proxy.deciding_rule is not None
    assert proxy.deciding_rule.rule.endswith("--uid-owner 1337 -j RETURN")


def test_conntrack_keeps_both_directions() -> None:
    """The tuples of packets seen on real interfaces."""
    outbound = walk(RULES, HOST, HOST.outbound(VIP, 80, uid=1000, gid=1000, source_port=7))
    assert str(outbound.connection.original) == f"{POD}:7 -> {VIP}:80"
    assert str(outbound.connection.reply) == f"127.0.0.1:15001 -> {POD}:7"
    inbound = walk(RULES, HOST, HOST.inbound(PEER, POD, 8080, source_port=8))
    assert str(inbound.connection.reply) == f"{POD}:15006 -> {PEER}:8"


def test_a_loopback_source_cannot_leave_the_host() -> None:
    verdict = walk(RULES, HOST, HOST.outbound(PEER, 80, uid=1000, gid=1000, source="127.0.0.1"))
    assert verdict.outcome is Outcome.REFUSED
    assert verdict.path == ()


def test_with_several_users_only_the_first_is_caught_on_lo() -> None:
    rules = parse_rules(build_rules(replace(OPTIONS, proxy_uid="3,4", proxy_gid="1,2")).restore_v4)
    assert walk(rules, HOST, HOST.outbound(POD, 80, uid=3, gid=9)).redirected_to == 15006
    assert walk(rules, HOST, HOST.outbound(POD, 80, uid=4, gid=9)).redirected_to == 0


def test_dns_capture_sends_both_protocols_to_the_agent() -> None:
    for transport in (Transport.TCP, Transport.UDP):
        verdict = walk(DNS, HOST, HOST.outbound(VIP, 53, uid=1000, gid=1000, transport=transport))
        assert verdict.redirected_to == 15053
    other = walk(DNS, HOST, HOST.outbound("10.96.0.11", 53, uid=1000, gid=1000, transport=Transport.UDP))
    assert other.outcome is Outcome.DIRECT
    proxy = walk(DNS, HOST, HOST.outbound(VIP, 53, uid=1337, gid=1337, transport=Transport.UDP))
    assert proxy.redirected_to == 0
    assert proxy.zone == 2
    """The zone rule of the servers comes after the proxy's own and wins (raw ISTIO_OUTPUT_DNS, in this order)."""


def test_transparent_proxy_keeps_addresses() -> None:
    inbound = walk(TPROXY, HOST, HOST.inbound(PEER, POD, 8080))
    assert inbound.outcome is Outcome.TRANSPARENT
    assert inbound.redirected_to == 15006
    assert str(inbound.connection.reply) == f"{POD}:8080 -> {PEER}:50000"
    assert walk(TPROXY, HOST, HOST.inbound(PEER, POD, 15021)).outcome is Outcome.DIRECT
    assert walk(TPROXY, HOST, HOST.outbound(VIP, 80, uid=1000, gid=1000)).redirected_to == 15001
    # an application that calls its own pod by address comes in by lo unmarked and is left alone
    assert walk(TPROXY, HOST, HOST.outbound(POD, 8080, uid=1000, gid=1000)).outcome is Outcome.DIRECT


def test_later_packets_of_a_connection_do_not_meet_nat() -> None:
    packet = replace(HOST.outbound(VIP, 80, uid=1000, gid=1000), state=State.ESTABLISHED)
    assert walk(RULES, HOST, packet).path == ()


def test_policies_gotos_and_drops() -> None:
    rules = parse_rules(
        "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n"
        "-A INPUT -p tcp --dport 22 -j ACCEPT\n-A OUTPUT -g A\n-A OUTPUT -j DROP\n-A A -j B\n"
        "-A B -p udp -j REJECT\n-A B -j RETURN\nCOMMIT\n"
    )
    assert walk(rules, HOST, HOST.inbound(PEER, POD, 22)).outcome is Outcome.DIRECT
    dropped = walk(rules, HOST, HOST.inbound(PEER, POD, 23))
    assert dropped.outcome is Outcome.DROPPED
    assert dropped.path[-1].rule == "policy DROP"
    passed = walk(rules, HOST, HOST.outbound(PEER, 80))
    assert passed.outcome is Outcome.DIRECT
    assert [(step.chain, step.number) for step in passed.path] == [("OUTPUT", 1), ("A", 1), ("B", 2)]
    assert walk(rules, HOST, HOST.outbound(PEER, 80, transport=Transport.UDP)).outcome is Outcome.REJECTED


def test_address_translation_beyond_redirects() -> None:
    rules = parse_rules(
        "*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:8080\n"
        "-A POSTROUTING -o eth0 -j MASQUERADE\n-A OUTPUT -d 10.96.0.10/32 -j DNAT --to-destination 10.9.0.3\nCOMMIT\n"
    )
    assert str(walk(rules, HOST, HOST.inbound(PEER, POD, 80)).destination) == f"{POD}:8080"
    out = walk(rules, HOST, HOST.outbound(VIP, 80, uid=5, gid=5))
    assert str(out.connection.reply) == f"{PEER}:80 -> {POD}:40000"


def test_ipv6_rules() -> None:
    host = pod_host("fd00::2")
    rules = parse_rules(build_rules(replace(OPTIONS, ipv6=True)).restore_v6)
    verdict = walk(rules, host, host.outbound("fd00::9", 80, uid=1000, gid=1000))
    assert str(verdict.destination) == "[::1]:15001"
    assert walk(rules, host, host.outbound("fd00::2", 80, uid=1337, gid=1, source="::6")).redirected_to == 0
