"""Each match answers what it asks, and says when a packet cannot be asked."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from meshsim.netfilter.matches import (
    AddressMatch,
    InterfaceMatch,
    MarkMatch,
    Match,
    OwnerMatch,
    PortMatch,
    ProtocolMatch,
    SocketMatch,
    StateMatch,
)
from meshsim.netfilter.packet import Packet, State, Transport, pod_host

HOST = pod_host("10.9.0.2")
OUT = HOST.outbound("10.96.0.10", 80, uid=1000, gid=2000, source_port=40000)
IN = HOST.inbound("10.9.0.3", "10.9.0.2", 8080)


@pytest.mark.parametrize(
    ("match", "packet", "answer"),
    [
        (ProtocolMatch(Transport.TCP), OUT, True),
        (ProtocolMatch(Transport.UDP), OUT, False),
        (ProtocolMatch(None), OUT, True),
        (AddressMatch(ipaddress.ip_network("10.96.0.0/12"), False), OUT, True),
        (AddressMatch(ipaddress.ip_network("10.96.0.0/12"), True), OUT, False),
        (AddressMatch(ipaddress.ip_network("fd00::/8"), False), OUT, False),
        (InterfaceMatch("eth0", False), OUT, True),
        (InterfaceMatch("eth+", False), OUT, True),
        (InterfaceMatch("eth0", True), OUT, False),
        (InterfaceMatch("eth0", True), IN, True),
        (PortMatch(((80, 80),), False, True), OUT, True),
        (PortMatch(((1, 79), (81, 65535)), False, True), OUT, False),
        (PortMatch(((40000, 40000),), True, True), OUT, True),
        (PortMatch(((80, 80),), False, True), replace(OUT, transport=Transport.ICMP), None),
        (OwnerMatch(1000, 1000, False), OUT, True),
        (OwnerMatch(1000, 1000, True), OUT, False),
        (OwnerMatch(0, 1999, True), OUT, False),
        (OwnerMatch(0, 65535, False), IN, None),
        (SocketMatch(), OUT, True),
        (SocketMatch(), IN, False),
        (MarkMatch(0x539, 0xFFFFFFFF, False), replace(OUT, mark=1337), True),
        (MarkMatch(0x1, 0x1, False), replace(OUT, mark=1337), True),
        (MarkMatch(0x539, 0xFFFFFFFF, True), replace(OUT, mark=1337), False),
        (StateMatch((State.NEW,)), OUT, True),
        (StateMatch((State.RELATED, State.ESTABLISHED)), OUT, False),
    ],
)
def test_match(match: Match, packet: Packet, answer: bool | None) -> None:
    assert match.asks(packet) is answer
    assert match.negated is False
