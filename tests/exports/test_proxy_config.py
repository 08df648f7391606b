"""`proxy-config cluster`, `endpoint` and `ecds`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.exports.proxy_config import (
    cluster_table,
    describe_address,
    describe_locality,
    ecds_table,
    endpoint_table,
    subset_key,
)
from meshsim.xds.messages import address_pb2, base_pb2, endpoint_pb2
from meshsim.xds.packing import from_json


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("type_name", "kind", "table"), [("cds", "cluster", cluster_table), ("ecds", "ecds", ecds_table)]
)
def test_as_istioctl_prints_it(printed: Callable, type_name: str, kind: str, table: Callable) -> None:
    count = 0
    for proxy in printed(type_name, kind):
        assert table(proxy.resources) == proxy.text, proxy.name
        count += 1
    assert count > 100


def test_parts_of_a_name() -> None:
    assert subset_key("outbound|80|v1|a.b.svc.cluster.local") == ("a.b.svc.cluster.local", "v1", 80, "outbound")
    assert subset_key("PassthroughCluster") == ("PassthroughCluster", "", 0, "")


def test_endpoints() -> None:
    def hosts(address: str, zone: str) -> dict[str, object]:
        socket = {"socket_address": {"address": address, "port_value": 8080}}
        endpoint = {"endpoint": {"address": socket}, "health_status": "HEALTHY"}
        return {"locality": {"region": "eu", "zone": zone}, "lb_endpoints": [endpoint]}

    body: dict[str, object] = {
        "cluster_name": "outbound|80||a",
        "endpoints": [hosts("10.0.0.1", "a"), hosts("10.0.0.2", "")],
    }
    assert endpoint_table([from_json(body, endpoint_pb2.ClusterLoadAssignment)]) == (
        "NAME              STATUS      LOCALITY     CLUSTER\n"
        "10.0.0.1:8080     HEALTHY     eu/a         outbound|80||a\n"
        "10.0.0.2:8080     HEALTHY     eu           outbound|80||a\n"
    )


def test_addresses_and_localities() -> None:
    assert describe_address(from_json({"pipe": {"path": "/run/x.sock"}}, address_pb2.Address)) == "/run/x.sock"
    inner: dict[str, object] = {"envoy_internal_address": {"server_listener_name": "main", "endpoint_id": "1"}}
    assert describe_address(from_json(inner, address_pb2.Address)) == "envoy://main/1"
    assert describe_address(address_pb2.Address()) == "unknown"
    assert describe_locality(base_pb2.Locality(region="r", zone="z", sub_zone="s")) == "r/z/s"
