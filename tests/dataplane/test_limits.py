"""Limits of a cluster for one priority."""

from __future__ import annotations

from meshsim.dataplane.decide.clusters import Thresholds
from meshsim.dataplane.limits import USUAL_LIMITS
from meshsim.world.translation import high_limits


def test_the_usual_limits_are_those_of_a_cluster_that_has_none_configured() -> None:
    assert high_limits(Thresholds()) == USUAL_LIMITS
