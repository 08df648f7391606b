"""The inputs are hostile enough: every kind of damage occurs, and much of it survives to the decoders."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from meshsim.testing.hostile import HostileServer, Victim
from meshsim.xds.messages import discovery_pb2


def test_some_responses_are_broken_and_most_are_not() -> None:
    server = HostileServer(1)
    broken = 0
    for _ in range(500):
        arrived = server.next()
        try:
            if arrived.delta:
                discovery_pb2.DeltaDiscoveryResponse.FromString(arrived.body)
            else:
                discovery_pb2.DiscoveryResponse.FromString(arrived.body)
        except DecodeError:
            broken += 1
    assert 10 < broken < 200


def test_a_victim_begins_with_a_good_configuration() -> None:
    victim = Victim()
    for config in victim.configs.values():
        assert sorted(config.active.listeners) == ["base"]
        assert sorted(config.active.clusters) == ["a", "eds"]
        assert not config.active.warming_clusters
