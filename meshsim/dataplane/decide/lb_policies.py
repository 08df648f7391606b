"""How a cluster balances: its `load_balancing_policy` if it has one, else `lb_policy` and what stands beside it.

Envoy 1.40, source/common/upstream/upstream_impl.cc (configureLbPolicies, getTypedLbConfigFromClusterProto) and
source/extensions/load_balancing_policies, each `config.cc`; every refusal was seen on the binary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from meshsim.dataplane.decide.balancers import (
    Balancer,
    Hashing,
    LbKind,
    checked_hashing,
    decode_balancer,
    decode_slow_start,
    decode_zone_aware,
    merge_window,
    table_size,
)
from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import Notes
from meshsim.dataplane.decide.subsets import Fallback, SubsetRule, decode_subsets
from meshsim.xds.messages import (
    client_side_weighted_lb_pb2,
    cluster_pb2,
    cluster_provided_lb_pb2,
    lb_common_pb2,
    least_request_lb_pb2,
    maglev_lb_pb2,
    override_host_lb_pb2,
    random_lb_pb2,
    ring_hash_lb_pb2,
    round_robin_lb_pb2,
    subset_lb_pb2,
    typed_struct_pb2,
    wrr_locality_lb_pb2,
    xds_typed_struct_pb2,
)
from meshsim.xds.packing import pack, unpack

_PREFIX: Final = "envoy.extensions.load_balancing_policies."
_LOCALITY_OF: Final = (
    "Currently WrrLocalityLoadBalancer only supports ClientSideWeightedRoundRobinLoadBalancer as its endpoint picking "
    "policy."
)
_PARTIAL: Final = ("zone_aware_lb_config", "locality_weighted_lb_config", "consistent_hashing_lb_config")


class Balancing(NamedTuple):
    """A cluster's load balancer, and the subsets of its hosts that have one each."""

    balancer: Balancer
    subsets: SubsetRule | None = None


def decode_balancing(message: cluster_pb2.Cluster, notes: Notes) -> Balancing:
    """The balancing of a cluster; raises `ResourceRejectedError` with the reason of the NACK, `NotModelledError` for a
    policy that the model does not know."""
    if message.HasField("load_balancing_policy"):
        _check_alone(message)
        names = ", ".join(p.typed_extension_config.name for p in message.load_balancing_policy.policies)
        missing = (
            "cluster: didn't find a registered load balancer factory implementation for cluster: "
            f"'{message.name}' with names from [{names}]"
        )
        found = _decode(_first(message.load_balancing_policy, missing), notes)
    elif message.lb_policy == LbKind.POLICY_CONFIG.value:
        raise ResourceRejectedError("cluster: field load_balancing_policy need to be set")
    else:
        rule = decode_subsets(message.lb_subset_config) if message.lb_subset_config.subset_selectors else None
        found = Balancing(decode_balancer(message), rule)
    # The balancers of subsets are made later, and of what is wrong with them then nobody hears.
    if found.subsets is None:
        checked_hashing(found.balancer)
    else:
        _check_subsets(found.subsets)
    return found._replace(balancer=found.balancer._replace(merge_window=merge_window(message)))


def _check_alone(message: cluster_pb2.Cluster) -> None:
    """A policy leaves no room for the older fields."""
    if message.HasField("lb_subset_config"):
        raise ResourceRejectedError("cluster: load_balancing_policy cannot be combined with lb_subset_config")
    if any(message.common_lb_config.HasField(name) for name in _PARTIAL):
        raise ResourceRejectedError(
            f"cluster: load_balancing_policy cannot be combined with partial fields ({', '.join(_PARTIAL)}) of "
            "common_lb_config"
        )


def _check_subsets(rule: SubsetRule) -> None:
    """Which keys a selector may fall back to (source/extensions/load_balancing_policies/subset/subset_lb_config.cc)."""
    for selector in rule.selectors:
        if selector.fallback is not Fallback.KEYS_SUBSET:
            continue
        if not selector.fallback_keys:
            raise ResourceRejectedError("fallback_keys_subset cannot be empty")
        if not selector.fallback_keys <= selector.keys:
            raise ResourceRejectedError("fallback_keys_subset must be a subset of selector keys")
        if selector.fallback_keys == selector.keys:
            raise ResourceRejectedError("fallback_keys_subset cannot be equal to keys")


def _first(policy: cluster_pb2.LoadBalancingPolicy, missing: str) -> any_pb2.Any:
    """The first policy that Envoy knows, by the type of its configuration; raises the reason where there is none."""
    for one in policy.policies:
        packed = _plain(one.typed_extension_config.typed_config)
        name = _name(packed)
        if name in _KNOWN:
            return packed
        if name in _NOT_MODELLED:
            raise NotModelledError(
                f"load balancing policy {name} is not modelled",
                None,
                "put a policy that is before it, as envoy.load_balancing_policies.round_robin",
            )
    raise ResourceRejectedError(missing)


def _plain(packed: any_pb2.Any) -> any_pb2.Any:
    """A configuration that is written as a TypedStruct in its own type, if that is one of the known."""
    inner: typed_struct_pb2.TypedStruct | xds_typed_struct_pb2.TypedStruct
    if packed.Is(xds_typed_struct_pb2.TypedStruct.DESCRIPTOR):
        inner = unpack(packed, xds_typed_struct_pb2.TypedStruct)
    elif packed.Is(typed_struct_pb2.TypedStruct.DESCRIPTOR):
        inner = unpack(packed, typed_struct_pb2.TypedStruct)
    else:
        return packed
    own = any_pb2.Any(type_url=inner.type_url)
    known = _KNOWN.get(_name(own))
    if known is None:
        return own
    try:
        fields = json_format.MessageToDict(inner.value)
        return pack(json_format.ParseDict(fields, known.message(), ignore_unknown_fields=True))
    except json_format.ParseError as error:
        raise ResourceRejectedError(f"Unable to parse JSON as proto ({error})") from error


def _name(packed: any_pb2.Any) -> str:
    return packed.type_url.rpartition("/")[2].removeprefix(_PREFIX)


def _decode(packed: any_pb2.Any, notes: Notes) -> Balancing:
    known = _KNOWN[_name(packed)]
    read = unpack_valid if known.checked else unpack
    return known.decode(read(packed, known.message), notes)


def _round_robin(message: round_robin_lb_pb2.RoundRobin, notes: Notes) -> Balancing:
    balancer = Balancer(LbKind.ROUND_ROBIN, slow_start=decode_slow_start(message.slow_start_config))
    return Balancing(_local(balancer, message.locality_lb_config))


def _least_request(message: least_request_lb_pb2.LeastRequest, notes: Notes) -> Balancing:
    balancer = Balancer(
        LbKind.LEAST_REQUEST,
        message.choice_count.value or 2,
        message.active_request_bias.default_value if message.HasField("active_request_bias") else 1.0,
        message.selection_method == least_request_lb_pb2.LeastRequest.FULL_SCAN,
        decode_slow_start(message.slow_start_config),
    )
    return Balancing(_local(balancer, message.locality_lb_config))


def _random(message: random_lb_pb2.Random, notes: Notes) -> Balancing:
    return Balancing(_local(Balancer(LbKind.RANDOM), message.locality_lb_config))


def _local(balancer: Balancer, config: lb_common_pb2.LocalityLbConfig) -> Balancer:
    kind = config.WhichOneof("locality_config_specifier")
    if kind == "zone_aware_lb_config":
        return balancer._replace(zone_aware=decode_zone_aware(config.zone_aware_lb_config))
    return balancer._replace(locality_weighted=kind == "locality_weighted_lb_config")


def _ring_hash(message: ring_hash_lb_pb2.RingHash, notes: Notes) -> Balancing:
    hashing = Hashing(
        message.minimum_ring_size.value if message.HasField("minimum_ring_size") else 1024,
        message.maximum_ring_size.value or 8_388_608,
        message.hash_function == ring_hash_lb_pb2.RingHash.MURMUR_HASH_2,
        balance_factor=message.hash_balance_factor.value,
        by_hostname=message.use_hostname_for_hashing,
    )
    return _hashed(LbKind.RING_HASH, message, hashing, notes)


def _maglev(message: maglev_lb_pb2.Maglev, notes: Notes) -> Balancing:
    return _hashed(LbKind.MAGLEV, message, Hashing(table_size=table_size(message)), notes)


def _hashed(
    kind: LbKind, message: ring_hash_lb_pb2.RingHash | maglev_lb_pb2.Maglev, hashing: Hashing, notes: Notes
) -> Balancing:
    if message.HasField("consistent_hashing_lb_config"):
        common = message.consistent_hashing_lb_config
        if common.hash_policy:
            notes.append("hash policies of a load balancer")
        hashing = hashing._replace(
            balance_factor=common.hash_balance_factor.value, by_hostname=common.use_hostname_for_hashing
        )
    weighted = message.HasField("locality_weighted_lb_config")
    return Balancing(Balancer(kind, locality_weighted=weighted, hashing=hashing))


def _client_side(message: client_side_weighted_lb_pb2.ClientSideWeightedRoundRobin, notes: Notes) -> Balancing:
    """Round robin: without load reports the weights of the endpoints stay.

    DEVIATION: hosts report no load, so the weights of client side weighted round robin are those of their assignment.
    """
    notes.append("load reports of client_side_weighted_round_robin")
    return Balancing(Balancer(LbKind.ROUND_ROBIN, slow_start=decode_slow_start(message.slow_start_config)))


def _wrr_locality(message: wrr_locality_lb_pb2.WrrLocality, notes: Notes) -> Balancing:
    packed = _first(message.endpoint_picking_policy, "No supported endpoint picking policy.")
    if _name(packed) != _CLIENT_SIDE:
        raise ResourceRejectedError(_LOCALITY_OF)
    balancer = _decode(packed, notes).balancer
    return Balancing(balancer._replace(locality_weighted=True))


def _subset(message: subset_lb_pb2.Subset, notes: Notes) -> Balancing:
    names = ", ".join(p.typed_extension_config.name for p in message.subset_lb_policy.policies)
    missing = (
        "cluster: didn't find a registered load balancer factory implementation for subset lb with names from "
        f"[{names}]"
    )
    child = _decode(_first(message.subset_lb_policy, missing), notes)
    if child.subsets is not None or child.balancer.kind is LbKind.CLUSTER_PROVIDED:
        raise NotModelledError(
            "a subset load balancing policy over another of its kind, or one of the cluster's own, is not modelled"
        )
    return child._replace(subsets=decode_subsets(message))


def _override_host(message: override_host_lb_pb2.OverrideHost, notes: Notes) -> Balancing:
    names = ", ".join(p.typed_extension_config.name for p in message.fallback_policy.policies)
    missing = f"dynamic forwarding LB: didn't find a registered fallback load balancer factory with names from {names}"
    notes.append("hosts that override_host names")
    return _decode(_first(message.fallback_policy, missing), notes)


def _cluster_provided(message: cluster_provided_lb_pb2.ClusterProvided, notes: Notes) -> Balancing:
    return Balancing(Balancer(LbKind.CLUSTER_PROVIDED))


class _Policy(NamedTuple):
    """A load balancing policy: the message of its configuration, and how it is read."""

    message: type[Message]
    decode: Callable[[Any, Notes], Balancing]
    checked: bool = True
    """Whether Envoy looks at the constraints of its fields."""


_CLIENT_SIDE: Final = "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin"
_KNOWN: Final[Mapping[str, _Policy]] = {
    _CLIENT_SIDE: _Policy(client_side_weighted_lb_pb2.ClientSideWeightedRoundRobin, _client_side),
    "cluster_provided.v3.ClusterProvided": _Policy(cluster_provided_lb_pb2.ClusterProvided, _cluster_provided),
    "least_request.v3.LeastRequest": _Policy(least_request_lb_pb2.LeastRequest, _least_request),
    "maglev.v3.Maglev": _Policy(maglev_lb_pb2.Maglev, _maglev),
    "override_host.v3.OverrideHost": _Policy(override_host_lb_pb2.OverrideHost, _override_host),
    "random.v3.Random": _Policy(random_lb_pb2.Random, _random),
    "ring_hash.v3.RingHash": _Policy(ring_hash_lb_pb2.RingHash, _ring_hash),
    "round_robin.v3.RoundRobin": _Policy(round_robin_lb_pb2.RoundRobin, _round_robin),
    "subset.v3.Subset": _Policy(subset_lb_pb2.Subset, _subset),
    "wrr_locality.v3.WrrLocality": _Policy(wrr_locality_lb_pb2.WrrLocality, _wrr_locality, checked=False),
}
_NOT_MODELLED: Final = (
    "dynamic_modules.v3.DynamicModulesLoadBalancerConfig",
    "load_aware_locality.v3.LoadAwareLocality",
)
"""Policies that Envoy 1.40 has besides."""
