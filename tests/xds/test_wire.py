"""Counting on the wire agrees with decoding."""

from __future__ import annotations

import pytest

from meshsim.xds.messages import route_components_pb2, route_pb2
from meshsim.xds.wire import count_virtual_hosts


@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_virtual_hosts_are_counted(count: int) -> None:
    table = route_pb2.RouteConfiguration(name="80" * 100, ignore_port_in_host_matching=True)
    table.validate_clusters.value = False
    for index in range(count):
        table.virtual_hosts.append(
            route_components_pb2.VirtualHost(name=f"host-{index}", domains=["x" * (index + 1)])
        )
    assert count_virtual_hosts(table.SerializeToString()) == count
