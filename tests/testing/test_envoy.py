"""The bootstrap that the real Envoy judges."""

from __future__ import annotations

from meshsim.testing.envoy import bootstrap, envoy_binary
from meshsim.xds import type_urls
from meshsim.xds.messages import (
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
    route_pb2,
    router_pb2,
)
from meshsim.xds.packing import pack


def test_route_tables_stand_where_listeners_ask_for_them() -> None:
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="x")
    manager.rds.route_config_name = "80"
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.CopyFrom(pack(router_pb2.Router()))
    chain = listener_components_pb2.FilterChain()
    chain.filters.add(name="envoy.filters.network.http_connection_manager").typed_config.CopyFrom(pack(manager))
    listener = listener_pb2.Listener(name="l", filter_chains=[chain])
    table = route_pb2.RouteConfiguration(name="80")
    made = bootstrap(
        {
            type_urls.LISTENER: {"l": listener.SerializeToString()},
            type_urls.ROUTE: {"80": table.SerializeToString()},
        }
    )
    static = made["static_resources"]
    assert isinstance(static, dict)
    (shown,) = static["listeners"]
    config = shown["filter_chains"][0]["filters"][0]["typed_config"]
    assert config["route_config"] == {"name": "80"}
    assert "rds" not in config


def test_the_binary_is_found_beside_the_package_or_not_at_all() -> None:
    binary = envoy_binary()
    assert binary is None or binary.is_file()
