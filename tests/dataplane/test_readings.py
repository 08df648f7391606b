"""Readings are columns of the core's tables by their names."""

from __future__ import annotations

from meshsim.dataplane.readings import ClusterStats, HostState
from meshsim.dataplane.storage import FIELDS


def test_statistics_of_a_cluster_are_columns_of_its_row() -> None:
    assert set(ClusterStats._fields) <= set(FIELDS["cluster"])


def test_the_state_of_a_host() -> None:
    assert set(HostState._fields) - {"usable"} <= set(FIELDS["host"])
