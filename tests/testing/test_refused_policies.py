"""Clusters with odd balancing: on both sides, and read by the model as Envoy does."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.clusters import decode_cluster
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.testing.refusals import Case
from meshsim.testing.refused_policies import policy_cases
from meshsim.xds.messages import cluster_pb2


def test_there_are_both_sides() -> None:
    found = policy_cases()
    assert {case.accepted for case in found} == {True, False}
    assert len({case.name for case in found}) == len(found)


@pytest.mark.parametrize("case", policy_cases(), ids=lambda case: case.name)
def test_the_model_takes_what_envoy_takes(case: Case) -> None:
    message = cluster_pb2.Cluster.FromString(case.resources["new"])
    if case.accepted:
        decode_cluster(message)
    else:
        with pytest.raises(ResourceRejectedError):
            decode_cluster(message)
