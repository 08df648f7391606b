from __future__ import annotations

from typing import Any

from meshsim.api import Fields
from meshsim.controlplane.authz.rules import Action, build_rule
from meshsim.controlplane.authz.trust_domains import TrustDomains
from meshsim.xds.packing import to_json


def _policy(rule: dict[str, Any], action: Action = Action.ALLOW, for_tcp: bool = False) -> Any:
    model = build_rule(Fields(rule), "n", TrustDomains(("td",)))
    assert model is not None
    found = model.policy(for_tcp, action)
    return to_json(found) if found is not None else None


METHOD_AND_PORT = {"to": [{"operation": {"methods": ["GET"], "ports": ["80"]}}]}


def test_an_empty_rule_is_about_everybody() -> None:
    assert _policy({}) == {
        "permissions": [{"and_rules": {"rules": [{"any": True}]}}],
        "principals": [{"and_ids": {"ids": [{"any": True}]}}],
    }


def test_values_are_alternatives_and_lists_all_count() -> None:
    (permission,) = _policy({"to": [{"operation": {"ports": ["80", "81"], "notPorts": ["81"]}}]})["permissions"]
    wanted, unwanted = permission["and_rules"]["rules"]
    assert wanted["or_rules"]["rules"] == [{"destination_port": 80}, {"destination_port": 81}]
    assert unwanted == {"not_rule": {"or_rules": {"rules": [{"destination_port": 81}]}}}


def test_what_tcp_cannot_see_drops_an_allow_rule_and_one_value_of_others() -> None:
    assert _policy(METHOD_AND_PORT, for_tcp=True) is None
    (permission,) = _policy(METHOD_AND_PORT, Action.DENY, for_tcp=True)["permissions"]
    assert permission["and_rules"]["rules"] == [{"or_rules": {"rules": [{"destination_port": 80}]}}]


def test_conditions_join_every_alternative() -> None:
    rule = {
        "from": [{"source": {"namespaces": ["a"]}}, {"source": {"namespaces": ["b"]}}],
        "when": [{"key": "source.ip", "values": ["10.0.0.0/8"]}],
    }
    principals = _policy(rule)["principals"]
    assert [len(p["and_ids"]["ids"]) for p in principals] == [2, 2]


def test_an_unknown_condition_makes_the_rule_void() -> None:
    assert build_rule(Fields({"when": [{"key": "no.such", "values": ["x"]}]}), "n", TrustDomains(("td",))) is None
