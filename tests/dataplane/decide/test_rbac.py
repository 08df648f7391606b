"""Access rules of both RBAC filters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.rbac import RbacEngine, Subject, decode_engine
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.dataplane.decide.values import PeerCertificate
from meshsim.xds.messages import rbac_pb2
from meshsim.xds.packing import from_json

CLIENT = "spiffe://cluster.local/ns/shop/sa/client"
TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
SUBJECT = Subject(
    HeaderMap([(":method", "GET"), ("x", "1")]),
    "/api/x",
    parse_ip("10.0.0.2"),
    8080,
    parse_ip("10.0.0.1"),
    parse_ip("203.0.113.9"),
    "sni.example",
    True,
    PeerCertificate((CLIENT,), ("dns.example",), "CN=x"),
    {"jwt": {"payload": {"iss": "me"}}},
)


def engine(permission: dict[str, Any], principal: dict[str, Any], action: str = "ALLOW") -> RbacEngine:
    policy = {"permissions": [permission], "principals": [principal]}
    return decode_engine(from_json({"action": action, "policies": {"p": policy}}, rbac_pb2.RBAC), [])


@pytest.mark.parametrize(
    ("permission", "holds"),
    [
        ({"any": True}, True),
        ({"header": {"name": ":method", "string_match": {"exact": "GET"}}}, True),
        ({"url_path": {"path": {"prefix": "/api"}}}, True),
        ({"url_path": {"path": {"exact": "/api"}}}, False),
        ({"uri_template": {"name": "t", "typed_config": {"@type": TEMPLATE, "path_template": "/api/*"}}}, True),
        ({"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 24}}, True),
        ({"destination_port": 8080}, True),
        ({"destination_port_range": {"start": 8000, "end": 8080}}, False),
        ({"requested_server_name": {"suffix": ".example"}}, True),
        (
            {
                "metadata": {
                    "filter": "jwt",
                    "path": [{"key": "payload"}, {"key": "iss"}],
                    "value": {"string_match": {"exact": "me"}},
                }
            },
            True,
        ),
        ({"not_rule": {"destination_port": 1}}, True),
        ({"and_rules": {"rules": [{"any": True}, {"destination_port": 1}]}}, False),
        ({"or_rules": {"rules": [{"destination_port": 1}, {"any": True}]}}, True),
    ],
)
def test_permissions(permission: dict[str, Any], holds: bool) -> None:
    assert engine(permission, {"any": True}).evaluate(SUBJECT).allowed is holds


@pytest.mark.parametrize(
    ("principal", "holds"),
    [
        ({"authenticated": {"principal_name": {"exact": CLIENT}}}, True),
        ({"authenticated": {"principal_name": {"exact": "dns.example"}}}, True),
        ({"authenticated": {"principal_name": {"suffix": "/sa/other"}}}, False),
        ({"authenticated": {}}, True),
        ({"direct_remote_ip": {"address_prefix": "10.0.0.1", "prefix_len": 32}}, True),
        ({"remote_ip": {"address_prefix": "10.0.0.1", "prefix_len": 32}}, False),
        ({"remote_ip": {"address_prefix": "203.0.113.0", "prefix_len": 24}}, True),
        ({"header": {"name": "x", "string_match": {"exact": "1"}}}, True),
        ({"not_id": {"any": True}}, False),
        ({"and_ids": {"ids": [{"any": True}, {"header": {"name": "y"}}]}}, False),
        ({"or_ids": {"ids": [{"any": True}, {"header": {"name": "y"}}]}}, True),
    ],
)
def test_principals(principal: dict[str, Any], holds: bool) -> None:
    assert engine({"any": True}, principal).evaluate(SUBJECT).allowed is holds


def test_nobody_is_authenticated_without_tls() -> None:
    rule = engine({"any": True}, {"authenticated": {}})
    assert not rule.evaluate(replace(SUBJECT, tls=False, certificate=None)).allowed


def test_actions_and_order() -> None:
    every = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    policies = {"b": every, "a": every}
    for action, allowed in (("ALLOW", True), ("DENY", False), ("LOG", True)):
        found = decode_engine(from_json({"action": action, "policies": policies}, rbac_pb2.RBAC), []).evaluate(SUBJECT)
        assert found == (allowed, "a"), "policies are read in the order of their names"
    assert decode_engine(from_json({}, rbac_pb2.RBAC), []).evaluate(SUBJECT) == (False, "")


def test_an_empty_port_range_is_refused() -> None:
    with pytest.raises(ResourceRejectedError, match="range start 8 cannot be greater or equal than range end 8"):
        engine({"destination_port_range": {"start": 8, "end": 8}}, {"any": True})


def test_a_condition_must_be_true_too() -> None:
    def allowed(value: bool) -> bool:
        condition = {"const_expr": {"bool_value": value}}
        policy = {"permissions": [{"any": True}], "principals": [{"any": True}], "condition": condition}
        found = decode_engine(from_json({"policies": {"p": policy}}, rbac_pb2.RBAC), [])
        return found.evaluate(SUBJECT).allowed

    assert allowed(True)
    assert not allowed(False)


def test_a_checked_condition_is_noted_and_never_holds() -> None:
    notes: list[str] = []
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}], "checked_condition": {"expr_version": "1"}}
    found = decode_engine(from_json({"policies": {"p": policy}}, rbac_pb2.RBAC), notes)
    assert not found.evaluate(SUBJECT).allowed
    assert notes == ["RBAC policy p: checked CEL condition"]
