from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from meshsim.api import ApiObject, Fields, make_object
from meshsim.controlplane.authz import AuthorizationBuilder, TrustDomains, WorkloadPolicies, external_authorizers
from meshsim.xds.packing import to_json

EXT_AUTHZ = "my-custom-ext-authz.foo.svc.cluster.local"


def _lookup(service: str, port: int) -> tuple[str, str] | None:
    host = service.rpartition("/")[2]
    return (host, f"outbound|{port}||{host}") if host == EXT_AUTHZ else None


def _builder(policies: Sequence[ApiObject], domains: Sequence[str] = ("cluster.local",), mesh: Any = None) -> Any:
    providers = Fields(mesh or {}).items("extensionProviders")
    return AuthorizationBuilder(
        WorkloadPolicies.of(policies), TrustDomains(tuple(domains)), external_authorizers(providers, _lookup)
    )


def _json(messages: Sequence[Message]) -> list[Any]:
    return [to_json(message) for message in messages]


@pytest.mark.needs_shared
def test_istios_own_cases(oracle: Path) -> None:
    """Istio's golden files (pilot/pkg/security/authz/builder/testdata), in HTTP and TCP chains."""
    cases = json.loads(gzip.decompress((oracle / "authz" / "cases.json.gz").read_bytes()))
    assert cases
    for case in cases:
        bundle = case["trust_domain_bundle"] or {}
        domains = (bundle["trustDomain"], *bundle.get("aliases", ())) if bundle else ()
        builder = _builder([make_object(p) for p in case["policies"]], domains, case.get("mesh_config"))
        for key, found in (
            ("custom_builder_http", builder.custom_http_filters()),
            ("custom_builder_tcp", builder.custom_network_filters()),
            ("ordinary_builder_http", builder.http_filters()),
            ("ordinary_builder_tcp", builder.network_filters()),
        ):
            assert _json(found) == (case["more"].get(key) or []), (case["name"], key)


def _policy(name: str, action: str = "ALLOW", rules: Any = None, **annotations: str) -> ApiObject:
    return make_object(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": "n", "annotations": annotations},
            "spec": {"action": action, **({"rules": rules} if rules is not None else {})},
        }
    )


def test_filters_stand_in_the_order_audit_deny_allow() -> None:
    builder = _builder([_policy("a", rules=[{}]), _policy("d", "DENY", [{}]), _policy("l", "AUDIT", [{}])])
    actions = [f["typed_config"]["rules"].get("action", "ALLOW") for f in _json(builder.http_filters())]
    assert actions == ["LOG", "DENY", "ALLOW"]


def test_a_policy_without_rules_allows_nothing() -> None:
    (found,) = _json(_builder([_policy("a")]).http_filters())
    rule = found["typed_config"]["rules"]["policies"]["ns[n]-policy[a]-rule[0]"]
    assert rule["permissions"] == [{"not_rule": {"any": True}}]


def test_a_dry_run_is_only_watched() -> None:
    (found,) = _json(_builder([_policy("a", rules=[{}], **{"istio.io/dry-run": "true"})]).http_filters())
    config = found["typed_config"]
    assert "rules" not in config
    assert config["shadow_rules_stat_prefix"] == "istio_dry_run_allow_"


def test_two_providers_on_one_workload_deny_all() -> None:
    policies = []
    for name in ("p", "q"):
        policy = _policy(name, "CUSTOM", [{}])
        body = {**policy.body, "spec": {"action": "CUSTOM", "provider": {"name": name}, "rules": [{}]}}
        policies.append(make_object(body))
    found = _json(_builder(policies).custom_http_filters())
    assert [f["name"] for f in found] == ["envoy.filters.http.rbac"] * 2
    assert all(f["typed_config"]["rules"]["action"] == "DENY" for f in found)
