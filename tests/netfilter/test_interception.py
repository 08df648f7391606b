"""Rules of pods, ready to be asked."""

from __future__ import annotations

from typing import Any

from meshsim.api import ApiObject, make_object
from meshsim.netfilter.interception import PodRulesFactory
from meshsim.netfilter.packet import Transport
from meshsim.netfilter.walk import Outcome

ARGUMENTS = ["istio-iptables", "-u", "1337", "-i", "*", "-b", "*", "-d", "15090,15021,15020"]


def _pod(address: str, *init: dict[str, Any]) -> ApiObject:
    spec = {"initContainers": list(init), "containers": [{"name": "app"}]}
    metadata = {"name": "p", "namespace": "shop"}
    return make_object({"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"podIP": address}})


INIT = {"name": "istio-init", "args": ARGUMENTS}


def test_connections_of_a_captured_pod() -> None:
    rules = PodRulesFactory().of_pod(_pod("10.9.0.2", INIT))
    assert rules is not None
    assert rules.outbound("10.96.0.10", 80).redirected_to == 15001
    assert rules.outbound("10.96.0.10", 80, by_proxy=True).outcome is Outcome.DIRECT
    assert rules.outbound("10.9.0.2", 8080, by_proxy=True).redirected_to == 15006
    assert rules.outbound("10.9.0.2", 8080, by_proxy=True, source="127.0.0.6").outcome is Outcome.DIRECT
    assert rules.outbound("10.96.0.10", 53, transport=Transport.UDP).outcome is Outcome.DIRECT
    assert rules.inbound("10.9.0.3", "10.9.0.2", 8080).redirected_to == 15006
    assert rules.inbound("10.9.0.3", "10.9.0.2", 15021).outcome is Outcome.DIRECT


def test_a_pod_without_rules_has_none() -> None:
    assert PodRulesFactory().of_pod(_pod("10.9.0.2")) is None


def test_equal_options_share_their_rules_but_not_their_host() -> None:
    factory = PodRulesFactory()
    one, other = factory.of_pod(_pod("10.9.0.2", INIT)), factory.of_pod(_pod("10.9.0.3", INIT))
    assert one is not None
    assert other is not None
    assert one.v4 is other.v4
    assert one.host != other.host
    assert other.outbound("10.9.0.2", 80).redirected_to == 15001
    assert one.outbound("10.9.0.2", 80).redirected_to == 0


def test_ipv6_pods_are_asked_by_address() -> None:
    rules = PodRulesFactory().of_pod(_pod("fd00::2", INIT))
    assert rules is not None
    assert rules.outbound("fd00::9", 80).redirected_to == 15001
