"""How a cluster balances, from the fields of its configuration that are older than `load_balancing_policy`."""

from __future__ import annotations

from enum import Enum
from math import isqrt
from typing import NamedTuple

from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.units import Nanos
from meshsim.xds.messages import (
    cluster_pb2,
    lb_common_pb2,
    maglev_lb_pb2,
)


class LbKind(Enum):
    """`lb_policy`."""

    ROUND_ROBIN = 0
    LEAST_REQUEST = 1
    RING_HASH = 2
    RANDOM = 3
    MAGLEV = 5
    CLUSTER_PROVIDED = 6
    POLICY_CONFIG = 7


class SlowStart(NamedTuple):
    """How the weight of a new host grows."""

    window: Nanos
    aggression: float
    least_percent: float


class ZoneAware(NamedTuple):
    """Zone aware routing; it also takes place without configuration where a local cluster is known."""

    min_cluster_size: int = 6
    routing_percent: int = 100
    fail_on_panic: bool = False
    force_local: int = 0
    """Healthy hosts in the own zone that keep everything there; 0 = not forced."""


class Hashing(NamedTuple):
    """Rings and tables."""

    least_ring: int = 1024
    most_ring: int = 8_388_608
    murmur: bool = False
    table_size: int = 65_537
    balance_factor: int = 0
    by_hostname: bool = False


class Balancer(NamedTuple):
    """A cluster's load balancer."""

    kind: LbKind
    choice_count: int = 2
    active_request_bias: float = 1.0
    full_scan: bool = False
    slow_start: SlowStart | None = None
    locality_weighted: bool = False
    zone_aware: ZoneAware = ZoneAware()
    hashing: Hashing = Hashing()
    merge_window: Nanos = 1_000_000_000


def merge_window(message: cluster_pb2.Cluster) -> Nanos:
    """How long changes of health alone are collected for the balancer after the first."""
    common = message.common_lb_config
    return nanos(common.update_merge_window) if common.HasField("update_merge_window") else 1_000_000_000


def decode_balancer(message: cluster_pb2.Cluster) -> Balancer:
    """The balancer that `lb_policy` names, with what stands beside it."""
    common = message.common_lb_config
    least, ring = message.least_request_lb_config, message.ring_hash_lb_config
    slow = (
        message.round_robin_lb_config.slow_start_config
        if message.lb_policy == LbKind.ROUND_ROBIN.value
        else least.slow_start_config
    )
    hashed = common.consistent_hashing_lb_config
    return Balancer(
        LbKind(message.lb_policy),
        least.choice_count.value or 2,
        least.active_request_bias.default_value if least.HasField("active_request_bias") else 1.0,
        False,
        decode_slow_start(slow),
        common.HasField("locality_weighted_lb_config"),
        decode_zone_aware(common.zone_aware_lb_config) if common.HasField("zone_aware_lb_config") else ZoneAware(),
        Hashing(
            ring.minimum_ring_size.value if ring.HasField("minimum_ring_size") else 1024,
            ring.maximum_ring_size.value or 8_388_608,
            ring.hash_function == cluster_pb2.Cluster.RingHashLbConfig.MURMUR_HASH_2,
            table_size(message.maglev_lb_config),
            hashed.hash_balance_factor.value,
            hashed.use_hostname_for_hashing,
        ),
    )


def checked_hashing(balancer: Balancer) -> Balancer:
    """The balancer; raises `ResourceRejectedError` for a ring or a table that cannot be (Envoy source/extensions/
    load_balancing_policies/ring_hash/ring_hash_lb.cc, maglev/maglev_lb.cc)."""
    ring = balancer.hashing
    if balancer.kind is LbKind.RING_HASH and ring.least_ring > ring.most_ring:
        raise ResourceRejectedError(
            f"ring hash: minimum_ring_size ({ring.least_ring}) > maximum_ring_size ({ring.most_ring})"
        )
    if balancer.kind is LbKind.MAGLEV and not _is_prime(ring.table_size):
        raise ResourceRejectedError("The table size of maglev must be prime number")
    return balancer


def table_size(message: cluster_pb2.Cluster.MaglevLbConfig | maglev_lb_pb2.Maglev) -> int:
    """Places of a Maglev table, in either form."""
    return message.table_size.value if message.HasField("table_size") else 65_537


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, isqrt(number) + 1))


def decode_zone_aware(
    message: cluster_pb2.Cluster.CommonLbConfig.ZoneAwareLbConfig | lb_common_pb2.LocalityLbConfig.ZoneAwareLbConfig,
) -> ZoneAware:
    """Zone aware routing, in either form."""
    forced = 0
    if isinstance(message, lb_common_pb2.LocalityLbConfig.ZoneAwareLbConfig):
        forced = int(message.force_locality_direct_routing)
        if message.HasField("force_local_zone"):
            forced = message.force_local_zone.min_size.value or 1
    return ZoneAware(
        message.min_cluster_size.value if message.HasField("min_cluster_size") else 6,
        round(message.routing_enabled.value) if message.HasField("routing_enabled") else 100,
        message.fail_traffic_on_panic,
        forced,
    )


def decode_slow_start(
    message: cluster_pb2.Cluster.SlowStartConfig | lb_common_pb2.SlowStartConfig,
) -> SlowStart | None:
    """A slow start that takes time, in either form."""
    window = nanos(message.slow_start_window)
    if not window:
        return None
    return SlowStart(
        window,
        message.aggression.default_value if message.HasField("aggression") else 1.0,
        message.min_weight_percent.value if message.HasField("min_weight_percent") else 10.0,
    )
