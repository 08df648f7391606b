"""Pods with rules and without."""

from __future__ import annotations

from meshsim.netfilter.options import options_from_text

from .conftest import build


def test_a_sidecars_rules_capture_and_a_bare_pod_has_none() -> None:
    world, _ = build()
    front = next(entry for entry in world.directory if entry.group.app == "front")
    plain = next(entry for entry in world.directory if entry.group.app == "plain")
    interception = world.router.interception
    assert interception.captures_outbound(front.id, "10.96.9.9", 80)
    assert not interception.captures_outbound(front.id, "127.0.0.1", 80)
    assert interception.captures_inbound(front.id, "10.0.0.9", front.address, 8080)
    assert not interception.captures_inbound(front.id, "10.0.0.9", front.address, 15021)
    assert not interception.captures_outbound(plain.id, "10.96.9.9", 80)
    verdict = interception.walk_outbound(front.id, "10.96.9.9", 80)
    assert verdict is not None
    assert verdict.deciding_rule is not None
    assert "15001" in verdict.deciding_rule.rule
    assert options_from_text(interception.options_text(front.id)).host_address == front.address
    assert interception.options_text(plain.id) == ""
