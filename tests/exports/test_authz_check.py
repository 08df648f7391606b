"""The table of `istioctl experimental authz check`, equal to what a real istioctl printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshsim.exports.authz_check import print_authz_check
from meshsim.world.verify.folder import read_json, read_proxies, world_names
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
NETWORK = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
EVERYTHING = {"permissions": [{"any": True}], "principals": [{"any": True}]}


@pytest.mark.needs_shared
def test_every_recorded_table(oracle: Path) -> None:
    """istioctl of Istio 1.31 on the listeners of 180 proxies."""
    equal, wrong = 0, []
    for world in world_names(oracle):
        for proxy in read_proxies(oracle, "xds", world):
            recorded: Any = read_json(oracle / "istioctl" / world / f"{proxy.id.replace('/', '__')}.json.gz")
            listeners = [from_json(body, listener_pb2.Listener) for body in proxy.resources["lds"]]
            if print_authz_check(listeners) == recorded["authz-check"]:
                equal += 1
            else:
                wrong.append(f"{world} {proxy.id}")
    assert (equal, wrong) == (180, [])


def listener(*filters: dict[str, Any]) -> listener_pb2.Listener:
    return from_json({"name": "l", "filter_chains": [{"filters": list(filters)}]}, listener_pb2.Listener)


def rules(action: str, *names: str) -> dict[str, Any]:
    return {"action": action, "policies": dict.fromkeys(names, EVERYTHING)}


def manager(*configs: dict[str, Any]) -> dict[str, Any]:
    filters = [{"name": "envoy.filters.http.rbac", "typed_config": {"@type": RBAC, **config}} for config in configs]
    return {"name": "hcm", "typed_config": {"@type": HCM, "stat_prefix": "x", "http_filters": filters}}


def test_without_policies_there_is_only_the_head() -> None:
    assert print_authz_check([listener()]) == "ACTION   AuthorizationPolicy   RULES\n"


def test_rules_are_counted_once_and_actions_have_their_order() -> None:
    """The order and the name of an empty filter are those of the recorded tables of ap-custom-audit-gateway."""
    network = {"@type": NETWORK, "stat_prefix": "x", "rules": rules("DENY", "ns[a]-policy[no]-rule[0]")}
    http = manager(
        {"shadow_rules": rules("DENY", "istio-ext-authz-ns[a]-policy[ask]-rule[0]")},
        {"rules": rules("LOG", "ns[a]-policy[audit]-rule[0]")},
        {"rules": rules("ALLOW", "ns[a]-policy[b]-rule[0]", "ns[a]-policy[b]-rule[1]", "ns[b]-policy[a]-rule[0]")},
    )
    found = print_authz_check([listener({"name": "envoy.filters.network.rbac", "typed_config": network}, http)] * 2)
    assert found.splitlines()[1:] == [
        "DENY     no.a                        1",
        "ALLOW    _anonymous_match_nothing_   1",
        "ALLOW    a.b                         1",
        "ALLOW    b.a                         2",
        "LOG      audit.a                     1",
        "CUSTOM   ask.a                       1",
    ]
