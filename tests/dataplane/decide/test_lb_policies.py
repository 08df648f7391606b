"""Load balancing policies: each kind in the terms that balancing has."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.balancers import Balancer, Hashing, LbKind, SlowStart
from meshsim.dataplane.decide.lb_policies import Balancing, decode_balancing
from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError
from meshsim.testing.refused_policies import CLIENT_SIDE, ROUND_ROBIN, policies, policy
from meshsim.units import SECOND
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

WEIGHTED = {"locality_weighted_lb_config": {}}


def decode(*each: dict[str, Any], notes: list[str] | None = None, **more: Any) -> Balancing:
    body = {"name": "c", "load_balancing_policy": policies(*each), **more}
    return decode_balancing(from_json(body, cluster_pb2.Cluster), [] if notes is None else notes)


def test_least_request() -> None:
    config = {
        "choice_count": 5,
        "active_request_bias": {"default_value": 0.5, "runtime_key": "k"},
        "slow_start_config": {"slow_start_window": "8s", "min_weight_percent": {"value": 20}},
    }
    expected = Balancer(LbKind.LEAST_REQUEST, 5, 0.5, slow_start=SlowStart(8 * SECOND, 1.0, 20))
    assert decode(policy("least_request.v3.LeastRequest", **config)) == Balancing(expected)
    assert decode(policy("least_request.v3.LeastRequest", selection_method="FULL_SCAN")).balancer.full_scan


def test_hashing() -> None:
    ring = {"minimum_ring_size": "12", "maximum_ring_size": "24", "hash_function": "MURMUR_HASH_2"}
    hashed = {"hash_balance_factor": 125, "use_hostname_for_hashing": True}
    expected = Balancing(Balancer(LbKind.RING_HASH, hashing=Hashing(12, 24, True, 65_537, 125, True)))
    assert decode(policy("ring_hash.v3.RingHash", **ring, consistent_hashing_lb_config=hashed)) == expected
    assert decode(policy("ring_hash.v3.RingHash", **ring, **hashed)) == expected, "the older place"
    maglev = policy("maglev.v3.Maglev", table_size="101", **WEIGHTED)
    assert decode(maglev).balancer == Balancer(LbKind.MAGLEV, locality_weighted=True, hashing=Hashing(table_size=101))


@pytest.mark.parametrize("kind", [ROUND_ROBIN, "least_request.v3.LeastRequest", "random.v3.Random"])
def test_localities_and_zones(kind: str) -> None:
    assert decode(policy(kind, locality_lb_config=WEIGHTED)).balancer.locality_weighted
    forced = {"zone_aware_lb_config": {"force_local_zone": {"min_size": 2}}}
    assert decode(policy(kind, locality_lb_config=forced)).balancer.zone_aware.force_local == 2


def test_weights_from_reports_are_those_of_the_endpoints() -> None:
    notes: list[str] = []
    assert decode(policy(CLIENT_SIDE), notes=notes) == Balancing(Balancer(LbKind.ROUND_ROBIN))
    assert notes == ["load reports of client_side_weighted_round_robin"]
    over = policy("wrr_locality.v3.WrrLocality", endpoint_picking_policy=policies(policy(CLIENT_SIDE)))
    assert decode(over).balancer == Balancer(LbKind.ROUND_ROBIN, locality_weighted=True)


def test_subsets() -> None:
    fields = {
        "subset_selectors": [{"keys": ["v"], "fallback_policy": "ANY_ENDPOINT"}],
        "fallback_policy": "DEFAULT_SUBSET",
        "default_subset": {"v": "1"},
        "panic_mode_any": True,
        "list_as_any": True,
        "metadata_fallback_policy": "FALLBACK_LIST",
    }
    older = from_json({"name": "c", "lb_policy": "RANDOM", "lb_subset_config": fields}, cluster_pb2.Cluster)
    extension = policy("subset.v3.Subset", **fields, subset_lb_policy=policies(policy("random.v3.Random")))
    assert decode(extension) == decode_balancing(older, [])
    assert decode(extension).subsets is not None


def test_the_first_known_policy_counts() -> None:
    assert decode(policy("random.v3.Random"), policy(ROUND_ROBIN)).balancer.kind is LbKind.RANDOM
    # The protos have it, Envoy does not.
    unknown = policy("pick_first.v3.PickFirst")
    assert decode(unknown, policy("random.v3.Random")).balancer.kind is LbKind.RANDOM
    with pytest.raises(ResourceRejectedError, match="names from"):
        decode(unknown)


def test_hosts_that_a_header_names_are_told_as_not_modelled() -> None:
    notes: list[str] = []
    fallback = policies(policy("random.v3.Random"))
    kind = "override_host.v3.OverrideHost"
    found = decode(policy(kind, override_host_sources=[{"header": "x"}], fallback_policy=fallback), notes=notes)
    assert (found.balancer.kind, notes) == (LbKind.RANDOM, ["hosts that override_host names"])


def test_what_is_not_modelled_is_refused_by_name() -> None:
    message = cluster_pb2.Cluster(name="c")
    one = message.load_balancing_policy.policies.add().typed_extension_config
    one.typed_config.type_url = "type.googleapis.com/envoy.extensions.load_balancing_policies."
    one.typed_config.type_url += "load_aware_locality.v3.LoadAwareLocality"
    with pytest.raises(NotModelledError, match="load_aware_locality"):
        decode_balancing(message, [])
    inner = policy("subset.v3.Subset", subset_lb_policy=policies(policy(ROUND_ROBIN)))
    with pytest.raises(NotModelledError, match="another of its kind"):
        decode(policy("subset.v3.Subset", subset_lb_policy=policies(inner)))
