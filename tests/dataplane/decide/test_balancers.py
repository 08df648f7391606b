"""Balancers from cluster messages by `lb_policy`."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.balancers import (
    Balancer,
    Hashing,
    LbKind,
    SlowStart,
    ZoneAware,
    decode_balancer,
    merge_window,
)
from meshsim.units import SECOND
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json


def decode(**cluster: Any) -> Balancer:
    return decode_balancer(from_json({"name": "c", **cluster}, cluster_pb2.Cluster))


def test_defaults() -> None:
    assert decode() == Balancer(LbKind.ROUND_ROBIN)
    assert decode(lb_policy="LEAST_REQUEST") == Balancer(LbKind.LEAST_REQUEST)


def test_least_request() -> None:
    config = {
        "choice_count": 5,
        "active_request_bias": {"default_value": 0.5, "runtime_key": "k"},
        "slow_start_config": {"slow_start_window": "8s", "min_weight_percent": {"value": 20}},
    }
    expected = Balancer(LbKind.LEAST_REQUEST, 5, 0.5, slow_start=SlowStart(8 * SECOND, 1.0, 20))
    assert decode(lb_policy="LEAST_REQUEST", least_request_lb_config=config) == expected


def test_hashing() -> None:
    hashed = {"hash_balance_factor": 125, "use_hostname_for_hashing": True}
    ring = {"minimum_ring_size": "12", "maximum_ring_size": "24", "hash_function": "MURMUR_HASH_2"}
    expected = Hashing(12, 24, True, 65_537, 125, True)
    common = {"consistent_hashing_lb_config": hashed}
    assert decode(lb_policy="RING_HASH", ring_hash_lb_config=ring, common_lb_config=common).hashing == expected
    assert decode(lb_policy="MAGLEV", maglev_lb_config={"table_size": "101"}).hashing.table_size == 101


def test_localities_and_zones() -> None:
    zone = {"min_cluster_size": "3", "routing_enabled": {"value": 50}, "fail_traffic_on_panic": True}
    assert decode(common_lb_config={"zone_aware_lb_config": zone}).zone_aware == ZoneAware(3, 50, True)
    assert decode(common_lb_config={"locality_weighted_lb_config": {}}).locality_weighted


@pytest.mark.parametrize(("given", "window"), [(None, SECOND), ("0s", 0), ("0.3s", 300_000_000)])
def test_merge_window(given: str | None, window: int) -> None:
    common = {} if given is None else {"update_merge_window": given}
    assert merge_window(from_json({"name": "c", "common_lb_config": common}, cluster_pb2.Cluster)) == window
