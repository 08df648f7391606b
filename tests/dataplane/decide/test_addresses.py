"""Addresses that nothing resolves, in the words of Envoy 1.40 (compared in tests/conformance/test_envoy_nacks.py)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.dataplane.decide.addresses import check_addresses, check_listen_address, unresolved
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import address_pb2, endpoint_pb2
from meshsim.xds.packing import from_json


def address(**socket: Any) -> address_pb2.Address:
    body = {"address": "10.0.0.1", "port_value": 1, **socket}
    return from_json({"socket_address": body}, address_pb2.Address)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (address(), ""),
        (address(address="::1"), ""),
        (address(resolver_name="envoy.ip"), ""),
        (from_json({"pipe": {"path": "/x"}}, address_pb2.Address), ""),
        (address_pb2.Address(), "Address must be set: "),
        (address(address="example.com"), "malformed IP address: example.com"),
        (address(resolver_name="x", address="example.com"), "Unknown address resolver: x"),
    ],
)
def test_what_is_resolved(message: address_pb2.Address, reason: str) -> None:
    assert unresolved(message) == reason


@pytest.mark.parametrize(
    ("host", "fine"), [("::", True), ("::ffff:10.0.0.1", True), ("::1", False), ("0.0.0.0", False)]
)
def test_ipv4_beside_ipv6(host: str, fine: bool) -> None:
    message = address(address=host, ipv4_compat=True)
    if fine:
        check_listen_address(message)
    else:
        with pytest.raises(ResourceRejectedError, match="can set ipv4_compat"):
            check_listen_address(message)


def assignment(**locality: Any) -> endpoint_pb2.ClusterLoadAssignment:
    return from_json({"cluster_name": "c", "endpoints": [locality]}, endpoint_pb2.ClusterLoadAssignment)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("{a}", "{a} does not have a xdstp:, http: or file: scheme"),
        ("xdstp://a/x/*", "xdstp:// type does not match envoy.config.endpoint.v3.LbEndpoint in xdstp://a/x/*"),
        ("xdstp://a/envoy.config.endpoint.v3.LbEndpoint/x/*", "Missing or not supported config source specifier"),
    ],
)
def test_collections_of_endpoints(name: str, reason: str) -> None:
    message = assignment(leds_cluster_locality_config={"leds_collection_name": name})
    with pytest.raises(ResourceRejectedError) as refused:
        check_addresses(message)
    assert refused.value.message.startswith(reason)
    with pytest.raises(ResourceRejectedError, match="Static cluster s cannot use LEDS"):
        check_addresses(message, "s")


def test_an_endpoint_needs_an_address() -> None:
    with pytest.raises(ResourceRejectedError, match="Address must be set"):
        check_addresses(assignment(lb_endpoints=[{}]))
