"""Clusters whose load balancing policy Envoy refuses, and some that it takes, as measured on Envoy 1.40."""

from __future__ import annotations

from typing import Any, Final

from meshsim.testing.ads_resources import LOOPBACK
from meshsim.testing.refusals import Case
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

Json = dict[str, Any]

_TYPE: Final = "type.googleapis.com/"
_PREFIX: Final = _TYPE + "envoy.extensions.load_balancing_policies."
_STRUCT: Final = _TYPE + "xds.type.v3.TypedStruct"
CLIENT_SIDE: Final = "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin"
ROUND_ROBIN: Final = "round_robin.v3.RoundRobin"
_RING: Final[Json] = {"minimum_ring_size": 2048, "maximum_ring_size": 1024}


def policy(kind: str, **config: Any) -> Json:
    """One policy by the type of its configuration, as `round_robin.v3.RoundRobin`."""
    return {"typed_extension_config": {"name": kind, "typed_config": {"@type": _PREFIX + kind, **config}}}


def policies(*each: Json) -> Json:
    """A `load_balancing_policy`."""
    return {"policies": list(each)}


def policy_cases() -> list[Case]:
    """Clusters by the names of what is odd about their balancing."""
    refused, taken = {**_chosen(), **_older()}, _taken()
    return [_case(name, body, name in taken) for name, body in {**refused, **taken}.items()]


def _case(name: str, body: Json, accepted: bool) -> Case:
    assignment = {
        "cluster_name": "new",
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": _SOCKET}}}]}],
    }
    hosts = {} if body.get("type") else {"type": "STATIC", "load_assignment": assignment}
    message = from_json({"name": "new", "connect_timeout": "1s", **hosts, **body}, cluster_pb2.Cluster)
    return Case(name, type_urls.CLUSTER, {"new": message.SerializeToString()}, accepted)


_SOCKET: Final[Json] = {"address": LOOPBACK, "port_value": 1}
_UNKNOWN: Final[Json] = {
    "typed_extension_config": {"name": "foo", "typed_config": {"@type": _TYPE + "google.protobuf.Empty"}}
}


def _with(*each: Json, **more: Any) -> Json:
    return {"load_balancing_policy": policies(*each), **more}


def _struct(kind: str, **value: Any) -> Json:
    inner = {"@type": _STRUCT, "type_url": _PREFIX + kind, "value": value}
    return {"typed_extension_config": {"name": "n", "typed_config": inner}}


def _subsets(*each: Json, selector: Json | None = None) -> Json:
    return policy("subset.v3.Subset", subset_selectors=[selector or {"keys": ["a"]}], subset_lb_policy=policies(*each))


def _chosen() -> dict[str, Json]:
    """Policies, refused."""
    plain = policy(ROUND_ROBIN)
    keys = {"keys": ["a"], "fallback_policy": "KEYS_SUBSET"}
    return {
        "no policy": _with(),
        "a policy of nobody": _with(_UNKNOWN),
        "a policy in a struct of nobody": _with(_struct("foo.v3.Foo")),
        "a policy beside subsets": _with(plain, lb_subset_config={}),
        "a policy beside zones": _with(plain, common_lb_config={"zone_aware_lb_config": {}}),
        "a policy beside localities": _with(plain, common_lb_config={"locality_weighted_lb_config": {}}),
        "a policy beside hashing": _with(plain, common_lb_config={"consistent_hashing_lb_config": {}}),
        "a ring with its ends exchanged": _with(policy("ring_hash.v3.RingHash", **_RING)),
        "a table that is no prime": _with(policy("maglev.v3.Maglev", table_size=100)),
        "localities over round robin": _with(
            policy("wrr_locality.v3.WrrLocality", endpoint_picking_policy=policies(plain))
        ),
        "localities over nobody": _with(
            policy("wrr_locality.v3.WrrLocality", endpoint_picking_policy=policies(_UNKNOWN))
        ),
        "localities over nothing": _with(policy("wrr_locality.v3.WrrLocality")),
        "subsets over nobody": _with(_subsets(_UNKNOWN)),
        "subsets over nothing": _with(_subsets()),
        "subsets that fall back to other keys": _with(
            _subsets(plain, selector={**keys, "fallback_keys_subset": ["b"]})
        ),
        "subsets that fall back to their own keys": _with(
            _subsets(plain, selector={**keys, "fallback_keys_subset": ["a"]})
        ),
        "subsets that fall back to no keys": _with(_subsets(plain, selector=keys)),
        "hosts by name over nobody": _with(
            policy(
                "override_host.v3.OverrideHost",
                override_host_sources=[{"header": "x"}],
                fallback_policy=policies(_UNKNOWN),
            )
        ),
        "hosts by name from nowhere": _with(policy("override_host.v3.OverrideHost", fallback_policy=policies(plain))),
        "a balancer of its own by policy": _with(policy("cluster_provided.v3.ClusterProvided")),
        "an original destination with a policy": _with(plain, type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED"),
    }


def _older() -> dict[str, Json]:
    """The older fields, refused."""
    keys = {"keys": ["a"], "fallback_policy": "KEYS_SUBSET"}
    return {
        "a policy that is not there": {"lb_policy": "LOAD_BALANCING_POLICY_CONFIG"},
        "an older ring with its ends exchanged": {"lb_policy": "RING_HASH", "ring_hash_lb_config": _RING},
        "an older table that is no prime": {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 100}},
        "older subsets that fall back to other keys": {
            "lb_subset_config": {"subset_selectors": [{**keys, "fallback_keys_subset": ["b"]}]}
        },
    }


def _taken() -> dict[str, Json]:
    """Policies that Envoy takes."""
    plain = policy(ROUND_ROBIN)
    return {
        "the second policy": _with(_UNKNOWN, plain),
        "a policy in a struct with a strange field": _with(_struct(ROUND_ROBIN, foo=1)),
        "a policy in a struct": _with(_struct("random.v3.Random")),
        "a policy instead of an older one": _with(plain, lb_policy="CLUSTER_PROVIDED"),
        "a policy beside a panic threshold": _with(plain, common_lb_config={"healthy_panic_threshold": {"value": 1}}),
        "weights from reports": _with(policy(CLIENT_SIDE)),
        "localities over weights from reports": _with(
            policy("wrr_locality.v3.WrrLocality", endpoint_picking_policy=policies(policy(CLIENT_SIDE)))
        ),
        "subsets over a ring with its ends exchanged": _with(_subsets(policy("ring_hash.v3.RingHash", **_RING))),
        "older subsets over a table that is no prime": {
            "lb_policy": "MAGLEV",
            "maglev_lb_config": {"table_size": 100},
            "lb_subset_config": {"subset_selectors": [{"keys": ["a"]}]},
        },
        "a ring of another policy": {"lb_policy": "RANDOM", "ring_hash_lb_config": _RING},
        "an original destination by policy": _with(
            policy("cluster_provided.v3.ClusterProvided"), type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED"
        ),
    }
