"""Twisted resources: readable, of every type, the same for the same seed, and some of them still good."""

from __future__ import annotations

from collections import Counter

from meshsim.testing.config_oracle import ModelOracle
from meshsim.testing.twisted import TwistedResources
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2


def test_they_are_good_and_bad() -> None:
    drawn, again, model = TwistedResources(1, 80), TwistedResources(1, 80), ModelOracle(80)
    sides: Counter[tuple[str, bool]] = Counter()
    for _ in range(400):
        one = drawn.next()
        assert again.next() == one
        sides[type_urls.SHORT[one.type_url], model.judge({one.name: one.body}, one.type_url).accepted] += 1
    assert all(sides[kind, accepted] > 10 for kind in ("cds", "eds", "lds", "rds") for accepted in (True, False))


def test_no_cluster_waits_for_endpoints() -> None:
    drawn = TwistedResources(2, 80)
    for _ in range(400):
        one = drawn.next()
        if one.type_url == type_urls.CLUSTER:
            assert cluster_pb2.Cluster.FromString(one.body).type != cluster_pb2.Cluster.EDS
