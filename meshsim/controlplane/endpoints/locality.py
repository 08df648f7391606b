"""Locality load balancing: which setting applies, and the weights and priorities it gives to endpoint groups.

istio pilot/pkg/networking/core/loadbalancer/loadbalancer.go and pilot/pkg/networking/util/util.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.model import Endpoint, Locality, Service
from meshsim.controlplane.topology import HOSTNAME_LABEL, NETWORK_LABEL, REGION_LABEL, SUBZONE_LABEL, ZONE_LABEL
from meshsim.xds.messages import endpoint_components_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig

LocalityLbEndpoints = endpoint_components_pb2.LocalityLbEndpoints

_SAME_ZONE: Final = (NETWORK_LABEL, REGION_LABEL, ZONE_LABEL)
_SAME_NODE: Final = (*_SAME_ZONE, SUBZONE_LABEL, HOSTNAME_LABEL)


class LocalitySetting(NamedTuple):
    """The effective LocalityLoadBalancerSetting."""

    distribute: tuple[Fields, ...] = ()
    failover: tuple[Fields, ...] = ()
    failover_priority: tuple[str, ...] = ()
    forced: bool = False
    """Failover applies without outlier detection (a service's own traffic distribution)."""


@dataclass(slots=True)
class EndpointGroup:
    """Endpoints of one locality with the message made of them."""

    endpoints: list[Endpoint]
    message: LocalityLbEndpoints


def locality_setting(mesh: MeshConfig, balancer: Fields | None, service: Service) -> LocalitySetting | None:
    """The setting of the DestinationRule, else of the service, else of the mesh; `None` when that one is off."""
    # DEVIATION: of zoneAwareLbSetting only failover and failoverPriority count; Envoy's zone-aware share is not set.
    for key in ("zoneAwareLbSetting", "localityLbSetting"):
        if balancer is not None and key in balancer:
            return _setting(balancer.fields(key))
    if service.traffic_distribution:
        labels = _SAME_NODE if service.traffic_distribution == "PreferSameNode" else _SAME_ZONE
        return LocalitySetting(failover_priority=labels, forced=True)
    return _setting(mesh.locality_setting)


def failover_labels(policy: Fields | None) -> tuple[str, ...]:
    """Labels that the failover priorities of a trafficPolicy, or of one of its ports, compare."""
    if policy is None:
        return ()
    found: dict[str, None] = {}
    for level in (policy, *policy.items("portLevelSettings")):
        for key in ("zoneAwareLbSetting", "localityLbSetting"):
            found.update(dict.fromkeys(_compared(level.fields("loadBalancer").fields(key).texts("failoverPriority"))))
    return tuple(found)


def service_failover_labels(mesh: MeshConfig, service: Service) -> tuple[str, ...]:
    """Labels that a service's own traffic distribution, or the mesh, compares."""
    if service.traffic_distribution:
        return _SAME_NODE if service.traffic_distribution == "PreferSameNode" else _SAME_ZONE
    return _compared(mesh.locality_setting.texts("failoverPriority"))


def _compared(priorities: Sequence[str]) -> tuple[str, ...]:
    """Names of priorities without a value of their own."""
    return tuple(item for item in priorities if "=" not in item)


def _setting(fields: Fields) -> LocalitySetting | None:
    if fields.optional_flag("enabled") is False:
        return None
    return LocalitySetting(fields.items("distribute"), fields.items("failover"), fields.texts("failoverPriority"))


def weighted(setting: LocalitySetting | None, failover: bool) -> bool:
    """Whether Envoy chooses the locality by weight first (ENABLE_LOCALITY_WEIGHTED_LB_CONFIG off, its default)."""
    if setting is None:
        return False
    if setting.distribute:
        return True
    return (failover or setting.forced) and bool(setting.failover or setting.failover_priority)


def arrange(
    groups: list[EndpointGroup],
    setting: LocalitySetting | None,
    locality: Locality,
    labels: Mapping[str, str] | None,
    failover: bool,
) -> list[LocalityLbEndpoints]:
    """Groups with their weights or priorities for a proxy at a place.

    `labels` are those of the proxy that matter, `None` for inline assignments, where failoverPriority is not supported.
    """
    messages = [group.message for group in groups]
    if setting is None:
        return messages
    if setting.distribute:
        _distribute(messages, setting.distribute, locality)
        return messages
    if not (failover or setting.forced):
        return messages
    if setting.failover_priority:
        if labels is not None:
            messages = _prioritise(groups, setting.failover_priority, labels)
        if setting.failover:
            _fail_over(messages, setting.failover, locality)
    else:
        _fail_over(messages, setting.failover, locality)
    return messages


def matches_locality(place: Locality, rule: str) -> bool:
    """Whether a place lies in ``region/zone/subzone`` with ``*`` or nothing for any."""
    region, zone, subzone = [*rule.split("/"), "", "", ""][:3]
    return region in ("*", place.region) and zone in ("*", "", place.zone) and subzone in ("*", "", place.subzone)


def _place(message: LocalityLbEndpoints) -> Locality:
    locality = message.locality
    return Locality(locality.region, locality.zone, locality.sub_zone)


def _distribute(messages: Sequence[LocalityLbEndpoints], rules: Sequence[Fields], locality: Locality) -> None:
    """Share the weight of each destination among its localities; localities of no destination lose their endpoints."""
    for rule in rules:
        if not matches_locality(locality, rule.text("from")):
            continue
        left = dict.fromkeys(range(len(messages)))
        for destination, weight in rule.fields("to").body.items():
            found = [i for i in left if matches_locality(_place(messages[i]), destination)]
            weights = {i: messages[i].load_balancing_weight.value or 1 for i in found}
            total = sum(weights.values())
            for index in found:
                del left[index]
                share = -(-weights[index] * int(str(weight)) // total)
                if share > 0:
                    messages[index].load_balancing_weight.value = share
        for index in left:
            messages[index].ClearField("lb_endpoints")
        return


def _priority(locality: Locality, place: Locality) -> int:
    if locality.region != place.region:
        return 3
    if locality.zone != place.zone:
        return 2
    return 0 if locality.subzone == place.subzone else 1


def _fail_over(messages: Sequence[LocalityLbEndpoints], rules: Sequence[Fields], locality: Locality) -> None:
    """Priorities by distance, under those that failoverPriority gave."""
    target = next((rule.text("to") for rule in rules if rule.text("from") == locality.region), None)
    for message in messages:
        place = _place(message)
        priority = _priority(locality, place)
        if priority == 3 and target is not None and place.region != target:
            priority = 4
        message.priority = message.priority * 5 + priority
    _compact(messages)


def _compact(messages: Sequence[LocalityLbEndpoints]) -> None:
    """Envoy wants priorities 0..N without gaps."""
    order = {priority: index for index, priority in enumerate(sorted({m.priority for m in messages}))}
    for message in messages:
        message.priority = order[message.priority]


def _prioritise(
    groups: Sequence[EndpointGroup], priorities: Sequence[str], labels: Mapping[str, str]
) -> list[LocalityLbEndpoints]:
    """Split groups by how many leading labels an endpoint shares with the proxy."""
    wanted: list[tuple[str, str]] = []
    for item in priorities:
        name, equals, value = item.partition("=")
        wanted.append((name, value if equals else labels.get(name, "")))
    found: list[LocalityLbEndpoints] = []
    for group in groups:
        by_priority: dict[int, list[int]] = {}
        for index, endpoint in enumerate(group.endpoints):
            by_priority.setdefault(_label_priority(endpoint, wanted), []).append(index)
        for priority in sorted(by_priority):
            members = [group.message.lb_endpoints[i] for i in by_priority[priority]]
            message = LocalityLbEndpoints(locality=group.message.locality, lb_endpoints=members, priority=priority)
            message.load_balancing_weight.value = sum(m.load_balancing_weight.value for m in members)
            found.append(message)
    _compact(found)
    return found


def _label_priority(endpoint: Endpoint, wanted: Sequence[tuple[str, str]]) -> int:
    for index, (name, value) in enumerate(wanted):
        if endpoint.labels.get(name, "") != value:
            return len(wanted) - index
    return 0
