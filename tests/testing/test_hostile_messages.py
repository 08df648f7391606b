"""Twisted messages stay well-formed, and reach what is packed in them."""

from __future__ import annotations

import random

from meshsim.testing.ads_resources import rds_listener, route_table
from meshsim.testing.hostile_messages import twist
from meshsim.xds.messages import http_connection_manager_pb2, listener_pb2, route_pb2


def test_a_twisted_message_can_be_read_and_differs() -> None:
    changed = 0
    for seed in range(200):
        message = route_table("t")
        twist(message, random.Random(seed))
        assert route_pb2.RouteConfiguration.FromString(message.SerializeToString()) is not None
        changed += message != route_table("t")
    assert changed > 120


def test_what_is_packed_is_twisted_too() -> None:
    inside = 0
    for seed in range(300):
        message: listener_pb2.Listener = rds_listener("l", 80, "t")
        twist(message, random.Random(seed))
        for chain in message.filter_chains:
            for network_filter in chain.filters:
                manager = http_connection_manager_pb2.HttpConnectionManager()
                if network_filter.typed_config.Is(manager.DESCRIPTOR):
                    inside += network_filter.typed_config.value != _manager_of(rds_listener("l", 80, "t"))
    assert inside > 10


def _manager_of(listener: listener_pb2.Listener) -> bytes:
    return listener.filter_chains[0].filters[0].typed_config.value
