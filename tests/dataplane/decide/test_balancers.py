"""Balancers from cluster messages, by `lb_policy` and by policy extension."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.balancers import Balancer, Hashing, LbKind, SlowStart, ZoneAware, decode_balancer
from meshsim.units import SECOND
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

PREFIX = "type.googleapis.com/envoy.extensions.load_balancing_policies."


def decode(**cluster: Any) -> Balancer:
    return decode_balancer(from_json({"name": "c", **cluster}, cluster_pb2.Cluster), [])


def typed(kind: str, **config: Any) -> Balancer:
    extension = {"name": "any", "typed_config": {"@type": f"{PREFIX}{kind}", **config}}
    return decode(load_balancing_policy={"policies": [{"typed_extension_config": extension}]})


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
    assert typed("least_request.v3.LeastRequest", **config) == expected
    assert typed("least_request.v3.LeastRequest", selection_method="FULL_SCAN").full_scan


def test_hashing() -> None:
    hashed = {"hash_balance_factor": 125, "use_hostname_for_hashing": True}
    ring = {"minimum_ring_size": "12", "maximum_ring_size": "24", "hash_function": "MURMUR_HASH_2"}
    expected = Hashing(12, 24, True, 65_537, 125, True)
    common = {"consistent_hashing_lb_config": hashed}
    assert decode(lb_policy="RING_HASH", ring_hash_lb_config=ring, common_lb_config=common).hashing == expected
    assert typed("ring_hash.v3.RingHash", **ring, consistent_hashing_lb_config=hashed) == Balancer(
        LbKind.RING_HASH, hashing=expected
    )
    maglev = typed("maglev.v3.Maglev", table_size="101", locality_weighted_lb_config={})
    assert maglev == Balancer(LbKind.MAGLEV, locality_weighted=True, hashing=Hashing(table_size=101))
    assert decode(lb_policy="MAGLEV", maglev_lb_config={"table_size": "101"}).hashing.table_size == 101


def test_localities_and_zones() -> None:
    zone = {"min_cluster_size": "3", "routing_enabled": {"value": 50}, "fail_traffic_on_panic": True}
    assert decode(common_lb_config={"zone_aware_lb_config": zone}).zone_aware == ZoneAware(3, 50, True)
    assert decode(common_lb_config={"locality_weighted_lb_config": {}}).locality_weighted
    forced = {"zone_aware_lb_config": {"force_local_zone": {"min_size": 2}}}
    assert typed("round_robin.v3.RoundRobin", locality_lb_config=forced).zone_aware.force_local == 2
    weighted = {"locality_weighted_lb_config": {}}
    assert typed("round_robin.v3.RoundRobin", locality_lb_config=weighted).locality_weighted


@pytest.mark.parametrize(("given", "window"), [(None, SECOND), ("0s", 0), ("0.3s", 300_000_000)])
def test_merge_window(given: str | None, window: int) -> None:
    common = {} if given is None else {"update_merge_window": given}
    assert decode(common_lb_config=common).merge_window == window


def test_an_unknown_extension_is_told() -> None:
    notes: list[str] = []
    extension = {"name": "any", "typed_config": {"@type": f"{PREFIX}pick_first.v3.PickFirst"}}
    policy = {"policies": [{"typed_extension_config": extension}]}
    message = from_json({"name": "c", "load_balancing_policy": policy}, cluster_pb2.Cluster)
    assert decode_balancer(message, notes).kind is LbKind.ROUND_ROBIN
    assert notes == ["load_balancing_policy extensions"]
    assert typed("random.v3.Random").kind is LbKind.RANDOM
