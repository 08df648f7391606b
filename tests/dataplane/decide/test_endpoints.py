"""Endpoint assignments from protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import address

from meshsim.dataplane.decide.endpoints import Health, decode_address, decode_assignment, labels
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import address_pb2, endpoint_pb2
from meshsim.xds.packing import from_json


def decode(*localities: dict[str, Any], **more: Any) -> Any:
    body = {"cluster_name": "c", "endpoints": localities, **more}
    return decode_assignment(from_json(body, endpoint_pb2.ClusterLoadAssignment))


def test_localities_and_endpoints() -> None:
    endpoint = {
        "endpoint": {"address": address("10.0.0.1", 80), "hostname": "h"},
        "load_balancing_weight": 3,
        "health_status": "DEGRADED",
        "metadata": {"filter_metadata": {"envoy.lb": {"canary": "yes"}, "istio": {"workload": "w;n;s;v1;k"}}},
    }
    found = decode(
        {"locality": {"region": "r", "zone": "z", "sub_zone": "s"}, "priority": 2, "lb_endpoints": [endpoint]}
    )
    (locality,) = found.localities
    assert (locality.region, locality.zone, locality.sub_zone, locality.priority) == ("r", "z", "s", 2)
    (one,) = found.endpoints
    assert (one.weight, one.health, one.hostname, one.subset, one.workload) == (
        3,
        Health.DEGRADED,
        "h",
        (("canary", "yes"),),
        "w;n;s;v1;k",
    )
    assert found.overprovisioning == 140
    assert decode(policy={"overprovisioning_factor": 100}).overprovisioning == 100


def test_which_health_is_usable() -> None:
    assert [h.name for h in Health if h.usable] == ["UNKNOWN", "HEALTHY", "DEGRADED"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"socket_address": {"address": "10.0.0.1", "port_value": 1}}, ("10.0.0.1", 1)),
        ({"pipe": {"path": "/p"}}, ("/p", 0)),
        ({"envoy_internal_address": {"server_listener_name": "l"}}, ("internal:l", 0)),
    ],
)
def test_addresses(body: dict[str, Any], expected: tuple[str, int]) -> None:
    assert decode_address(from_json(body, address_pb2.Address)) == expected


@pytest.mark.parametrize(
    "locality",
    [
        {"priority": 129},
        {"lb_endpoints": [{"load_balancing_weight": 0, "endpoint": {"address": address("10.0.0.1", 1)}}]},
    ],
)
def test_refused(locality: dict[str, Any]) -> None:
    with pytest.raises(ResourceRejectedError):
        decode(locality)


def test_labels_of_nothing() -> None:
    assert labels(None) == ()


def test_requests_may_be_dropped() -> None:
    share = {"category": "x", "drop_percentage": {"numerator": 30}}
    assert decode(policy={"drop_overloads": [share]}).drop.parts_per_million == 300_000
    assert decode().drop.never
    with pytest.raises(ResourceRejectedError, match="2 categories"):
        decode(policy={"drop_overloads": [share, share]})
