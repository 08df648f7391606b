"""Precedence of reference section 2.10: subset port, subset, port, top; a port-level entry replaces whole levels."""

from __future__ import annotations

from typing import Any

from meshsim.api import Fields
from meshsim.controlplane.traffic_policies import NO_POLICY, TrafficPolicy, merge_subset, port_policy


def _pool(number: int) -> dict[str, Any]:
    return {"connectionPool": {"tcp": {"maxConnections": number}}}


def _connections(policy: TrafficPolicy) -> int:
    assert policy.connection_pool is not None
    return policy.connection_pool.fields("tcp").integer("maxConnections")


TOP = Fields({**_pool(1), "outlierDetection": {}, "portLevelSettings": [{"port": {"number": 81}, **_pool(2)}]})


def test_the_top_level_counts_for_ports_without_their_own() -> None:
    policy, own = port_policy(TOP, 80)
    assert (_connections(policy), own) == (1, False)
    assert policy.outlier_detection is not None


def test_a_port_level_entry_inherits_nothing() -> None:
    policy, own = port_policy(TOP, 81)
    assert (_connections(policy), own) == (2, True)
    assert policy.outlier_detection is None


def test_a_subset_overrides_block_by_block() -> None:
    policy = merge_subset(port_policy(TOP, 80)[0], Fields({"tls": {"mode": "DISABLE"}}), 80)
    assert _connections(policy) == 1
    assert policy.tls is not None
    assert policy.outlier_detection is not None


def test_a_port_level_entry_of_a_subset_overrides_absent_blocks_too() -> None:
    subset = Fields({"portLevelSettings": [{"port": {"number": 80}, "outlierDetection": {}}]})
    policy = merge_subset(port_policy(TOP, 80)[0], subset, 80)
    assert policy.connection_pool is None
    assert policy.outlier_detection is not None


def test_nothing_given() -> None:
    assert port_policy(None, 80) == (NO_POLICY, False)
    assert merge_subset(NO_POLICY, None, 80) == NO_POLICY
