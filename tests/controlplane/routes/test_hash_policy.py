from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.api import make_object
from meshsim.controlplane.destination_rules import DestinationRuleIndex, MergedDestinationRule
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.routes.hash_policy import build_hash_policy, hash_for_destination, hash_for_service

HOST = "web.shop.svc.cluster.local"


def by(header: str) -> dict[str, Any]:
    return {"loadBalancer": {"consistentHash": {"httpHeaderName": header}}}


@pytest.fixture
def rule() -> MergedDestinationRule:
    """Hash settings on every level, and a subset without any."""
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "host": "web",
            "trafficPolicy": {**by("all"), "portLevelSettings": [{"port": {"number": 80}, **by("all-80")}]},
            "subsets": [
                {
                    "name": "v1",
                    "trafficPolicy": {**by("v1"), "portLevelSettings": [{"port": {"number": 80}, **by("v1-80")}]},
                },
                {"name": "v2"},
            ],
        },
    }
    index = DestinationRuleIndex((make_object(document),), build_mesh_config())
    (found,) = index.lookup("shop", "shop", HOST)
    return found


@pytest.mark.parametrize(
    ("destination", "header"),
    [
        ("{host: web, subset: v1, port: {number: 80}}", "v1-80"),
        ("{host: web, subset: v1, port: {number: 81}}", "v1"),
        ("{host: web, subset: v1}", "v1"),
        ("{host: web, subset: v2, port: {number: 80}}", "all-80"),
        ("{host: web, subset: v2}", "all"),
        ("{host: web, port: {number: 80}}", "all-80"),
        ("{host: web}", "all"),
    ],
)
def test_the_most_specific_setting_holds(
    rule: MergedDestinationRule, fields: Callable[[str], Any], destination: str, header: str
) -> None:
    found = hash_for_destination(rule, fields(destination))
    assert found is not None
    assert found.text("httpHeaderName") == header


def test_a_service_without_virtual_service(rule: MergedDestinationRule) -> None:
    on_80, on_81 = hash_for_service(rule, 80), hash_for_service(rule, 81)
    assert on_80 is not None
    assert on_81 is not None
    assert (on_80.text("httpHeaderName"), on_81.text("httpHeaderName")) == ("all-80", "all")
    assert hash_for_service(None, 80) is None


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("{httpHeaderName: x}", {"header": {"header_name": "x"}}),
        ("{httpCookie: {name: c, path: /p, ttl: 1h}}", {"cookie": {"name": "c", "path": "/p", "ttl": "3600s"}}),
        ("{httpCookie: {name: c}}", {"cookie": {"name": "c"}}),
        ("{httpCookie: {name: c, ttl: 0s}}", {"cookie": {"name": "c", "ttl": "0s"}}),
        ("{useSourceIp: true}", {"connection_properties": {"source_ip": True}}),
        ("{httpQueryParameterName: q}", {"query_parameter": {"name": "q"}}),
    ],
)
def test_policies(plain: Callable[[Any], Any], fields: Callable[[str], Any], text: str, want: Any) -> None:
    assert plain(build_hash_policy(fields(text))) == want


def test_no_key_is_no_policy(fields: Callable[[str], Any]) -> None:
    assert build_hash_policy(None) is None
    assert build_hash_policy(fields("{maglev: {}}")) is None
