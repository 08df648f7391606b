"""Constraints as Envoy 1.40 words them (tests/conformance/test_envoy_nacks.py compares with the real one)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.message import Message

from meshsim.xds.constraints import violation
from meshsim.xds.messages import (
    cluster_pb2,
    endpoint_pb2,
    http_rbac_pb2,
    listener_pb2,
    route_pb2,
)
from meshsim.xds.packing import from_json

BELOW = "embedded message failed validation | caused by"


def table(*routes: Mapping[str, Any], **host: Any) -> route_pb2.RouteConfiguration:
    whole = {"name": "v", "domains": ["*"], "routes": list(routes), **host}
    return from_json({"name": "t", "virtual_hosts": [whole]}, route_pb2.RouteConfiguration)


CASES: dict[str, tuple[Message, str]] = {
    "a text that is too short": (
        cluster_pb2.Cluster(),
        "ClusterValidationError.Name: value length must be at least 1 characters",
    ),
    "a list that is too short": (
        table(domains=[]),
        f"RouteConfigurationValidationError.VirtualHosts[0]: {BELOW} "
        "VirtualHostValidationError.Domains: value must contain at least 1 item(s)",
    ),
    "a oneof that is not set": (
        table({"match": {"prefix": "/"}}),
        f"RouteConfigurationValidationError.VirtualHosts[0]: {BELOW} VirtualHostValidationError.Routes[0]: {BELOW} "
        'field: "action", reason: is required',
    ),
    "a message that is not there": (
        table({"direct_response": {"status": 200}}),
        f"RouteConfigurationValidationError.VirtualHosts[0]: {BELOW} VirtualHostValidationError.Routes[0]: {BELOW} "
        "RouteValidationError.Match: value is required",
    ),
    "a number out of its range": (
        table({"match": {"prefix": "/"}, "direct_response": {"status": 99}}),
        f"RouteConfigurationValidationError.VirtualHosts[0]: {BELOW} VirtualHostValidationError.Routes[0]: {BELOW} "
        f"RouteValidationError.DirectResponse: {BELOW} "
        "DirectResponseActionValidationError.Status: value must be inside range [200, 600)",
    ),
    "a wrapped number": (
        from_json({"name": "c", "ring_hash_lb_config": {"minimum_ring_size": "9000000"}}, cluster_pb2.Cluster),
        f"ClusterValidationError.RingHashLbConfig: {BELOW} "
        "RingHashLbConfigValidationError.MinimumRingSize: value must be less than or equal to 8388608",
    ),
    "a duration of nothing": (
        from_json({"name": "c", "connect_timeout": "0s"}, cluster_pb2.Cluster),
        "ClusterValidationError.ConnectTimeout: value must be greater than 0s",
    ),
    "a negative duration, wherever it is": (
        table({"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "-1s"}}),
        "Invalid duration: Expected positive duration",
    ),
    "an enum that has no such value": (
        cluster_pb2.Cluster(name="c", lb_policy=99),  # type: ignore[arg-type]
        "ClusterValidationError.LbPolicy: value must be one of the defined enum values",
    ),
    "a header value with a line feed": (
        table(request_headers_to_add=[{"header": {"key": "a", "value": "b\nc"}}]),
        f"RouteConfigurationValidationError.VirtualHosts[0]: {BELOW} "
        f"VirtualHostValidationError.RequestHeadersToAdd[0]: {BELOW} HeaderValueOptionValidationError.Header: {BELOW} "
        r'HeaderValueValidationError.Value: value does not match regex pattern "^[^\x00\n\r]*$"',
    ),
    "a value of a map": (
        from_json({"rules": {"policies": {"p": {"permissions": [{"any": True}]}}}}, http_rbac_pb2.RBAC),
        f"RBACValidationError.Rules: {BELOW} RBACValidationError.Policies[p]: {BELOW} "
        "PolicyValidationError.Principals: value must contain at least 1 item(s)",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_the_first_constraint_is_named(name: str) -> None:
    message, reason = CASES[name]
    assert violation(message) == reason


def test_what_is_not_set_is_not_checked_unless_it_is_required() -> None:
    assert violation(cluster_pb2.Cluster(name="c")) == ""
    assert violation(endpoint_pb2.ClusterLoadAssignment(cluster_name="c")) == ""
    assert violation(table({"match": {"prefix": ""}, "route": {"cluster": "a"}})) == ""


def test_a_message_is_not_asked_for_its_packed_parts() -> None:
    chain = {"filters": [{"name": "x", "typed_config": {"@type": f"type.googleapis.com/{_MANAGER}"}}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 80}}
    listener = from_json({"name": "l", "address": address, "filter_chains": [chain]}, listener_pb2.Listener)
    assert violation(listener) == ""


_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def test_a_caller_may_check_parts_by_itself() -> None:
    assert violation(table(domains=[]), ("virtual_hosts",)) == ""
    assert violation(table(domains=[]), ("request_headers_to_add",)) != ""
