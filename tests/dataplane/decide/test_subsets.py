"""Subsets of hosts, measured on Envoy 1.40: which hosts each route may reach."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import address

from meshsim.dataplane.decide.endpoints import LoadAssignment, decode_assignment
from meshsim.dataplane.decide.subsets import choose_subset, decode_subsets
from meshsim.xds.messages import cluster_pb2, endpoint_pb2
from meshsim.xds.packing import from_json

HOSTS = ({"v": "1", "stage": "prod"}, {"v": "1"}, {"v": "2", "stage": "prod"}, {})
SELECTORS = [{"keys": ["v"]}, {"keys": ["stage", "v"]}]


def assignment() -> LoadAssignment:
    endpoints = [
        {
            "endpoint": {"address": address(f"10.0.0.{i}", 80)},
            "metadata": {"filter_metadata": {"envoy.lb": own}},
        }
        for i, own in enumerate(HOSTS)
    ]
    group = {"locality": {"zone": "a"}, "load_balancing_weight": 7, "lb_endpoints": endpoints}
    return decode_assignment(from_json({"cluster_name": "c", "endpoints": [group]}, endpoint_pb2.ClusterLoadAssignment))


def allowed(match: dict[str, str], **config: Any) -> list[int]:
    message = from_json({"subset_selectors": SELECTORS, **config}, cluster_pb2.Cluster.LbSubsetConfig)
    found = choose_subset(decode_subsets(message), assignment(), tuple(sorted(match.items())))
    return [int(endpoint.address[-1]) for endpoint in found.assignment.endpoints]


@pytest.mark.parametrize(
    ("match", "without", "any_", "default"),
    [
        ({"v": "1"}, [0, 1], [0, 1], [0, 1]),
        ({"v": "2", "stage": "prod"}, [2], [2], [2]),
        ({"v": "9"}, [], [0, 1, 2, 3], [2]),
        ({"stage": "prod"}, [], [0, 1, 2, 3], [2]),
        ({}, [], [0, 1, 2, 3], [2]),
    ],
)
def test_fallbacks(match: dict[str, str], without: list[int], any_: list[int], default: list[int]) -> None:
    assert allowed(match) == without
    assert allowed(match, fallback_policy="ANY_ENDPOINT") == any_
    assert allowed(match, fallback_policy="DEFAULT_SUBSET", default_subset={"v": "2"}) == default
    assert allowed(match, panic_mode_any=True) == (without or [0, 1, 2, 3])


def test_a_selector_may_have_a_fallback_of_its_own() -> None:
    selectors = [
        {"keys": ["v"], "fallback_policy": "ANY_ENDPOINT"},
        {"keys": ["stage"], "fallback_policy": "NO_FALLBACK"},
        {"keys": ["stage", "v"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["v"]},
    ]
    config = {"subset_selectors": selectors, "fallback_policy": "DEFAULT_SUBSET", "default_subset": {"v": "2"}}
    assert allowed({"v": "9"}, **config) == [0, 1, 2, 3]
    assert allowed({"stage": "test"}, **config) == []
    assert allowed({"stage": "test", "v": "1"}, **config) == [0, 1]
    assert allowed({"other": "1"}, **config) == [2]


def test_equal_questions_have_one_answer_and_a_name() -> None:
    message = from_json({"subset_selectors": SELECTORS}, cluster_pb2.Cluster.LbSubsetConfig)
    hosts = assignment()
    first = choose_subset(decode_subsets(message), hosts, (("v", "1"),))
    assert first is choose_subset(decode_subsets(message), hosts, (("v", "1"),))
    assert first.name == "v=1"
    assert choose_subset(decode_subsets(message), hosts, ()).name == "none"


@pytest.mark.parametrize(("aware", "weight", "zone"), [(False, 1, ""), (True, 7, "a")])
def test_localities_count_only_where_subsets_are_aware_of_them(aware: bool, weight: int, zone: str) -> None:
    body = {"subset_selectors": SELECTORS, "locality_weight_aware": aware}
    rule = decode_subsets(from_json(body, cluster_pb2.Cluster.LbSubsetConfig))
    found = choose_subset(rule, assignment(), (("v", "1"),)).assignment.localities
    assert [(group.weight, group.zone) for group in found] == [(weight, zone)]
