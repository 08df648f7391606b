from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.endpoints.locality import (
    EndpointGroup,
    LocalityLbEndpoints,
    LocalitySetting,
    arrange,
    failover_labels,
    locality_setting,
    matches_locality,
    service_failover_labels,
    weighted,
)
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Endpoint, Locality, Registry, Resolution, Service

HERE = Locality("eu", "eu-1", "a")
PLACES = ("eu/eu-1/a", "eu/eu-1/b", "eu/eu-2/a", "us/us-1/a", "ap/ap-1/a")


def _service(distribution: str = "") -> Service:
    return Service(
        hostname="h",
        name="h",
        namespace="n",
        registry=Registry.KUBERNETES,
        resolution=Resolution.CLIENT_SIDE_LB,
        ports=(),
        traffic_distribution=distribution,
    )


def _groups(*sizes: int, labels: list[dict[str, str]] | None = None) -> list[EndpointGroup]:
    groups = []
    for place, size in zip(PLACES, sizes or (1,) * len(PLACES)):
        region, zone, subzone = place.split("/")
        message = LocalityLbEndpoints()
        message.locality.region, message.locality.zone, message.locality.sub_zone = region, zone, subzone
        message.load_balancing_weight.value = size
        members = []
        for index in range(size):
            message.lb_endpoints.add().load_balancing_weight.value = 1
            members.append(Endpoint(address="1.1.1.1", port=1, port_name="p", labels=labels[index] if labels else {}))
        groups.append(EndpointGroup(members, message))
    return groups


def _setting(**fields: Any) -> LocalitySetting:
    rules = {k: tuple(map(Fields, v)) for k, v in fields.items() if k != "priority"}
    return LocalitySetting(**rules, failover_priority=tuple(fields.get("priority", ())))


def _priorities(setting: LocalitySetting | None, *, failover: bool = True) -> list[int]:
    return [m.priority for m in arrange(_groups(), setting, HERE, {}, failover)]


@pytest.mark.parametrize(
    ("rule", "matches"),
    [("*", True), ("eu", True), ("eu/*", True), ("eu/eu-1", True), ("eu/eu-2", False), ("eu/eu-1/b", False)],
)
def test_rules_name_places(rule: str, matches: bool) -> None:
    assert matches_locality(HERE, rule) is matches


def test_the_setting_of_rule_then_service_then_mesh() -> None:
    mesh = build_mesh_config({"localityLbSetting": {"failoverPriority": ["mesh"]}})
    rule = Fields({"localityLbSetting": {"failoverPriority": ["rule"]}})

    def chosen(balancer: Fields | None, service: Service) -> tuple[str, ...] | None:
        setting = locality_setting(mesh, balancer, service)
        return setting.failover_priority if setting else None

    assert chosen(rule, _service("PreferSameZone")) == ("rule",)
    assert chosen(None, _service("PreferSameZone")) == (
        "topology.istio.io/network",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    )
    assert chosen(None, _service("PreferSameNode"))[-1] == "kubernetes.io/hostname"  # type: ignore[index]
    assert chosen(None, _service()) == ("mesh",)
    assert chosen(Fields({"localityLbSetting": {"enabled": False}}), _service()) is None


def test_labels_that_priorities_compare() -> None:
    policy = {
        "loadBalancer": {"localityLbSetting": {"failoverPriority": ["a", "b=c"]}},
        "portLevelSettings": [{"loadBalancer": {"zoneAwareLbSetting": {"failoverPriority": ["d"]}}}],
    }
    assert failover_labels(Fields(policy)) == ("a", "d")
    assert failover_labels(None) == ()
    assert service_failover_labels(build_mesh_config(), _service()) == ()
    assert len(service_failover_labels(build_mesh_config(), _service("PreferSameNode"))) == 5


@pytest.mark.parametrize(
    ("setting", "failover", "want"),
    [
        (None, True, False),
        (_setting(), True, False),
        (_setting(distribute=[{"from": "*"}]), False, True),
        (_setting(priority=["a"]), True, True),
        (_setting(priority=["a"]), False, False),
        (LocalitySetting(failover_priority=("a",), forced=True), False, True),
    ],
)
def test_when_localities_are_weighted(setting: LocalitySetting | None, failover: bool, want: bool) -> None:
    assert weighted(setting, failover) is want


def test_priorities_by_distance() -> None:
    assert _priorities(_setting()) == [0, 1, 2, 3, 3]
    assert _priorities(_setting(failover=[{"from": "eu", "to": "us"}])) == [0, 1, 2, 3, 4]
    assert _priorities(_setting(), failover=False) == [0] * 5
    assert _priorities(None) == [0] * 5


def test_priorities_have_no_gaps() -> None:
    groups = [group for group in _groups() if group.message.locality.region != "eu"]
    assert [m.priority for m in arrange(groups, _setting(), HERE, {}, True)] == [0, 0]


def test_distribution() -> None:
    setting = _setting(distribute=[{"from": "us/*"}, {"from": "eu/*", "to": {"eu/eu-1/*": 80, "us/*": 20}}])
    messages = arrange(_groups(3, 1, 1, 1, 1), setting, HERE, {}, False)
    assert [m.load_balancing_weight.value for m in messages][:2] == [60, 20]
    assert messages[3].load_balancing_weight.value == 20
    assert [len(m.lb_endpoints) for m in messages] == [3, 1, 0, 1, 0]


def test_groups_are_split_by_the_labels_endpoints_share_with_the_proxy() -> None:
    labels = [{"v": "1", "s": "x"}, {"v": "1", "s": "y"}, {"v": "2", "s": "x"}]
    groups = _groups(3, labels=labels)
    found = arrange(groups, _setting(priority=["v", "s=x"]), HERE, {"v": "1"}, True)
    assert [(m.priority, len(m.lb_endpoints), m.load_balancing_weight.value) for m in found] == [
        (0, 1, 1),
        (1, 1, 1),
        (2, 1, 1),
    ]


def test_inline_assignments_know_no_failover_priority() -> None:
    groups = _groups(1, 1)
    assert [m.priority for m in arrange(groups, _setting(priority=["v"]), HERE, None, True)] == [0, 0]


def test_distance_decides_among_equal_labels() -> None:
    groups = _groups(1, 1)
    setting = _setting(priority=["v"], failover=[{"from": "x", "to": "y"}])
    assert [m.priority for m in arrange(groups, setting, HERE, {}, True)] == [0, 1]
