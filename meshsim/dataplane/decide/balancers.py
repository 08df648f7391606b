"""How a cluster balances, from its configuration: the policy and what stands beside it.

A `load_balancing_policy` of the kinds that `lb_policy` names counts in its place, as in Envoy (source/extensions/
load_balancing_policies, each `config.cc`).
"""

from __future__ import annotations

from enum import Enum
from math import isqrt
from typing import Final, NamedTuple

from google.protobuf import any_pb2

from meshsim.dataplane.decide.durations import nanos
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import Nanos
from meshsim.xds.messages import (
    cluster_pb2,
    lb_common_pb2,
    least_request_lb_pb2,
    maglev_lb_pb2,
    ring_hash_lb_pb2,
    round_robin_lb_pb2,
)

_PREFIX: Final = "type.googleapis.com/envoy.extensions.load_balancing_policies."


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


def decode_balancer(message: cluster_pb2.Cluster, notes: Notes) -> Balancer:
    """The balancer of a cluster."""
    common = message.common_lb_config
    window = nanos(common.update_merge_window) if common.HasField("update_merge_window") else 1_000_000_000
    for policy in message.load_balancing_policy.policies:
        found = _typed(policy.typed_extension_config.typed_config, notes)
        if found is not None:
            return checked_hashing(found)._replace(merge_window=window)
    if message.HasField("load_balancing_policy"):
        notes.append("load_balancing_policy extensions")
    least, ring = message.least_request_lb_config, message.ring_hash_lb_config
    slow = (
        message.round_robin_lb_config.slow_start_config
        if message.lb_policy == LbKind.ROUND_ROBIN.value
        else least.slow_start_config
    )
    hashed = common.consistent_hashing_lb_config
    balancer = Balancer(
        LbKind(message.lb_policy),
        least.choice_count.value or 2,
        least.active_request_bias.default_value if least.HasField("active_request_bias") else 1.0,
        False,
        _slow_start(slow),
        common.HasField("locality_weighted_lb_config"),
        _zone_aware(common.zone_aware_lb_config) if common.HasField("zone_aware_lb_config") else ZoneAware(),
        Hashing(
            ring.minimum_ring_size.value if ring.HasField("minimum_ring_size") else 1024,
            ring.maximum_ring_size.value or 8_388_608,
            ring.hash_function == cluster_pb2.Cluster.RingHashLbConfig.MURMUR_HASH_2,
            _table_size(message.maglev_lb_config),
            hashed.hash_balance_factor.value,
            hashed.use_hostname_for_hashing,
        ),
        window,
    )
    return checked_hashing(balancer)


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


def _table_size(message: cluster_pb2.Cluster.MaglevLbConfig | maglev_lb_pb2.Maglev) -> int:
    return message.table_size.value if message.HasField("table_size") else 65_537


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, isqrt(number) + 1))


def _typed(packed: any_pb2.Any, notes: Notes) -> Balancer | None:
    name = packed.type_url.removeprefix(_PREFIX)
    if name == "least_request.v3.LeastRequest":
        least = unpack_valid(packed, least_request_lb_pb2.LeastRequest)
        full = least.selection_method == least_request_lb_pb2.LeastRequest.FULL_SCAN
        return _local(
            Balancer(
                LbKind.LEAST_REQUEST,
                least.choice_count.value or 2,
                least.active_request_bias.default_value if least.HasField("active_request_bias") else 1.0,
                full,
                _slow_start(least.slow_start_config),
            ),
            least.locality_lb_config,
        )
    if name == "round_robin.v3.RoundRobin":
        robin = unpack_valid(packed, round_robin_lb_pb2.RoundRobin)
        balancer = Balancer(LbKind.ROUND_ROBIN, slow_start=_slow_start(robin.slow_start_config))
        return _local(balancer, robin.locality_lb_config)
    if name == "random.v3.Random":
        return Balancer(LbKind.RANDOM)
    if name == "ring_hash.v3.RingHash":
        ring = unpack_valid(packed, ring_hash_lb_pb2.RingHash)
        hashing = Hashing(
            ring.minimum_ring_size.value if ring.HasField("minimum_ring_size") else 1024,
            ring.maximum_ring_size.value or 8_388_608,
            ring.hash_function == ring_hash_lb_pb2.RingHash.MURMUR_HASH_2,
        )
        return _hashed(LbKind.RING_HASH, ring, hashing, notes)
    if name == "maglev.v3.Maglev":
        maglev = unpack_valid(packed, maglev_lb_pb2.Maglev)
        return _hashed(LbKind.MAGLEV, maglev, Hashing(table_size=_table_size(maglev)), notes)
    return None


def _hashed(
    kind: LbKind, message: ring_hash_lb_pb2.RingHash | maglev_lb_pb2.Maglev, hashing: Hashing, notes: Notes
) -> Balancer:
    common = message.consistent_hashing_lb_config
    if common.hash_policy:
        notes.append("hash policies of a load balancer")
    hashing = hashing._replace(
        balance_factor=common.hash_balance_factor.value, by_hostname=common.use_hostname_for_hashing
    )
    return Balancer(kind, locality_weighted=message.HasField("locality_weighted_lb_config"), hashing=hashing)


def _local(balancer: Balancer, config: lb_common_pb2.LocalityLbConfig) -> Balancer:
    kind = config.WhichOneof("locality_config_specifier")
    if kind == "zone_aware_lb_config":
        return balancer._replace(zone_aware=_zone_aware(config.zone_aware_lb_config))
    return balancer._replace(locality_weighted=kind == "locality_weighted_lb_config")


def _zone_aware(
    message: cluster_pb2.Cluster.CommonLbConfig.ZoneAwareLbConfig | lb_common_pb2.LocalityLbConfig.ZoneAwareLbConfig,
) -> ZoneAware:
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


def _slow_start(
    message: cluster_pb2.Cluster.SlowStartConfig | lb_common_pb2.SlowStartConfig,
) -> SlowStart | None:
    window = nanos(message.slow_start_window)
    if not window:
        return None
    return SlowStart(
        window,
        message.aggression.default_value if message.HasField("aggression") else 1.0,
        message.min_weight_percent.value if message.HasField("min_weight_percent") else 10.0,
    )
