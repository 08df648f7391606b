"""Targets as the parser makes them of the words of a rule."""

from __future__ import annotations

import ipaddress

import pytest

from meshsim.netfilter.parser import parse_rules
from meshsim.netfilter.targets import (
    ConnectionMark,
    Ending,
    Jump,
    Redirect,
    SetMark,
    Target,
    TrackingZone,
    Translate,
    TransparentProxy,
)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("-j ACCEPT", Ending.ACCEPT),
        ("-j DROP", Ending.DROP),
        ("-j REJECT --reject-with icmp-port-unreachable", Ending.REJECT),
        ("-j RETURN", Ending.RETURN),
        ("-j LOG --log-prefix x", Ending.NOTHING),
        ("", Ending.NOTHING),
        ("-j OWN", Jump("OWN")),
        ("-g OWN", Jump("OWN", goto=True)),
        ("-j REDIRECT --to-ports 15001", Redirect(15001)),
        ("-j REDIRECT --to-port 15053", Redirect(15053)),
        ("-j REDIRECT", Redirect(0)),
        ("-j DNAT --to-destination 10.0.0.1:80", Translate(ipaddress.ip_address("10.0.0.1"), 80, False)),
        ("-j DNAT --to-destination :81", Translate(None, 81, False)),
        ("-j DNAT --to-destination [fd00::1]:82", Translate(ipaddress.ip_address("fd00::1"), 82, False)),
        ("-j SNAT --to-source fd00::1", Translate(ipaddress.ip_address("fd00::1"), 0, True)),
        ("-j MASQUERADE", Translate(None, 0, True)),
        ("-j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006", TransparentProxy(15006, 1337, 0xFFFFFFFF)),
        ("-j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x539/0xff", TransparentProxy(15006, 1337, 255)),
        ("-j MARK --set-mark 1338", SetMark(0xFFFFFFFF, 1338)),
        ("-j MARK --set-xmark 0x1/0xff", SetMark(0xFF, 1)),
        ("-j MARK --or-mark 4", SetMark(4, 4)),
        ("-j MARK --and-mark 0xfffffffe", SetMark(1, 0)),
        ("-j MARK --xor-mark 4", SetMark(0, 4)),
        ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", ConnectionMark.SAVE),
        ("-j CONNMARK --restore-mark", ConnectionMark.RESTORE),
        ("-j CT --zone 2", TrackingZone(2)),
        ("-j CT --notrack", TrackingZone(0, untracked=True)),
    ],
)
def test_target(words: str, target: Target) -> None:
    ruleset = parse_rules(f"*mangle\n:OWN - [0:0]\n-A OUTPUT {words}\nCOMMIT\n")
    chain = ruleset.chain("mangle", "OUTPUT")
    assert chain is not None
    assert chain.rules[0].target == target
