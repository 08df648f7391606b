"""Subsets of hosts, measured on Envoy 1.40: which hosts each route may reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import struct_pb2
from xds_bodies import address

from meshsim.dataplane.decide.endpoints import LoadAssignment, decode_assignment, subset_labels
from meshsim.dataplane.decide.subsets import decode_subsets, merged_labels, subset_chain
from meshsim.xds.messages import cluster_pb2, endpoint_pb2
from meshsim.xds.packing import from_json

HOSTS = ({"v": "1", "stage": "prod"}, {"v": "1"}, {"v": "2", "stage": "prod"}, {})
SELECTORS = [{"keys": ["v"]}, {"keys": ["stage", "v"]}]


def assignment(hosts: Sequence[dict[str, Any]] = HOSTS) -> LoadAssignment:
    endpoints = [
        {
            "endpoint": {"address": address(f"10.0.0.{i}", 80)},
            "metadata": {"filter_metadata": {"envoy.lb": own}},
        }
        for i, own in enumerate(hosts)
    ]
    group = {"locality": {"zone": "a"}, "load_balancing_weight": 7, "lb_endpoints": endpoints}
    return decode_assignment(from_json({"cluster_name": "c", "endpoints": [group]}, endpoint_pb2.ClusterLoadAssignment))


def chain(match: dict[str, Any], hosts: LoadAssignment | None = None, **config: Any) -> list[tuple[str, list[int]]]:
    """Names of the subsets that are asked one after the other, and the numbers of their hosts."""
    message = from_json({"subset_selectors": SELECTORS, **config}, cluster_pb2.Cluster.LbSubsetConfig)
    struct = struct_pb2.Struct()
    struct.update(match)
    found = subset_chain(decode_subsets(message), hosts or assignment(), subset_labels(struct))
    return [(one.name, [int(endpoint.address[-1]) for endpoint in one.assignment.endpoints]) for one in found]


def allowed(match: dict[str, Any], hosts: LoadAssignment | None = None, **config: Any) -> list[list[int]]:
    return [numbers for _, numbers in chain(match, hosts, **config)]


ALL = [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("match", "without", "any_", "default"),
    [
        ({"v": "1"}, [[0, 1]], [[0, 1]], [[0, 1]]),
        ({"v": "2", "stage": "prod"}, [[2]], [[2]], [[2]]),
        ({"v": "9"}, [], [ALL], [[2]]),
        ({"stage": "prod"}, [], [ALL], [[2]]),
        ({}, [], [ALL], [[2]]),
    ],
)
def test_fallbacks(match: dict[str, str], without: list[Any], any_: list[Any], default: list[Any]) -> None:
    assert allowed(match) == without
    assert allowed(match, fallback_policy="ANY_ENDPOINT") == any_
    assert allowed(match, fallback_policy="DEFAULT_SUBSET", default_subset={"v": "2"}) == default
    assert allowed(match, panic_mode_any=True) == without


def test_all_hosts_are_asked_where_the_default_subset_finds_none() -> None:
    config = {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"v": "2"}, "panic_mode_any": True}
    assert allowed({"v": "9"}, **config) == [[2], ALL]
    assert allowed({"v": "1"}, **config) == [[0, 1]]


def test_a_selector_may_have_a_fallback_of_its_own() -> None:
    selectors = [
        {"keys": ["v"], "fallback_policy": "ANY_ENDPOINT"},
        {"keys": ["stage"], "fallback_policy": "NO_FALLBACK"},
        {"keys": ["stage", "v"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["v"]},
    ]
    config = {"subset_selectors": selectors, "fallback_policy": "DEFAULT_SUBSET", "default_subset": {"v": "2"}}
    assert allowed({"v": "9"}, **config) == [ALL]
    assert allowed({"stage": "test"}, **config) == []
    assert allowed({"stage": "test", "v": "1"}, **config) == [[0, 1]]
    assert allowed({"other": "1"}, **config) == [[2]]


def test_equal_questions_have_one_answer_and_a_name() -> None:
    message = from_json({"subset_selectors": SELECTORS}, cluster_pb2.Cluster.LbSubsetConfig)
    hosts = assignment()
    first = subset_chain(decode_subsets(message), hosts, (("v", "1"),))
    assert first is subset_chain(decode_subsets(message), hosts, (("v", "1"),))
    assert first[0].name == "v=1"
    assert chain({}, fallback_policy="ANY_ENDPOINT")[0][0] == "any"


@pytest.mark.parametrize(("aware", "weight", "zone"), [(False, 1, ""), (True, 7, "a")])
def test_localities_count_only_where_subsets_are_aware_of_them(aware: bool, weight: int, zone: str) -> None:
    body = {"subset_selectors": SELECTORS, "locality_weight_aware": aware}
    rule = decode_subsets(from_json(body, cluster_pb2.Cluster.LbSubsetConfig))
    (found,) = subset_chain(rule, assignment(), (("v", "1"),))
    assert [(group.weight, group.zone) for group in found.assignment.localities] == [(weight, zone)]


def test_lists_stand_for_each_of_their_values_where_they_are_asked_to() -> None:
    hosts = assignment(({"v": ["1", "2"]}, {"v": "1"}, {"v": [3, True]}))
    selectors = [{"keys": ["v"]}]
    assert allowed({"v": "1"}, hosts, subset_selectors=selectors) == [[1]]
    assert allowed({"v": "1"}, hosts, subset_selectors=selectors, list_as_any=True) == [[0, 1]]
    assert allowed({"v": 3}, hosts, subset_selectors=selectors, list_as_any=True) == [[2]]
    assert allowed({"v": ["1", "2"]}, hosts, subset_selectors=selectors) == [[0]]


def test_a_subset_of_a_single_host_is_the_first_one() -> None:
    selectors = [{"keys": ["v"], "single_host_per_subset": True}]
    assert chain({"v": "1"}, subset_selectors=selectors) == [("v=1 alone", [0])]


def test_labels_of_a_list_are_tried_one_after_the_other() -> None:
    wanted = {"v": "9", "fallback_list": [{"v": "2"}, {"stage": "prod", "v": "1"}, {}]}
    listed = {"metadata_fallback_policy": "FALLBACK_LIST"}
    assert allowed(wanted) == []
    assert allowed(wanted, **listed) == [[2], [0]]
    assert allowed({"v": "1", "fallback_list": []}, **listed) == [[0, 1]]


def test_a_cluster_of_a_route_adds_its_labels() -> None:
    assert merged_labels((("a", "1"), ("v", "1")), (("b", "3"), ("v", "2"))) == (("a", "1"), ("b", "3"), ("v", "2"))
    assert merged_labels((("a", "1"),), ()) == (("a", "1"),)
