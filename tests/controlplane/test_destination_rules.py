from __future__ import annotations

from typing import Any

from meshsim.api import ApiObject, make_object
from meshsim.controlplane.destination_rules import DestinationRuleIndex, select_destination_rule
from meshsim.controlplane.mesh import build_mesh_config

MESH = build_mesh_config()
HOST = "app.m1.svc.cluster.local"


def _rule(name: str, namespace: str, **spec: Any) -> ApiObject:
    return make_object(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def _names(rules: object) -> list[str]:
    assert isinstance(rules, tuple)
    return ["+".join(o.name for o in rule.merged_from) for rule in rules]


def test_rules_for_one_host_are_merged() -> None:
    retries = {"connectionPool": {"http": {"maxRetries": 1}}}
    index = DestinationRuleIndex(
        (
            _rule("one", "m1", host="app", subsets=[{"name": "v1", "labels": {"v": "1"}}]),
            _rule("two", "m1", host=HOST, trafficPolicy=retries, subsets=[{"name": "v1"}, {"name": "v2"}]),
        ),
        MESH,
    )
    (rule,) = index.lookup("m2", "m1", HOST)
    assert _names((rule,)) == ["one+two"]
    assert [s.name for s in rule.subsets] == ["v1", "v2"]
    assert rule.subset("v1") is not None
    assert rule.subset("v1").labels == {"v": "1"}  # type: ignore[union-attr]
    assert rule.traffic_policy is not None
    assert list(index.status.counts["pilot_destrule_subsets"]) == [HOST]


def test_lookup_asks_client_then_service_then_root_namespace() -> None:
    client = _rule("client", "m2", host="*.m1.svc.cluster.local")
    service = _rule("service", "m1", host="app")
    root = _rule("root", "istio-system", host="*.local")
    assert _names(DestinationRuleIndex((client, service, root), MESH).lookup("m2", "m1", HOST)) == ["client"]
    assert _names(DestinationRuleIndex((service, root), MESH).lookup("m2", "m1", HOST)) == ["service"]
    assert _names(DestinationRuleIndex((root,), MESH).lookup("m2", "m1", HOST)) == ["root"]
    assert DestinationRuleIndex((root,), MESH).lookup("m2", "m1", "app.example.com") == ()


def test_the_most_specific_host_of_a_namespace_wins() -> None:
    rules = (_rule("wide", "m1", host="*.local"), _rule("narrow", "m1", host="*.m1.svc.cluster.local"))
    assert _names(DestinationRuleIndex(rules, MESH).lookup("m1", "m1", HOST)) == ["narrow"]


def test_private_rules_stay_at_home() -> None:
    index = DestinationRuleIndex((_rule("own", "m1", host="app", exportTo=["."]),), MESH)
    assert index.lookup("m2", "m1", HOST) == ()
    assert _names(index.lookup("m1", "m1", HOST)) == ["own"]
    named = DestinationRuleIndex((_rule("named", "m1", host="app", exportTo=["m3"]),), MESH)
    assert _names(named.lookup("m3", "m1", HOST)) == ["named"]
    assert named.lookup("m2", "m1", HOST) == ()


def test_gateways_in_the_root_namespace_look_at_the_service_first() -> None:
    root = _rule("root", "istio-system", host="*.local")
    service = _rule("service", "m1", host="app")
    assert _names(DestinationRuleIndex((root, service), MESH).lookup("istio-system", "m1", HOST)) == ["service"]


def test_workload_selectors_count_for_clients_of_their_namespace() -> None:
    general = _rule("general", "m1", host="app", exportTo=["."])
    selected = _rule("selected", "m1", host="app", workloadSelector={"matchLabels": {"role": "blue"}})
    rules = DestinationRuleIndex((general, selected), MESH).lookup("m1", "m1", HOST)

    def chosen(labels: dict[str, str], outbound: bool = True) -> str:
        rule = select_destination_rule(rules, "m1", labels, outbound)
        assert rule is not None
        return rule.source.name

    assert chosen({"role": "blue"}) == "selected"


def test_rules_made_of_the_same_objects_are_the_same() -> None:
    one, two = _rule("one", "m1", host="app"), _rule("two", "m1", host="app")
    first = DestinationRuleIndex((one, two), MESH)
    second = DestinationRuleIndex((one, two, _rule("three", "m1", host="other")), MESH, first)
    assert first.lookup("m1", "m1", HOST)[0] is second.lookup("m1", "m1", HOST)[0]
    third = DestinationRuleIndex((one, _rule("two", "m1", host="app")), MESH, second)
    assert third.lookup("m1", "m1", HOST)[0] is not second.lookup("m1", "m1", HOST)[0]


def test_labels_that_failover_priorities_compare() -> None:
    priorities = {"loadBalancer": {"localityLbSetting": {"failoverPriority": ["zone", "app=x"]}}}
    rule = _rule("r", "m1", host="app", subsets=[{"name": "v1", "trafficPolicy": priorities}])
    (found,) = DestinationRuleIndex((rule,), MESH).lookup("m1", "m1", HOST)
    assert found.failover_labels == ("zone",)
