"""Links between selections: delayed or cut in both directions, and as before once reverted."""

from __future__ import annotations

from meshsim.faults import DelayLink, PartitionLink
from meshsim.network import Party, Selection
from meshsim.units import MILLISECOND

from .conftest import SmallMesh

A = Party(namespace="shop", name="one", workload="web", node="a", zone="z1")
B = Party(namespace="shop", name="two", workload="db", node="b", zone="z2")


def test_a_partition_cuts_both_ways_and_heals(mesh: SmallMesh) -> None:
    revert = PartitionLink((Selection(zone="z1"),), (Selection(workload="db"),)).apply(mesh, "cut")
    assert not mesh.network.between(A, B).reachable
    assert not mesh.network.between(B, A).reachable
    assert mesh.network.between(A, A).reachable
    revert()
    assert mesh.network.between(A, B).reachable


def test_a_delay_adds_to_the_latency(mesh: SmallMesh) -> None:
    before = mesh.network.between(A, B)
    slow = DelayLink((Selection(node="a"),), (Selection(node="b"),), 20 * MILLISECOND, MILLISECOND)
    revert = slow.apply(mesh, "slow")
    during = mesh.network.between(A, B)
    assert during.one_way == before.one_way + 20 * MILLISECOND
    assert during.jitter == before.jitter + MILLISECOND
    revert()
    assert mesh.network.between(A, B) == before
