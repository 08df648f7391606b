"""Network filters from protobuf."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.network_filters import (
    EnforceNetworkRbac,
    NetworkExtAuthz,
    NetworkFilter,
    PassiveNetworkFilter,
    TcpCluster,
    TcpProxy,
    decode_network_filter,
)
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.routes import HashPolicy, HashSource
from meshsim.xds.messages import listener_components_pb2
from meshsim.xds.packing import from_json

NETWORK = "type.googleapis.com/envoy.extensions.filters.network."


def decode(kind: str, notes: list[str] | None = None, **fields: Any) -> NetworkFilter:
    body = {"name": "f", "typed_config": {"@type": f"{NETWORK}{kind}", **fields}}
    return decode_network_filter(from_json(body, listener_components_pb2.Filter), [] if notes is None else notes)


def test_tcp_proxy() -> None:
    weighted = {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]}
    found = decode(
        "tcp_proxy.v3.TcpProxy", stat_prefix="x", weighted_clusters=weighted, hash_policy=[{"source_ip": {}}]
    )
    assert isinstance(found, TcpProxy)
    assert found.clusters == (TcpCluster("a", 1), TcpCluster("b", 3))
    assert (found.idle_timeout, found.max_connect_attempts, found.backoff) == (3600 * 10**9, 1, (0, 0))
    assert found.hash_policies == (HashPolicy(HashSource.SOURCE_IP),)
    with pytest.raises(ResourceRejectedError, match="cluster_specifier"):
        decode("tcp_proxy.v3.TcpProxy", stat_prefix="x")


def test_access() -> None:
    rbac = decode("rbac.v3.RBAC", stat_prefix="x", rules={})
    assert isinstance(rbac, EnforceNetworkRbac)
    assert rbac.config.rules is not None
    assert rbac.config.shadow is None
    external = decode("ext_authz.v3.ExtAuthz", stat_prefix="x", grpc_service={"envoy_grpc": {"cluster_name": "c"}})
    assert external == NetworkExtAuthz("c", False)


def test_others() -> None:
    notes: list[str] = []
    assert decode("mongo_proxy.v3.MongoProxy", notes, stat_prefix="m") == PassiveNetworkFilter("f")
    assert notes == []
    assert decode("redis_proxy.v3.RedisProxy", notes) == PassiveNetworkFilter("f")
    assert notes == ["network filter f"]
